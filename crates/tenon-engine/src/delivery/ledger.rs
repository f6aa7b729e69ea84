//! Writes what became of deliveries: many at a time, so that a commit is shared.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tenon_store::{
    StoreError,
    delivery::{EndpointTurn, Finished},
};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::Engine;

/// Entries written in one transaction.
const BATCH: usize = 512;

/// Pause after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

/// What the ledger is told.
pub(super) enum Entry {
    /// A delivery came back, and what it says about its endpoint.
    Finished {
        endpoint: i64,
        turn: Option<EndpointTurn>,
        finished: Box<Finished>,
    },
    /// Somebody waits until everything before this is written.
    Flush(oneshot::Sender<()>),
}

/// Writes entries until every sender is gone.
pub(super) async fn keep(engine: Engine, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        let turns = turns(&batch);
        let (mut finished, mut waiting) = (Vec::with_capacity(batch.len()), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Finished { finished: one, .. } => finished.push(*one),
                Entry::Flush(done) => waiting.push(done),
            }
        }
        if !finished.is_empty() {
            write_at_last(&engine, &Arc::new(finished), &Arc::new(turns)).await;
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}

/// Writes a batch, again and again until the database takes it.
async fn write_at_last(
    engine: &Engine,
    finished: &Arc<Vec<Finished>>,
    turns: &Arc<Vec<(i64, EndpointTurn)>>,
) {
    while let Err(error) = write(engine, Arc::clone(finished), Arc::clone(turns)).await {
        warn!(%error, "could not write what became of {} deliveries", finished.len());
        engine.clock.sleep(PAUSE).await;
    }
}

/// What a batch says about each endpoint: failures count only if nothing worked.
fn turns(batch: &[Entry]) -> Vec<(i64, EndpointTurn)> {
    let mut turns: HashMap<i64, EndpointTurn> = HashMap::new();
    for entry in batch {
        let Entry::Finished {
            endpoint,
            turn: Some(turn),
            ..
        } = entry
        else {
            continue;
        };
        turns
            .entry(*endpoint)
            .and_modify(|known| *known = joined(*known, *turn))
            .or_insert(*turn);
    }
    turns.into_iter().collect()
}

const fn joined(first: EndpointTurn, second: EndpointTurn) -> EndpointTurn {
    match (first, second) {
        (EndpointTurn::Works, _) | (_, EndpointTurn::Works) => EndpointTurn::Works,
        (
            EndpointTurn::Fails { count: first, .. },
            EndpointTurn::Fails {
                count,
                open_at,
                probe_at,
            },
        ) => EndpointTurn::Fails {
            count: first + count,
            open_at,
            probe_at,
        },
    }
}

async fn write(
    engine: &Engine,
    finished: Arc<Vec<Finished>>,
    turns: Arc<Vec<(i64, EndpointTurn)>>,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            tx.finish_deliveries(&finished).await?;
            for (endpoint, turn) in turns.iter() {
                tx.turn_endpoint(*endpoint, *turn, now).await?;
            }
            Ok(())
        })
        .await
}
