//! Writes what became of deliveries: many at a time, so that a commit is shared.

use std::{collections::HashMap, time::Duration};

use tenon_store::{
    StoreError,
    delivery::{EndpointTurn, Finished},
};
use tokio::sync::mpsc;
use tracing::warn;

use crate::Engine;

/// Entries written in one transaction.
const BATCH: usize = 512;

/// Pause after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

/// A delivery that came back, and what it says about its endpoint.
pub(super) struct Entry {
    pub(super) endpoint: i64,
    pub(super) turn: Option<EndpointTurn>,
    pub(super) finished: Finished,
}

/// Writes entries until every sender is gone.
pub(super) async fn keep(engine: Engine, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        let turns = turns(&batch);
        let finished: Vec<Finished> = batch.drain(..).map(|entry| entry.finished).collect();
        while let Err(error) = write(&engine, &finished, &turns).await {
            warn!(%error, "could not write what became of {} deliveries", finished.len());
            engine.clock.sleep(PAUSE).await;
        }
    }
}

/// What a batch says about each endpoint: failures count only if nothing worked.
fn turns(batch: &[Entry]) -> Vec<(i64, EndpointTurn)> {
    let mut turns: HashMap<i64, EndpointTurn> = HashMap::new();
    for entry in batch {
        let Some(turn) = entry.turn else { continue };
        turns
            .entry(entry.endpoint)
            .and_modify(|known| *known = joined(*known, turn))
            .or_insert(turn);
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
    finished: &[Finished],
    turns: &[(i64, EndpointTurn)],
) -> Result<(), StoreError> {
    let (finished, turns) = (finished.to_vec(), turns.to_vec());
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            for finished in &finished {
                tx.finish_delivery(finished).await?;
            }
            for (endpoint, turn) in &turns {
                tx.turn_endpoint(*endpoint, *turn, now).await?;
            }
            Ok(())
        })
        .await
}
