//! Sends what waits for one endpoint: lanes beside each other, each connection's deliveries one after the other.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tenon_core::{Secret, delivery, function::Cancel, limits, names::ConnectionPk};
use tenon_store::{
    StoreError,
    delivery::{Claim, ClaimedDelivery, EndpointTurn, Finished, Found, Outcome},
};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::warn;

use super::{
    attempt::{Destination, MARGIN, attempt, unsent},
    ledger::Entry,
};
use crate::{Engine, operations::redact};

/// How long a claimed delivery belongs to its worker.
const LEASE: Duration = Duration::from_secs(120);

/// How long nobody else probes while a probe is on its way.
const PROBE_LEASE: Duration = Duration::from_secs(30);

/// An endpoint's worker: lives while there is something to send.
pub(super) struct Worker {
    pub(super) engine: Engine,
    pub(super) endpoint: i64,
    pub(super) ledger: mpsc::Sender<Entry>,
    pub(super) shutdown: Cancel,
    /// Something new is due.
    pub(super) wake: Arc<Notify>,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Worked,
    /// There was nothing to take.
    Idle,
    /// The endpoint is down.
    Failing,
}

/// The future inside, or none that ever ends.
async fn pending<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Deliveries that must keep their order.
struct Lane {
    destination: Arc<Destination>,
    deliveries: VecDeque<ClaimedDelivery>,
    /// On the monotonic clock: no request begins after this.
    last_start: Duration,
}

impl Worker {
    /// Sends until nothing is due, the circuit opens or the node stops.
    pub(super) async fn run(self) -> Ended {
        let failures = AtomicI64::new(0);
        let mut lanes = FuturesUnordered::new();
        let mut waiting: VecDeque<Lane> = VecDeque::new();
        let mut claiming = None;
        let (mut more, mut worked) = (true, false);
        loop {
            let room = lanes.len() + waiting.len() < limits::DELIVERY_LANES / 2;
            if claiming.is_none() && more && room && !self.stopped(&failures) {
                claiming = Some(Box::pin(self.claim()));
            }
            while lanes.len() < limits::DELIVERY_LANES
                && let Some(lane) = waiting.pop_front()
            {
                worked = true;
                lanes.push(self.drain(lane, &failures));
            }
            if lanes.is_empty() && claiming.is_none() {
                self.flush().await;
                return match (
                    failures.load(Ordering::Relaxed) >= delivery::OPEN_AFTER,
                    worked,
                ) {
                    (true, _) => Ended::Failing,
                    (false, true) => Ended::Worked,
                    (false, false) => Ended::Idle,
                };
            }
            tokio::select! {
                Some(()) = lanes.next() => {}
                claimed = pending(&mut claiming) => {
                    claiming = None;
                    match claimed {
                        Ok(claimed) => {
                            more = !claimed.is_empty();
                            waiting.extend(claimed);
                        }
                        Err(error) => {
                            warn!(%error, "could not claim deliveries");
                            more = false;
                        }
                    }
                }
                () = self.wake.notified() => more = true,
            }
        }
    }

    fn stopped(&self, failures: &AtomicI64) -> bool {
        self.shutdown.is_raised() || failures.load(Ordering::Relaxed) >= delivery::OPEN_AFTER
    }

