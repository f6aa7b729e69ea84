//! One refresh per connection at a time within this process; everybody else shares its result.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tenon_core::names::ConnectionPk;

/// Refreshes under way, by connection.
pub(super) struct Flights<T: Clone>(Arc<Mutex<HashMap<ConnectionPk, Flight<T>>>>);

/// A refresh under way. `None` of its result: it panicked.
pub(super) struct Flight<T: Clone> {
    /// When it started, by the monotonic clock.
    pub(super) started: Duration,
    pub(super) result: Shared<BoxFuture<'static, Option<T>>>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The refresh under way.
    pub(super) fn find(&self, connection: ConnectionPk) -> Option<Flight<T>> {
        self.lock().get(&connection).cloned()
    }

    /// Joins the refresh under way, or starts one. It runs to its end even if everybody who waits goes away: the
    /// provider's answer must be stored.
    pub(super) fn join<F>(
        &self,
        connection: ConnectionPk,
        now: Duration,
        start: impl FnOnce() -> F,
    ) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&connection) {
            return flight.clone();
        }
        let landing = Landing(self.clone(), connection);
        let work = start();
        let task = tokio::spawn(async move {
            let _landing = landing;
            work.await
        });
        let flight = Flight {
            started: now,
            result: task.map(Result::ok).boxed().shared(),
        };
        flights.insert(connection, flight.clone());
        flight
    }
}

impl<T: Clone> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self {
            started: self.started,
            result: self.result.clone(),
        }
    }
}

impl<T: Clone> Flights<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionPk, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list when its task ends, however it ends.
struct Landing<T: Clone>(Flights<T>, ConnectionPk);

impl<T: Clone> Drop for Landing<T> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl<T: Clone> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> fmt::Debug for Flights<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Flights")
    }
}
