//! Records that do not fit their schema: kept aside with the reason, listed, tried again, thrown away.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use tenon_core::names::{ConnectionId, IntegrationKey, SyncPk};
use tenon_store::{
    StoreError,
    records::{NewQuarantined, QuarantineFilter, QuarantinedRow},
};

use super::{RecordsError, Writer, batch::RecordIds, schema::Problem};
use crate::{
    Engine,
    work::commands::{self, CommandError, Selection, SyncName, Trigger},
};

/// Most records of one model of a connection that are kept aside, and most bytes of them: more is a schema that is
/// wrong, which somebody has to look at.
const MOST_RECORDS: i64 = 10_000;
const MOST_BYTES: i64 = 64 * 1024 * 1024;

/// Largest record that is kept; of a larger one only its id and the reason are.
const RECORD_BYTES: usize = 1024 * 1024;

/// How long a record that nobody comes for is kept aside.
pub(super) const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// A record that does not fit.
#[derive(Clone, Debug)]
pub struct Misfit {
    /// Nothing where it has none.
    pub id: Option<String>,
    /// Nothing where it cannot be written as JSON.
    pub json: Option<Bytes>,
    pub problems: Vec<Problem>,
}

/// Keeps records aside. They count as seen: what was saved of them before is not deleted as gone.
pub async fn quarantine(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    operation: &str,
    misfits: Vec<Misfit>,
) -> Result<(), RecordsError> {
    let key = writer.key(model);
    let ids = RecordIds::new(&key);
    let seen: BTreeSet<_> = misfits
        .iter()
        .filter_map(|misfit| misfit.id.as_deref())
        .map(|id| ids.id(id))
        .collect();
    let records: Vec<NewQuarantined> = misfits
        .into_iter()
        .map(|misfit| row(engine, misfit))
        .collect();
    let (sync, run, task, fence) = (writer.sync, writer.run, writer.task, writer.fence);
    let (operation, now) = (operation.to_owned(), engine.clock.now());
    engine
        .store
        .write(move |tx| async move {
            if !tx.hold_task(task, fence).await? {
                return Err(RecordsError::LeaseLost);
            }
            let head = tx.take_head(&key, sync, now).await?;
            let (count, bytes) = tx
                .put_quarantined(&key, sync, &operation, &records, now)
                .await?;
            if count > MOST_RECORDS || bytes > MOST_BYTES {
                return Err(RecordsError::QuarantineFull {
                    model: key.model.clone(),
                });
            }
            tx.note_seen(&key, run, head.at, seen.into_iter()).await?;
            Ok(())
        })
        .await
}

fn row(engine: &Engine, misfit: Misfit) -> NewQuarantined {
    let mut problems = misfit.problems;
    let payload = misfit.json.filter(|json| {
        let fits = json.len() <= RECORD_BYTES;
        if !fits {
            let text = format!("is not kept, because it has more than {RECORD_BYTES} bytes");
            problems.push(Problem::whole(text));
        }
        fits
    });
    let reasons = serde_json::to_string(&problems).expect("problems are plain texts");
    // The same nameless record gets the same name each time.
    let nameless = || {
        let told = payload.as_deref().unwrap_or(reasons.as_bytes());
        let hash = engine.store.index_hash("quarantine", told);
        format!("?{}", hex::encode(&hash[..8]))
    };
    NewQuarantined {
        pk: engine.ids.int(),
        external_id: misfit.id.unwrap_or_else(nameless),
        reasons,
        payload,
    }
}

/// Forgets records that have been saved after all.
pub async fn release(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    ids: Vec<String>,
) -> Result<(), RecordsError> {
    let key = writer.key(model);
    engine
        .store
        .write(move |tx| async move {
            tx.release_quarantined(&key, &ids).await?;
            Ok(())
        })
        .await
}

/// Whether anything of a model is kept aside.
pub async fn has_quarantined(
    engine: &Engine,
    writer: &Writer,
    model: &str,
) -> Result<bool, RecordsError> {
    let count = engine
        .reader()
        .count_quarantined(&writer.key(model))
        .await?;
    Ok(count > 0)
}

/// Notes why a record that was tried again still does not fit.
pub async fn still_quarantined(
    engine: &Engine,
    pk: i64,
    problems: &[Problem],
) -> Result<(), RecordsError> {
    let reasons = serde_json::to_string(problems).expect("problems are plain texts");
    engine
        .store
        .write(move |tx| async move {
            tx.keep_quarantined(pk, &reasons).await?;
            Ok(())
        })
        .await
}

/// Records that are kept aside, the newest first.
pub async fn list_quarantined(
    engine: &Engine,
    filter: &QuarantineFilter,
    before: i64,
    limit: i64,
) -> Result<Vec<QuarantinedRow>, StoreError> {
    engine
        .reader()
        .list_quarantined(filter, before, limit)
        .await
}

/// Throws records away; how many.
pub async fn discard_quarantined(
    engine: &Engine,
    filter: QuarantineFilter,
) -> Result<u64, StoreError> {
    engine
        .store
        .write(move |tx| async move { tx.discard_quarantined(&filter).await })
        .await
}

/// Has records tried again: their syncs run now, and save them first if they fit by then. How many are tried.
pub async fn retry_quarantined(
    engine: &Engine,
    filter: QuarantineFilter,
) -> Result<usize, CommandError> {
    let environment = filter.environment;
    let syncs: Vec<SyncPk> = engine
        .store
        .write(move |tx| async move { tx.mark_quarantined(&filter).await })
        .await?;
    let distinct: BTreeSet<i64> = syncs.iter().map(|sync| sync.0).collect();
    for sync in distinct {
        let Some(names) = engine.reader().sync_names(SyncPk(sync)).await? else {
            continue;
        };
        let parsed = (
            IntegrationKey::parse(&names.integration),
            ConnectionId::parse(&names.connection_id),
        );
        let (Ok(integration), Ok(connection)) = parsed else {
            continue;
        };
        let selection = Selection {
            environment,
            integration,
            connection: Some(connection),
            syncs: vec![SyncName {
                name: names.name,
                variant: names.variant,
            }],
        };
        match commands::trigger(engine, &selection, Trigger::default()).await {
            // A sync that is no longer there tries nothing.
            Ok(()) | Err(CommandError::NoSyncs) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(syncs.len())
}