    async fn claim(&self) -> Result<Vec<Lane>, StoreError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let last_start = engine.clock.monotonic() + LEASE - MARGIN;
        let claim = Claim {
            endpoint: self.endpoint,
            now,
            owner: engine.settings.node.clone(),
            lease_until: now.plus(LEASE),
            limit: limits::DELIVERY_BATCH,
            hold_attempts: delivery::HOLD_ATTEMPTS,
            expired_before: now.minus(delivery::LIFETIME),
            probe_until: now.plus(PROBE_LEASE),
        };
        let found: Found = engine
            .store
            .write(move |tx| async move { tx.claim_deliveries(&claim).await })
            .await?;
        let Found::Deliveries {
            url,
            environment,
            batch,
        } = found
        else {
            return Ok(Vec::new());
        };
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let signing_key = match engine.reader().find_environment(environment).await? {
            Some(environment) => environment.webhook_signing_key,
            None => Secret::default(),
        };
        let destination = Arc::new(Destination { url, signing_key });
        Ok(lanes(batch, &destination, last_start))
    }

    /// Sends the deliveries of a lane in turn. The first failure ends it: what follows keeps its place behind.
    async fn drain(&self, mut lane: Lane, failures: &AtomicI64) {
        while let Some(next) = lane.deliveries.pop_front() {
            let late = self.engine.clock.monotonic() > lane.last_start;
            if late || self.stopped(failures) {
                lane.deliveries.push_front(next);
                break;
            }
            let finished = attempt(&self.engine, &lane.destination, &next).await;
            let delivered = finished.outcome == Outcome::Delivered;
            let counts = next.probe_due.is_some() || next.attempts < delivery::COUNTED_ATTEMPTS;
            if delivered {
                failures.store(0, Ordering::Relaxed);
            } else if counts {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            self.tell(
                &next,
                &finished.outcome,
                finished.status,
                finished.error.as_deref(),
            );
            let probe_at = self.engine.clock.now().plus(delivery::PROBE_EVERY);
            let turn = match (delivered, counts) {
                (true, _) => Some(EndpointTurn::Works),
                (false, true) => Some(EndpointTurn::Fails {
                    count: 1,
                    open_at: delivery::OPEN_AFTER,
                    probe_at,
                }),
                (false, false) => None,
            };
            self.note(turn, finished).await;
            if !delivered {
                break;
            }
        }
        for rest in &lane.deliveries {
            self.note(None, unsent(&self.engine, rest)).await;
        }
    }

    /// A lost entry costs a second delivery when the lease is over, nothing else.
    async fn note(&self, turn: Option<EndpointTurn>, finished: Finished) {
        let entry = Entry::Finished {
            endpoint: self.endpoint,
            turn,
            finished: Box::new(finished),
        };
        let _ = self.ledger.send(entry).await;
    }

    /// Waits until everything noted so far is written: whoever looks next sees it.
    async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.ledger.send(Entry::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// A line for the operation that caused the webhook.
    fn tell(
        &self,
        delivery: &ClaimedDelivery,
        outcome: &Outcome,
        status: Option<i64>,
        error: Option<&str>,
    ) {
        use tenon_core::function::LogLevel;
        let Some(operation) = &delivery.operation else {
            return;
        };
        let (level, text) = match outcome {
            Outcome::Delivered => (LogLevel::Info, "webhook delivered"),
            Outcome::Retry(_) => (LogLevel::Warn, "webhook not delivered, will be tried again"),
            Outcome::Failed => (LogLevel::Error, "webhook given up"),
            Outcome::Release(_) => return,
        };
        let payload = redact(&serde_json::json!({
            "delivery": delivery.id,
            "webhook_id": delivery.webhook_id,
            "attempt": delivery.attempts + 1,
            "status": status,
            "error": error,
        }));
        let log = &self.engine.operations;
        log.message(delivery.environment, operation, level, text, Some(&payload));
    }
}

/// One lane per connection; what has no connection has no order to keep.
fn lanes(
    batch: Vec<ClaimedDelivery>,
    destination: &Arc<Destination>,
    last_start: Duration,
) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut by_connection: HashMap<ConnectionPk, usize> = HashMap::new();
    for delivery in batch {
        let known = delivery
            .connection
            .and_then(|connection| by_connection.get(&connection).copied());
        match known {
            Some(lane) => lanes[lane].deliveries.push_back(delivery),
            None => {
                if let Some(connection) = delivery.connection {
                    by_connection.insert(connection, lanes.len());
                }
                lanes.push(Lane {
                    destination: Arc::clone(destination),
                    deliveries: VecDeque::from([delivery]),
                    last_start,
                });
            }
        }
    }
    lanes
}
