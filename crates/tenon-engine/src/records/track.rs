//! Detection of deletions: what a run has not seen is gone (records.md, section 4); and removal for good.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tenon_core::{
    Timestamp,
    function::RecordCounts,
    names::{ConnectionPk, RunPk, SyncPk, TaskPk},
};
use tenon_store::{
    StoreError, Tx,
    records::{ModelKey, seen_since},
};
use uuid::Uuid;

use super::{RecordsError, Writer};
use crate::Engine;

/// Records looked at, and at most deleted, in one transaction.
const SLICE: i64 = 10_000;

/// Records removed for good in one transaction.
const REMOVAL_SLICE: i64 = 10_000;

/// What stands in the checkpoint of a tracking.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tracking {
    /// The run that began it.
    sync_job_id: i64,
}

/// `trackDeletesStart`: remembers this run, unless an earlier one was remembered that did not get to the end.
pub async fn track_deletes_start(
    engine: &Engine,
    writer: &Writer,
    model: &str,
) -> Result<(), RecordsError> {
    let now = engine.clock.now();
    let key = checkpoint_key(writer, model);
    let (connection, task, fence) = (writer.connection, writer.task, writer.fence);
    let tracking = Tracking {
        sync_job_id: writer.run.0,
    };
    engine
        .store
        .write(move |tx| async move {
            hold(&tx, task, fence).await?;
            let before = tx.checkpoint(connection, &key).await?;
            if tracked(before.value.as_deref()).is_some() {
                return Ok(());
            }
            let value = serde_json::to_string(&tracking).expect("a number is JSON");
            tx.put_checkpoint(connection, &key, Some(&value), before.version, now)
                .await?;
            Ok(())
        })
        .await
}

/// `trackDeletesEnd`: deletes what was not seen since the start; the ids.
pub async fn track_deletes_end(
    engine: &Engine,
    writer: &Writer,
    model: &str,
) -> Result<Vec<String>, RecordsError> {
    let checkpoint = checkpoint_key(writer, model);
    let reader = engine.reader();
    let before = reader.checkpoint(writer.connection, &checkpoint).await?;
    let Some(start) = tracked(before.value.as_deref()) else {
        return Err(RecordsError::NotTracked {
            model: model.to_owned(),
        });
    };
    let deleted = delete_since(engine, writer, model, start).await?;
    let now = engine.clock.now();
    let (key, task, fence, run) = (writer.key(model), writer.task, writer.fence, writer.run);
    engine
        .store
        .write(move |tx| async move {
            hold(&tx, task, fence).await?;
            tx.put_checkpoint(key.connection, &checkpoint, None, before.version, now)
                .await?;
            tx.forget_seen(&key, RunPk(0), run).await?;
            Ok::<_, RecordsError>(())
        })
        .await?;
    Ok(deleted)
}

/// `deleteRecordsFromPreviousExecutions`, and the option `trackDeletes`: deletes what this run has not seen; the ids.
pub async fn delete_unseen(
    engine: &Engine,
    writer: &Writer,
    model: &str,
) -> Result<Vec<String>, RecordsError> {
    delete_since(engine, writer, model, writer.run).await
}

/// At the end of a run: forgets which records it saw, unless a tracking of deletions goes on. In the transaction that
/// ends the run.
pub async fn forget_seen(tx: &Tx, writer: &Writer, model: &str) -> Result<(), StoreError> {
    let checkpoint = checkpoint_key(writer, model);
    let tracking = tx.checkpoint(writer.connection, &checkpoint).await?;
    if tracked(tracking.value.as_deref()).is_some() {
        return Ok(());
    }
    tx.forget_seen(&writer.key(model), writer.run, writer.run)
        .await
}

/// Hard deletion of all records of a model before a run (`emptyCache`), in slices. `model` is the full name.
pub async fn empty(
    engine: &Engine,
    connection: ConnectionPk,
    model: &str,
) -> Result<(), RecordsError> {
    loop {
        let model = model.to_owned();
        let removed = engine
            .store
            .write(
                move |tx| async move { tx.remove_records(connection, &model, REMOVAL_SLICE).await },
            )
            .await?;
        if removed < REMOVAL_SLICE.unsigned_abs() {
            return Ok(());
        }
    }
}

