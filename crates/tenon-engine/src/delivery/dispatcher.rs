//! Looks which endpoints have something due and gives each a worker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tenon_core::{Timestamp, function::Cancel, limits};
use tenon_store::StoreError;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tracing::{info, warn};

use super::{
    ledger::{self, Entry},
    worker::{Ended, Worker},
};
use crate::Engine;

/// Longest time between two looks: the safety net for lost wake-ups, and for what other nodes enqueue.
const POLL: Duration = Duration::from_secs(5);

/// Pause before the next look at an endpoint whose due deliveries could not be taken: they wait for an older one, or their
/// endpoint fails.
const HELD: Duration = Duration::from_millis(250);

/// Wake-ups that come faster than this share a look.
const COALESCE: Duration = Duration::from_millis(1);

/// How often old rows are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Rows removed in one transaction.
const PRUNE_ROWS: i64 = 1_000;

/// Sends what is waiting. One per node.
pub struct Dispatcher {
    engine: Engine,
}

impl Dispatcher {
    /// A dispatcher of this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown, then waits for the requests on their way. May be killed at any line: what was leased is
    /// sent again under the same id, when the node starts again or when the lease is over.
    pub async fn run(self, shutdown: Cancel) {
        let (ledger, entries) = mpsc::channel(4_096);
        let keeper = tokio::spawn(ledger::keep(self.engine.clone(), entries));
        let mut workers: JoinSet<(i64, Ended)> = JoinSet::new();
        let mut busy: HashMap<i64, Arc<Notify>> = HashMap::new();
        let mut held: HashMap<i64, Timestamp> = HashMap::new();
        let mut prune_at = self.engine.clock.now().plus(POLL);
        self.recover().await;
        while !shutdown.is_raised() {
            let pause = self
                .look(&mut workers, &mut busy, &mut held, &ledger, &shutdown)
                .await;
            if self.engine.clock.now() >= prune_at {
                prune_at = self.engine.clock.now().plus(PRUNE_EVERY);
                self.prune().await;
            }
            tokio::select! {
                () = shutdown.raised() => break,
                () = self.engine.signals.deliveries.notified() => tokio::time::sleep(COALESCE).await,
                Some(ended) = workers.join_next() => {
                    match ended {
                        Ok((endpoint, ended)) => {
                            busy.remove(&endpoint);
                            if ended != Ended::Worked {
                                held.insert(endpoint, self.engine.clock.now().plus(HELD));
                            }
                        }
                        Err(error) => {
                            // Which one is not known; those that still run share their endpoint with a second one.
                            warn!(%error, "a delivery worker broke");
                            busy.clear();
                        }
                    }
                }
                () = self.engine.clock.sleep(pause) => {}
            }
        }
        while workers.join_next().await.is_some() {}
        drop(ledger);
        let _ = keeper.await;
    }

    /// Gives back what a process of this node's name was sending when it died.
    async fn recover(&self) {
        let (owner, now) = (self.engine.settings.node.clone(), self.engine.clock.now());
        let recovered: Result<u64, StoreError> = self
            .engine
            .store
            .write(move |tx| async move { tx.recover_deliveries(&owner, now).await })
            .await;
        match recovered {
            Ok(0) => {}
            Ok(count) => info!(count, "deliveries that were cut off are sent again"),
            // Nothing is lost: the leases run out.
            Err(error) => warn!(%error, "could not take back deliveries that were cut off"),
        }
    }

    /// Starts workers for what is due; returns how long nothing else will be.
    async fn look(
        &self,
        workers: &mut JoinSet<(i64, Ended)>,
        busy: &mut HashMap<i64, Arc<Notify>>,
        held: &mut HashMap<i64, Timestamp>,
        ledger: &mpsc::Sender<Entry>,
        shutdown: &Cancel,
    ) -> Duration {
        let now = self.engine.clock.now();
        held.retain(|_, until| *until > now);
        let waiting = match self.engine.reader().endpoints_waiting().await {
            Ok(waiting) => waiting,
            Err(error) => {
                warn!(%error, "could not look for deliveries");
                return POLL;
            }
        };
        let mut pause = POLL;
        for endpoint in waiting {
            if let Some(wake) = busy.get(&endpoint.pk) {
                if endpoint.at <= now {
                    wake.notify_one();
                }
                continue;
            }
            let at = held
                .get(&endpoint.pk)
                .map_or(endpoint.at, |until| endpoint.at.max(*until));
            if at > now {
                pause = pause.min(at.since(now));
            } else if workers.len() < limits::DELIVERY_ENDPOINTS {
                let wake = Arc::new(Notify::new());
                busy.insert(endpoint.pk, Arc::clone(&wake));
                let worker = Worker {
                    engine: self.engine.clone(),
                    endpoint: endpoint.pk,
                    ledger: ledger.clone(),
                    shutdown: shutdown.clone(),
                    wake,
                };
                workers.spawn(async move { (endpoint.pk, worker.run().await) });
            }
        }
        pause
    }

    async fn prune(&self) {
        let before = self.engine.clock.now().minus(limits::DELIVERY_RETENTION);
        loop {
            let gone = self
                .engine
                .store
                .write(move |tx| async move { tx.prune_deliveries(before, PRUNE_ROWS).await })
                .await;
            match gone {
                Ok(gone) if gone >= PRUNE_ROWS.unsigned_abs() => {}
                Ok(_) => return,
                Err(error) => {
                    let error: tenon_store::StoreError = error;
                    warn!(%error, "could not remove old deliveries");
                    return;
                }
            }
        }
    }
}
