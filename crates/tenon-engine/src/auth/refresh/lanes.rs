//! Token requests of one integration at a time on this node, so that thousands of connections that expire together do
//! not run into their provider's door (FAULTS 31).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tenon_core::{limits, names::IntegrationPk};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lanes kept before those that nobody uses are forgotten.
const KEPT: usize = 1_000;

/// The lanes of this node, one for each integration: providers count by client.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<IntegrationPk, Lane>>>);

/// The way to the token endpoint for one integration.
#[derive(Clone, Debug)]
pub(super) struct Lane(Arc<State>);

#[derive(Debug)]
struct State {
    turns: Arc<Semaphore>,
    /// Until when the provider wants to be left alone, in milliseconds of the monotonic clock.
    rests_until: AtomicU64,
}

impl Lanes {
    pub(super) fn of(&self, integration: IntegrationPk) -> Lane {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= KEPT {
            lanes.retain(|_, lane| Arc::strong_count(&lane.0) > 1);
        }
        lanes.entry(integration).or_insert_with(Lane::new).clone()
    }
}

impl Lane {
    fn new() -> Self {
        Self(Arc::new(State {
            turns: Arc::new(Semaphore::new(limits::TOKEN_REQUESTS)),
            rests_until: AtomicU64::new(0),
        }))
    }

    /// Whether a request could leave now. One that can wait does not queue up: who has a token that lives uses it.
    pub(super) fn is_open(&self, monotonic: Duration) -> bool {
        self.0.turns.available_permits() > 0
            && self.0.rests_until.load(Ordering::Relaxed) <= millis(monotonic)
    }

    /// Waits for a turn, in the order of arrival.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        turn.expect("nobody closes a lane")
    }

    /// Keeps those away who can wait.
    pub(super) fn rest_until(&self, monotonic: Duration) {
        self.0
            .rests_until
            .fetch_max(millis(monotonic), Ordering::Relaxed);
    }
}

fn millis(monotonic: Duration) -> u64 {
    u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX)
}
