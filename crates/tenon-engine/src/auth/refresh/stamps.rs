//! When connections were read last. Reads must not turn into writes, and must not wait for one: a read is noted in memory
//! and stored within a second, with many others in one commit. A process that is killed loses the notes of its last second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenon_core::{Timestamp, function::Cancel, names::ConnectionPk};
use tenon_store::StoreError;

use crate::Engine;

/// A connection is marked as read at most this often.
const STAMP_EVERY: Duration = Duration::from_secs(60);

/// How often marks are stored.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// Marks of one transaction.
const SLICE: usize = 500;

/// Marks that wait. Beyond that a read leaves none: it will be read again, or looked at a little early.
const MAX_WAITING: usize = 100_000;

/// Marks that are not stored yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps(Arc<Mutex<HashMap<ConnectionPk, Timestamp>>>);

impl Stamps {
    /// Notes a read now and then; when the connection counts as read last.
    pub(super) fn note(
        &self,
        connection: ConnectionPk,
        stored: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let is_recent = |at: &Timestamp| now.since(*at) < STAMP_EVERY && *at <= now;
        if let Some(recent) = stored.filter(is_recent) {
            return Some(recent);
        }
        let mut waiting = self.waiting();
        if let Some(recent) = waiting.get(&connection).copied().filter(is_recent) {
            return Some(recent);
        }
        if waiting.len() >= MAX_WAITING && !waiting.contains_key(&connection) {
            return stored;
        }
        waiting.insert(connection, now);
        Some(now)
    }

    /// Stores what waits. What could not be stored goes on waiting.
    pub(super) async fn store(&self, engine: &Engine) -> Result<(), StoreError> {
        let mut all: Vec<_> = self.waiting().iter().map(|(pk, at)| (*pk, *at)).collect();
        // Neighbours in the database, and the same order on every node.
        all.sort_unstable();
        for slice in all.chunks(SLICE) {
            let rows = slice.to_vec();
            let stored: Result<(), StoreError> = engine
                .store
                .write(move |tx| async move {
                    for (connection, at) in rows {
                        tx.stamp_connection(connection, at).await?;
                    }
                    Ok(())
                })
                .await;
            stored?;
            let mut waiting = self.waiting();
            for (connection, at) in slice {
                if waiting.get(connection) == Some(at) {
                    waiting.remove(connection);
                }
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ConnectionPk, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop that stores when connections were read.
pub struct Stamper {
    pub engine: Engine,
}

impl Stamper {
    /// Runs until `shutdown`, and stores what is left then.
    pub async fn run(self, shutdown: Cancel) {
        let mut goes_on = true;
        while goes_on {
            tokio::select! {
                () = self.engine.clock.sleep(STORE_EVERY) => {}
                () = shutdown.raised() => goes_on = false,
            }
            if let Err(problem) = self.store().await {
                tracing::warn!(
                    "could not store when connections were read; trying again: {problem}"
                );
            }
        }
    }

    /// Stores everything noted so far.
    pub async fn store(&self) -> Result<(), StoreError> {
        self.engine.refreshes.stamps.store(&self.engine).await
    }
}

#[cfg(test)]
mod tests {
    use tenon_core::{Timestamp, names::ConnectionPk};

    use super::{MAX_WAITING, Stamps};

    #[test]
    fn a_read_is_noted_once_a_minute_and_memory_stays_bounded() {
        let stamps = Stamps::default();
        let at = Timestamp::from_secs;
        let note =
            |stored: Option<i64>, now: i64| stamps.note(ConnectionPk(1), stored.map(at), at(now));
        assert_eq!(note(Some(50), 100), Some(at(50)));
        assert!(stamps.waiting().is_empty());
        assert_eq!(note(Some(40), 100), Some(at(100)));
        assert_eq!(note(Some(40), 159), Some(at(100)));
        assert_eq!(note(None, 160), Some(at(160)));
        // A clock that was set back is followed.
        assert_eq!(note(Some(500), 100), Some(at(100)));
        for other in 0..=MAX_WAITING as i64 {
            stamps.note(ConnectionPk(other), None, at(100));
        }
        assert_eq!(stamps.waiting().len(), MAX_WAITING);
        assert_eq!(
            stamps.note(ConnectionPk(-1), Some(at(7)), at(100)),
            Some(at(7))
        );
    }
}
