//! The host of a replayed run: it answers from the fixture and remembers what was saved.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tenon_core::function::{
    FetchCall, Host, HostCall, HostError, HostErrorKind, HostReply, HttpReply, ProxyBody,
    ProxyCall, RecordInput,
};

use super::{
    fixture::{Entry, Fixture},
    identity::{self, Identity},
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
            return Err(self.not_recorded(&identity));
        };
        Ok(HostReply::JsonText(reply(entry).into()))
    }

    /// `uncontrolledFetch`: recorded as the request through the proxy that it stands for. Its headers are those the proxy
    /// would have added, so what was recorded without any fits, too.
    fn fetch(&self, call: FetchCall) -> Result<HostReply, HostError> {
        let url = call.url.clone();
        let body = call.body.unwrap_or_default();
        let mut identity = Identity::of(&ProxyCall {
            endpoint: call.url,
            method: call.method,
            headers: call.headers,
            body: match String::from_utf8_lossy(&body).into_owned() {
                text if text.is_empty() => ProxyBody::Empty,
                text => ProxyBody::Text(text),
            },
            ..ProxyCall::default()
        });
        let mut found = self.fixture.find(&identity);
        if found.is_none() {
            identity.headers.clear();
            found = self.fixture.find(&identity);
        }
        if found.is_none() {
            // What was written by hand says nothing of the query either.
            let asked = Identity {
                params: Vec::new(),
                ..identity.clone()
            };
            let entry = self.fixture.find(&asked);
            found = entry.filter(|entry| !entry.contains_key("request"));
        }
        let Some(entry) = found else {
            return Err(self.not_recorded(&identity));
        };
        let part = |name: &str| -> Value {
            let text = entry.get(name).map_or("null", |text| text.get());
            serde_json::from_str(text).unwrap_or_default()
        };
        let headers = part("headers");
        let headers = headers.as_object().into_iter().flatten();
        Ok(HostReply::Response(Box::new(HttpReply {
            status: part("status")
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or(200),
            status_text: String::new(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), identity::text_of(value)))
                .collect(),
            body: match part("response") {
                Value::Null => Bytes::new(),
                Value::String(text) => text.into(),
                other => other.to_string().into(),
            },
            url,
            ..HttpReply::default()
        })))
    }

    /// Remembers a request that the fixture does not know.
    fn not_recorded(&self, identity: &Identity) -> HostError {
        let sentence = unknown(identity);
        let mut seen = lock(&self.seen);
        if seen.unknown_requests.len() < UNKNOWN_REQUESTS {
            seen.unknown_requests.push(sentence.clone());
        }
        plain(sentence)
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
            HostCall::UncontrolledFetch(call) => self.fetch(call),
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
