//! One refresh per connection at a time within this process; everybody else shares its result.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tenon_core::names::ConnectionPk;

/// Refreshes under way, by connection.
pub(super) struct Flights<T: Clone>(Arc<Mutex<HashMap<ConnectionPk, Flight<T>>>>);

type Flight<T> = Shared<BoxFuture<'static, Option<T>>>;

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the refresh under way, or starts one. It runs to its end even if everybody who waits goes away: the
    /// provider's answer must be stored. `None`: it panicked.
    pub(super) async fn join<F>(
        &self,
        connection: ConnectionPk,
        start: impl FnOnce() -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight = {
            let mut flights = self.lock();
            match flights.get(&connection) {
                Some(flight) => flight.clone(),
                None => {
                    let landing = Landing(self.clone(), connection);
                    let work = start();
                    let task = tokio::spawn(async move {
                        let _landing = landing;
                        work.await
                    });
                    let flight = task.map(Result::ok).boxed().shared();
                    flights.insert(connection, flight.clone());
                    flight
                }
            }
        };
        flight.await
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