fn checkpoint_key(writer: &Writer, model: &str) -> String {
    format!("{}:trackDeletes:{model}", writer.checkpoint_key)
}

fn tracked(value: Option<&str>) -> Option<RunPk> {
    let tracking: Tracking = serde_json::from_str(value?).ok()?;
    Some(RunPk(tracking.sync_job_id))
}

async fn hold(tx: &Tx, task: TaskPk, fence: i64) -> Result<(), RecordsError> {
    if tx.hold_task(task, fence).await? {
        Ok(())
    } else {
        Err(RecordsError::LeaseLost)
    }
}

/// Deletes live records that no run from `start` on has seen. Each slice is a transaction with an instant of its own.
async fn delete_since(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    start: RunPk,
) -> Result<Vec<String>, RecordsError> {
    let key = writer.key(model);
    let reader = engine.reader();
    let (seen, mut seen_until) =
        seen_since(&reader, &key, start, Timestamp::from_micros(i64::MIN)).await?;
    let mut seen: HashSet<Uuid> = seen.into_iter().collect();
    let mut deleted = Vec::new();
    let mut after = String::new();
    loop {
        let live = reader
            .live_ids(key.connection, &key.model, &after, SLICE)
            .await?;
        let Some((last, _)) = live.last() else {
            return Ok(deleted);
        };
        after.clone_from(last);
        let missing: Vec<(String, Uuid)> = live
            .into_iter()
            .filter(|(_, id)| !seen.contains(id))
            .collect();
        if missing.is_empty() {
            continue;
        }
        let slice = Slice {
            key: key.clone(),
            base_model: model.to_owned(),
            sync: writer.sync,
            task: writer.task,
            fence: writer.fence,
            start,
            seen_until,
            missing,
        };
        let now = engine.clock.now();
        let done = engine
            .store
            .write(move |tx| async move { slice.delete(&tx, now).await })
            .await?;
        deleted.extend(done.deleted);
        seen.extend(done.seen_meanwhile);
        seen_until = done.seen_until;
    }
}

/// Records that nobody had seen when the reader looked.
struct Slice {
    key: ModelKey,
    base_model: String,
    sync: SyncPk,
    task: TaskPk,
    fence: i64,
    start: RunPk,
    seen_until: Timestamp,
    missing: Vec<(String, Uuid)>,
}

struct Done {
    deleted: Vec<String>,
    seen_meanwhile: Vec<Uuid>,
    seen_until: Timestamp,
}

impl Slice {
    async fn delete(self, tx: &Tx, now: Timestamp) -> Result<Done, RecordsError> {
        hold(tx, self.task, self.fence).await?;
        let head = tx.take_head(&self.key, self.sync, now).await?;
        // Under the lock of the model nobody can save any more: whoever did meanwhile is believed.
        let (seen_meanwhile, seen_until) =
            seen_since(tx, &self.key, self.start, self.seen_until).await?;
        let known: HashSet<&Uuid> = seen_meanwhile.iter().collect();
        let missing: Vec<String> = self
            .missing
            .into_iter()
            .filter(|(_, id)| !known.contains(id))
            .map(|(external_id, _)| external_id)
            .collect();
        let (mut deleted, size_bytes) = tx.delete_records(&self.key, &missing, head.at).await?;
        deleted.sort_unstable();
        let count = deleted.len();
        let records = i64::try_from(count).unwrap_or(i64::MAX);
        tx.add_to_model(&self.key, -records, -size_bytes).await?;
        let counts = RecordCounts {
            deleted: count as u64,
            ..RecordCounts::default()
        };
        tx.add_unannounced(self.sync, &self.base_model, counts, head.at)
            .await?;
        Ok(Done {
            deleted,
            seen_meanwhile,
            seen_until,
        })
    }
}
