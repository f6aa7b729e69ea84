//! Checkpoints and locks (functions.md, 2.9 and 2.10).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::function::{HostError, HostReply};
use tenon_store::{StoreError, work::checkpoints::CheckpointRow};

use super::{RunHost, plain_error, sdk_error, store_error};

/// Longest lock key (functions.md, 2.9).
const LOCK_KEY_CHARS: usize = 255;

/// Longest time that a lock is held without being taken again: the longest run.
const LOCK_TTL: Duration = tenon_core::limits::SYNC_RUN;

/// Largest checkpoint, as JSON text: it is a place to go on from, not a store.
const CHECKPOINT_BYTES: usize = 64 * 1024;

/// What the run knows of its checkpoint.
#[derive(Default)]
pub(super) struct Known {
    /// Version in the store; nothing before the first look.
    version: Option<i64>,
    first: Option<Value>,
    last: Option<Value>,
}

impl Known {
    /// First and last one, if the run asked for one at all.
    pub(super) fn span(&self) -> Option<(Value, Value)> {
        Some((self.first.clone()?, self.last.clone()?))
    }

    fn saw(&mut self, version: i64, value: Value) {
        self.version = Some(version);
        self.first.get_or_insert_with(|| value.clone());
        self.last = Some(value);
    }
}

fn value(row: &CheckpointRow) -> Value {
    row.value
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

impl RunHost {
    pub(super) async fn get_checkpoint(&self) -> Result<HostReply, HostError> {
        let key = self.run.checkpoint_key();
        let row = self
            .engine
            .reader()
            .checkpoint(self.run.subject.connection, &key)
            .await
            .map_err(store_error)?;
        let value = value(&row);
        self.progress().checkpoint.saw(row.version, value.clone());
        Ok(HostReply::Json(value))
    }

    /// Saves, or clears with `None`. The write comes first; whether the run is to stop is looked at after it.
    pub(super) async fn save_checkpoint(
        &self,
        checkpoint: Option<Map<String, Value>>,
    ) -> Result<HostReply, HostError> {
        let clearing = checkpoint.is_none();
        let text = checkpoint.map(check).transpose()?;
        if self.progress().checkpoint.version.is_none() {
            self.get_checkpoint().await?;
        }
        let expected = self.progress().checkpoint.version.unwrap_or_default();
        if clearing && expected == 0 {
            return Ok(HostReply::Done);
        }
        let connection = self.run.subject.connection;
        let key = self.run.checkpoint_key();
        let (task, fence) = (self.run.task.pk, self.run.task.fence);
        let now = self.engine.clock.now();
        let written = text.clone();
        let version = self
            .engine
            .store
            .write(move |tx| async move {
                if !tx.hold_task(task, fence).await? {
                    return Ok::<_, StoreError>(Written::Lost);
                }
                let version = tx
                    .put_checkpoint(connection, &key, written.as_deref(), expected, now)
                    .await?;
                Ok(version.map_or(Written::Conflict, Written::Version))
            })
            .await
            .map_err(store_error)?;
        match version {
            Written::Version(version) => {
                let value = text
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or_default();
                self.progress().checkpoint.saw(version, value);
            }
            Written::Conflict => {
                return Err(plain_error(
                    "Error saving checkpoint: another run of this function has saved one meanwhile"
                        .to_owned(),
                ));
            }
            Written::Lost => {
                return Err(sdk_error(
                    "script_aborted",
                    "the run was given to another node",
                ));
            }
        }
        self.check_cancelled()?;
        if !clearing && self.is_interrupted() {
            return Err(sdk_error(
                "execution_interrupted",
                "the run goes on from this checkpoint in a new run",
            ));
        }
        Ok(HostReply::Done)
    }

    pub(super) async fn take_lock(&self, key: String, ttl_ms: u64) -> Result<HostReply, HostError> {
        let chars = key.chars().count();
        if chars == 0 || chars > LOCK_KEY_CHARS {
            return Err(plain_error(format!(
                "the key of a lock has 1 to {LOCK_KEY_CHARS} characters"
            )));
        }
        if ttl_ms == 0 {
            return Err(plain_error(
                "the `ttlMs` of a lock must be above 0".to_owned(),
            ));
        }
        let environment = self.run.subject.environment;
        let owner = self.run.task.operation.clone();
        let now = self.engine.clock.now();
        let until = now.plus(Duration::from_millis(ttl_ms).min(LOCK_TTL));
        self.progress().locks = true;
        let taken = self
            .engine
            .store
            .write(
                move |tx| async move { tx.take_lock(environment, &key, &owner, until, now).await },
            )
            .await
            .map_err(|error: StoreError| store_error(error))?;
        Ok(HostReply::Json(Value::Bool(taken)))
    }

    pub(super) async fn drop_lock(&self, key: String) -> Result<HostReply, HostError> {
        let environment = self.run.subject.environment;
        let owner = self.run.task.operation.clone();
        let dropped = self
            .engine
            .store
            .write(move |tx| async move { tx.drop_lock(environment, &key, &owner).await })
            .await
            .map_err(|error: StoreError| store_error(error))?;
        Ok(HostReply::Json(Value::Bool(dropped)))
    }

    pub(super) async fn drop_locks(&self) -> Result<HostReply, HostError> {
        let environment = self.run.subject.environment;
        let owner = self.run.task.operation.clone();
        self.engine
            .store
            .write(move |tx| async move { tx.drop_locks(environment, &owner).await })
            .await
            .map_err(|error: StoreError| store_error(error))?;
        Ok(HostReply::Done)
    }
}

enum Written {
    Version(i64),
    /// Another version is there.
    Conflict,
    /// The lease is void.
    Lost,
}

/// A flat object of texts, numbers and booleans.
fn check(checkpoint: Map<String, Value>) -> Result<String, HostError> {
    let flat = checkpoint
        .values()
        .all(|value| value.is_string() || value.is_number() || value.is_boolean());
    if !flat {
        return Err(plain_error(
            "Error saving checkpoint: its values are texts, numbers and booleans only".to_owned(),
        ));
    }
    let text = Value::Object(checkpoint).to_string();
    if text.len() > CHECKPOINT_BYTES {
        return Err(plain_error(format!(
            "Error saving checkpoint: it is larger than {CHECKPOINT_BYTES} bytes"
        )));
    }
    Ok(text)
}
