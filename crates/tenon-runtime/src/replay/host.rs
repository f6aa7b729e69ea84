//! The host of a replayed run: it answers from the fixture and remembers what was saved.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tenon_core::function::{
    Host, HostCall, HostError, HostErrorKind, HostReply, ProxyCall, RecordInput,
};

use super::{
    fixture::{Entry, Fixture},
    identity::Identity,
};

/// Most unknown requests that are remembered: a loop may ask for ever.
const UNKNOWN_REQUESTS: usize = 20;

/// What a run did that a test looks at.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// JSON texts of records by model, in the order they were handed over.
    pub(super) saved: IndexMap<String, Vec<Bytes>>,
    pub(super) deleted: IndexMap<String, Vec<Bytes>>,
    /// Requests that the fixture does not know, as sentences.
    pub(super) unknown_requests: Vec<String>,
}

pub(super) struct ReplayHost {
    fixture: Arc<Fixture>,
    paginate: Value,
    seen: Mutex<Seen>,
    checkpoint: Mutex<Option<Map<String, Value>>>,
}

impl ReplayHost {
    pub(super) fn new(fixture: Arc<Fixture>, paginate: Value) -> Self {
        Self {
            fixture,
            paginate,
            seen: Mutex::default(),
            checkpoint: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    fn request(&self, call: &ProxyCall) -> Result<HostReply, HostError> {
        let identity = Identity::of(call);
        let Some(entry) = self.fixture.find(&identity) else {
            let sentence = unknown(&identity);
            let mut seen = lock(&self.seen);
            if seen.unknown_requests.len() < UNKNOWN_REQUESTS {
                seen.unknown_requests.push(sentence.clone());
            }
            return Err(plain(sentence));
        };
        Ok(HostReply::JsonText(reply(entry).into()))
    }

    fn recorded(&self, member: &str) -> Result<HostReply, HostError> {
        match self.fixture.answer(member) {
            Some(value) => Ok(HostReply::Json(value.clone())),
            // Functions are written that look at this text (functions.md, 5.5).
            None => Err(plain(format!("Missing mock data for {member}"))),
        }
    }
}

/// `{data, headers, status}`, without what was not recorded.
fn reply(entry: &Entry) -> String {
    let fields = [
        ("response", "data"),
        ("headers", "headers"),
        ("status", "status"),
    ];
    let parts = fields
        .iter()
        .filter_map(|(field, key)| Some(format!("\"{key}\":{}", entry.get(*field)?.get())));
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}

fn remember(seen: &mut IndexMap<String, Vec<Bytes>>, model: String, records: Vec<RecordInput>) {
    let records = records.into_iter().map(|record| record.json);
    seen.entry(model).or_default().extend(records);
}

#[async_trait::async_trait]
impl Host for ReplayHost {
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        match call {
            HostCall::Proxy(call) => self.request(&call),
            HostCall::PaginationSettings { .. } => Ok(HostReply::Json(self.paginate.clone())),
            HostCall::GetConnection { .. } => self.recorded("getConnection"),
            HostCall::GetMetadata => self.recorded("getMetadata"),
            HostCall::BatchSave { model, records } => {
                remember(&mut lock(&self.seen).saved, model, records);
                Ok(HostReply::Done)
            }
            HostCall::BatchDelete { model, records } => {
                remember(&mut lock(&self.seen).deleted, model, records);
                Ok(HostReply::Done)
            }
            HostCall::ListRecords { .. } => Ok(HostReply::Records {
                records: Vec::new(),
                next_cursor: None,
            }),
            HostCall::GetCheckpoint => Ok(HostReply::Json(json!(*lock(&self.checkpoint)))),
            HostCall::SaveCheckpoint { checkpoint } => {
                *lock(&self.checkpoint) = Some(checkpoint);
                Ok(HostReply::Done)
            }
            HostCall::ClearCheckpoint => {
                *lock(&self.checkpoint) = None;
                Ok(HostReply::Done)
            }
            HostCall::Log { .. }
            | HostCall::UpdateMetadata { .. }
            | HostCall::TrackDeletesStart { .. } => Ok(HostReply::Done),
            HostCall::TrackDeletesEnd { .. }
            | HostCall::DeleteRecordsFromPreviousExecutions { .. } => {
                Ok(HostReply::Json(json!({ "deletedKeys": [] })))
            }
            other => Err(plain(format!(
                "{} is not available in a replay",
                name(&other)
            ))),
        }
    }
}

fn unknown(request: &Identity) -> String {
    let method = request.method.to_uppercase();
    let query = if request.params.is_empty() {
        String::new()
    } else {
        let pairs = request
            .params
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    };
    let data = request
        .data
        .as_deref()
        .map_or_else(String::new, |data| format!(" with data {}", shown(data)));
    let hash = request.hash();
    format!(
        "No mock found for {method} {}{query}{data} with hash {hash}",
        request.endpoint
    )
}

fn shown(data: &str) -> String {
    const CHARS: usize = 200;
    let mut text: String = data.chars().take(CHARS).collect();
    if text.len() < data.len() {
        text.push('…');
    }
    text
}

/// Name of the variant, for a message.
fn name(call: &HostCall) -> String {
    let text = format!("{call:?}");
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

fn plain(message: String) -> HostError {
    HostError {
        code: String::new(),
        message,
        response: None,
        kind: HostErrorKind::Plain,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
