//! Retention (records.md, section 5): old payloads are dropped, models that nobody writes any more are removed, and so
//! are the records of connections that have gone. A model is looked at when something of it is due, at most daily.

use std::time::Duration;

use tenon_core::{Timestamp, function::Cancel};
use tenon_store::{StoreError, Tx, records::DueModel};

use super::RecordsError;
use crate::Engine;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Payloads of records that did not change for so long are dropped; nothing keeps them for ever.
    pub prune_after: Option<Duration>,
    /// Models whose sync did not run for so long are removed; nothing keeps them for ever.
    pub remove_after: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            prune_after: Some(Duration::from_secs(30 * 24 * 3600)),
            remove_after: Some(Duration::from_secs(60 * 24 * 3600)),
        }
    }
}

/// Models looked at in one go.
const MODELS: i64 = 100;

/// Records pruned or removed in one transaction.
const SLICE: i64 = 1_000;

/// A model without payloads is looked at this often, and one that cannot tell when it is due.
const DAILY: Duration = Duration::from_secs(24 * 3600);

/// Sightings of records are of no use after this time, unless a tracking of deletions goes on.
const KEEP_SEEN: Duration = Duration::from_secs(48 * 3600);

/// Does what is due, slice by slice, until nothing is or `shutdown` is raised.
pub async fn sweep(
    engine: &Engine,
    retention: Retention,
    shutdown: &Cancel,
) -> Result<(), RecordsError> {
    let seen_before = engine.clock.now().minus(KEEP_SEEN);
    engine
        .store
        .write(move |tx| async move { tx.purge_seen(seen_before, SLICE).await })
        .await?;
    let quarantined_before = engine.clock.now().minus(super::quarantine::KEEP);
    engine
        .store
        .write(move |tx| async move { tx.sweep_quarantine(quarantined_before, SLICE).await })
        .await?;
    loop {
        let now = engine.clock.now();
        let due = engine.reader().due_models(now, MODELS).await?;
        if due.is_empty() {
            return Ok(());
        }
        for model in due {
            if shutdown.is_raised() {
                return Ok(());
            }
            engine
                .store
                .write(move |tx| async move { step(&tx, &model, retention, now).await })
                .await?;
        }
    }
}

/// One slice of one model; its next look is noted.
async fn step(
    tx: &Tx,
    model: &DueModel,
    retention: Retention,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = &model.key;
    tx.lock_model(key).await?;
    if model.is_doomed || is_abandoned(tx, model, retention, now).await? {
        let removed = tx.remove_records(key.connection, &key.model, SLICE).await?;
        if removed < SLICE.unsigned_abs() {
            tx.remove_model(key.connection, &key.model).await?;
        }
        return Ok(());
    }
    let Some(prune_after) = retention.prune_after else {
        return tx
            .model_checked(key, model.pruned_until, now.plus(DAILY))
            .await;
    };
    let until = now.minus(prune_after);
    let from = model.pruned_until;
    let pruned = tx.prune_old_records(key, from, until, SLICE, now).await?;
    if pruned.len() as u64 >= SLICE.unsigned_abs() {
        // More of the last instant may be left: only what lies before it is done.
        let last = pruned.into_iter().max().unwrap_or(from);
        let done = last.minus(Duration::from_micros(1)).max(from);
        return tx.model_checked(key, done, now).await;
    }
    let done = until.max(from);
    let oldest = tx.oldest_payload(key, done).await?;
    let next = oldest.map_or_else(|| now.plus(DAILY), |oldest| oldest.plus(prune_after));
    let next = next.max(now.plus(Duration::from_micros(1)));
    tx.model_checked(key, done, next).await
}

/// Whether nobody writes the model any more.
async fn is_abandoned(
    tx: &Tx,
    model: &DueModel,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(remove_after) = retention.remove_after else {
        return Ok(false);
    };
    let since = now.minus(remove_after);
    Ok(model.last_change < since && !tx.is_sync_in_use(model.sync, since).await?)
}
