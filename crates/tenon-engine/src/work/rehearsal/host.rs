//! What a function that is tried out may do: it really reads, and what it writes is only collected (cli.md, 5).

use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tenon_core::function::{Host, HostCall, HostError, HostReply, RecordInput};

use crate::work::host::RunHost;

/// Most records that are shown of a run; more are only counted.
const SHOWN_RECORDS: usize = 1_000;

/// Most log lines that are shown.
const SHOWN_LINES: usize = 1_000;

/// What the run did.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// By model and id; the last one counts.
    saved: IndexMap<String, IndexMap<String, Value>>,
    updated: IndexMap<String, IndexMap<String, Value>>,
    deleted: IndexMap<String, IndexMap<String, Value>>,
    checkpoint: Value,
    metadata: Option<Value>,
    lines: Vec<Value>,
    /// Calls that would have changed something elsewhere.
    left_out: Vec<Value>,
}

/// A host for one try.
pub(super) struct RehearsalHost {
    real: RunHost,
    collected: Mutex<Collected>,
}

impl RehearsalHost {
    pub(super) fn new(real: RunHost, metadata: Option<Value>, checkpoint: Option<Value>) -> Self {
        Self {
            real,
            collected: Mutex::new(Collected {
                metadata,
                checkpoint: checkpoint.unwrap_or_default(),
                ..Collected::default()
            }),
        }
    }

