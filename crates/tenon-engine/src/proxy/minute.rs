//! Calls of an app share one operation per connection and minute, and only so many of them get a line: a line per call
//! would cost more than the call, and nobody reads a million of them. What has no line is counted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tenon_core::{function::LogLevel, names::ConnectionPk};
use tenon_store::StoreError;
use tokio::sync::OnceCell;

use crate::{
    Engine,
    auth::refresh::ConnectionWithCredentials,
    operations::{NewOperation, OperationKind, OperationState},
};

/// Lines of answers below 400 in one minute.
const SUCCESSES: u32 = 100;

/// Lines of everything else in one minute.
const FAILURES: u32 = 400;

/// More connections than this in one minute: those of past minutes are forgotten.
const REMEMBERED: usize = 10_000;

/// Operations of the current minute.
#[derive(Debug, Default)]
pub struct ProxyState {
    minutes: Mutex<HashMap<ConnectionPk, Arc<Minute>>>,
}

/// The calls of one connection in one minute.
#[derive(Debug)]
pub(super) struct Minute {
    number: i64,
    operation: OnceCell<String>,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    successes: u32,
    failures: u32,
    /// Calls without a line, by their outcome.
    unlisted: BTreeMap<String, u64>,
}

/// The minute that a call belongs to.
pub(super) fn of(engine: &Engine, connection: ConnectionPk) -> Arc<Minute> {
    let number = engine.clock.now().secs().div_euclid(60);
    let mut minutes = engine
        .proxy
        .minutes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = minutes.get(&connection)
        && known.number == number
    {
        return Arc::clone(known);
    }
    if minutes.len() >= REMEMBERED {
        minutes.retain(|_, minute| minute.number == number);
    }
    let new = Arc::new(Minute {
        number,
        operation: OnceCell::new(),
        tally: Mutex::default(),
    });
    minutes.insert(connection, Arc::clone(&new));
    new
}

impl Minute {
    /// Whether a call with this outcome gets a line; if not, it is counted.
    pub(super) fn takes(&self, outcome: Result<u16, &str>) -> bool {
        let mut tally = self.tally();
        let is_success = matches!(outcome, Ok(..=399));
        let (used, most) = if is_success {
            (&mut tally.successes, SUCCESSES)
        } else {
            (&mut tally.failures, FAILURES)
        };
        if *used < most {
            *used += 1;
            return true;
        }
        let name = match outcome {
            Ok(status) => status.to_string(),
            Err(code) => code.to_owned(),
        };
        *tally.unlisted.entry(name).or_default() += 1;
        false
    }

    /// The id of its operation, if that is stored already.
    pub(super) fn operation(&self) -> Option<&str> {
        self.operation.get().map(String::as_str)
    }

    /// Stores its operation, unless somebody did. The first caller also sees to the closing line.
    pub(super) async fn start(
        self: &Arc<Self>,
        engine: &Engine,
        connection: &ConnectionWithCredentials,
    ) -> Result<&str, StoreError> {
        let id = self
            .operation
            .get_or_try_init(|| async {
                let id = store(engine, connection).await?;
                let (minute, engine, connection) =
                    (Arc::clone(self), engine.clone(), connection.environment);
                tokio::spawn(async move { minute.close(&engine, connection).await });
                Ok::<_, StoreError>(id)
            })
            .await?;
        Ok(id)
    }

    /// At the end of the minute: says what got no line.
    async fn close(&self, engine: &Engine, environment: tenon_core::names::EnvironmentPk) {
        let end = (self.number + 1) * 60;
        let left = end.saturating_sub(engine.clock.now().secs()).max(0);
        // A call that began in this minute may end a little later.
        let wait = Duration::from_secs(left.unsigned_abs() + 5);
        engine.clock.sleep(wait).await;
        let unlisted = std::mem::take(&mut self.tally().unlisted);
        let Some(operation) = self.operation().filter(|_| !unlisted.is_empty()) else {
            return;
        };
        let count: u64 = unlisted.values().sum();
        let payload = json!({ "calls_by_outcome": unlisted });
        engine.operations.message(
            environment,
            operation,
            LogLevel::Info,
            format!("{count} more calls in this minute, not listed one by one"),
            Some(&payload),
        );
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn store(
    engine: &Engine,
    connection: &ConnectionWithCredentials,
) -> Result<String, StoreError> {
    let mut operation =
        NewOperation::new(connection.environment, OperationKind::Proxy, "proxy calls").about(
            connection.integration_key.as_str(),
            connection.connection_id.as_str(),
            Some(connection.pk),
        );
    operation.state = OperationState::Success;
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move { inner.operations.start(&tx, operation).await })
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::OnceCell;

    use super::{FAILURES, Minute, SUCCESSES};

    #[test]
    fn failures_have_lines_of_their_own_and_the_rest_is_counted() {
        let minute = Minute {
            number: 0,
            operation: OnceCell::new(),
            tally: Mutex::default(),
        };
        let listed = (0..500).filter(|_| minute.takes(Ok(200))).count();
        assert_eq!(listed, SUCCESSES as usize);
        assert!(minute.takes(Ok(500)) && minute.takes(Err("ECONNRESET")));
        let listed = (0..500).filter(|_| minute.takes(Ok(404))).count();
        assert_eq!(listed, FAILURES as usize - 2);
        let unlisted = &minute.tally().unlisted;
        assert_eq!(unlisted["200"], 400);
        assert_eq!(unlisted["404"], 102);
    }
}