    /// What the run did, for the answer.
    pub(super) fn result(&self) -> Value {
        let collected = self.collected();
        let counts = |models: &IndexMap<String, IndexMap<String, Value>>| -> Map<String, Value> {
            models
                .iter()
                .map(|(model, records)| (model.clone(), json!(records.len())))
                .collect()
        };
        let shown = |models: &IndexMap<String, IndexMap<String, Value>>| -> Map<String, Value> {
            models
                .iter()
                .map(|(model, records)| {
                    let records: Vec<&Value> = records.values().take(SHOWN_RECORDS).collect();
                    (model.clone(), json!(records))
                })
                .collect()
        };
        json!({
            "batchSave": shown(&collected.saved),
            "batchUpdate": shown(&collected.updated),
            "batchDelete": shown(&collected.deleted),
            "counts": {
                "saved": counts(&collected.saved),
                "updated": counts(&collected.updated),
                "deleted": counts(&collected.deleted),
            },
            "checkpoint": collected.checkpoint,
            "metadata": collected.metadata,
            "logs": collected.lines,
            "not_done": collected.left_out,
        })
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn leave_out(&self, call: Value) -> Result<HostReply, HostError> {
        let mut collected = self.collected();
        if collected.left_out.len() < SHOWN_LINES {
            collected.left_out.push(call);
        }
        Ok(HostReply::Done)
    }

    /// The connection as it is, but with the metadata of the try.
    async fn connection(&self, call: HostCall) -> Result<HostReply, HostError> {
        let own = matches!(
            &call,
            HostCall::GetConnection {
                provider_config_key: None,
                connection_id: None,
                ..
            }
        );
        let reply = self.real.call(call).await?;
        let metadata = self.collected().metadata.clone();
        Ok(match (reply, metadata) {
            (HostReply::Json(mut connection), Some(metadata)) if own => {
                connection["metadata"] = metadata;
                HostReply::Json(connection)
            }
            (reply, _) => reply,
        })
    }

    async fn change_metadata(
        &self,
        change: Map<String, Value>,
        merge: bool,
    ) -> Result<HostReply, HostError> {
        let mut all = if merge {
            match self.call(HostCall::GetMetadata).await? {
                HostReply::Json(Value::Object(known)) => known,
                _ => Map::new(),
            }
        } else {
            Map::new()
        };
        all.extend(change);
        self.collected().metadata = Some(Value::Object(all));
        Ok(HostReply::Done)
    }

    fn keep(&self, which: Which, model: String, records: Vec<RecordInput>) -> HostReply {
        let mut collected = self.collected();
        let models = match which {
            Which::Saved => &mut collected.saved,
            Which::Updated => &mut collected.updated,
            Which::Deleted => &mut collected.deleted,
        };
        let kept = models.entry(model).or_default();
        for record in records {
            let mut whole = Map::new();
            whole.insert("id".to_owned(), json!(record.id));
            if let Ok(Value::Object(rest)) = serde_json::from_slice(&record.json) {
                whole.extend(rest);
            }
            kept.insert(record.id, Value::Object(whole));
        }
        HostReply::Done
    }
}

#[derive(Clone, Copy)]
enum Which {
    Saved,
    Updated,
    Deleted,
}

#[async_trait::async_trait]
impl Host for RehearsalHost {
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        match call {
            HostCall::Proxy(_)
            | HostCall::UncontrolledFetch(_)
            | HostCall::PaginationSettings { .. }
            | HostCall::GetToken
            | HostCall::GetIntegration { .. }
            | HostCall::GetEnvironmentVariables
            | HostCall::TriggerAction { .. } => self.real.call(call).await,
            HostCall::GetConnection { .. } => self.connection(call).await,
            HostCall::GetMetadata => {
                let own = self.collected().metadata.clone();
                match own {
                    Some(metadata) => Ok(HostReply::Json(metadata)),
                    None => self.real.call(call).await,
                }
            }
            HostCall::SetMetadata { metadata } => self.change_metadata(metadata, false).await,
            HostCall::UpdateMetadata { metadata } => self.change_metadata(metadata, true).await,
            HostCall::TriggerSync { sync, .. } => {
                self.leave_out(json!({ "call": "triggerSync", "sync": sync }))
            }
            HostCall::StartSync { syncs, .. } => {
                self.leave_out(json!({ "call": "startSync", "syncs": syncs }))
            }
            HostCall::Log {
                level,
                message,
                payload,
            } => {
                let mut collected = self.collected();
                if collected.lines.len() < SHOWN_LINES {
                    let line = json!({ "level": level, "message": message, "payload": payload });
                    collected.lines.push(line);
                }
                Ok(HostReply::Done)
            }
            HostCall::BatchSave { model, records } => Ok(self.keep(Which::Saved, model, records)),
            HostCall::BatchUpdate { model, records } => {
                Ok(self.keep(Which::Updated, model, records))
            }
            HostCall::BatchDelete { model, records } => {
                Ok(self.keep(Which::Deleted, model, records))
            }
            HostCall::RejectRecords { model, records } => self.leave_out(
                json!({ "call": "batchSave", "model": model, "rejected": records.len() }),
            ),
            HostCall::GetRecordsByIds { .. } | HostCall::ListRecords { .. } => {
                Ok(HostReply::Records {
                    records: Vec::new(),
                    next_cursor: None,
                })
            }
            HostCall::TrackDeletesEnd { .. }
            | HostCall::DeleteRecordsFromPreviousExecutions { .. } => {
                Ok(HostReply::Json(json!({ "deletedKeys": [] })))
            }
            HostCall::GetCheckpoint => Ok(HostReply::Json(self.collected().checkpoint.clone())),
            HostCall::SaveCheckpoint { checkpoint } => {
                self.collected().checkpoint = Value::Object(checkpoint);
                Ok(HostReply::Done)
            }
            HostCall::ClearCheckpoint => {
                self.collected().checkpoint = Value::Null;
                Ok(HostReply::Done)
            }
            HostCall::TryAcquireLock { .. } | HostCall::ReleaseLock { .. } => {
                Ok(HostReply::Json(Value::Bool(true)))
            }
            HostCall::SetMergingStrategy { .. }
            | HostCall::TrackDeletesStart { .. }
            | HostCall::ReleaseAllLocks => Ok(HostReply::Done),
        }
    }
}
