//! Waiting until nothing is left to do at the current instant.

use std::time::Duration;

use tenon_core::{Clock, function::Cancel};
use tenon_engine::{delivery::Dispatcher, inbound, work};
use tenon_store::{Statement, params};

use super::TestApp;

static DUE: Statement = Statement::new(
    "test::DUE",
    "SELECT (SELECT COUNT(*) FROM task WHERE state = 'STARTED' OR (state = 'CREATED' AND starts_after_us <= $1))
        + (SELECT COUNT(*) FROM schedule WHERE state = 'STARTED' AND next_at_us <= $1)
        + (SELECT COUNT(*) FROM inbound WHERE next_at_us <= $1)
        + (SELECT COUNT(*) FROM delivery WHERE state = 'waiting' AND (next_at_us <= $1 OR lease_owner IS NOT NULL))",
);

/// Wall time after which a test is declared stuck.
const STUCK: Duration = Duration::from_secs(30);

impl TestApp {
    /// Runs the loops of a node until nothing is due at the current instant.
    pub(crate) async fn run_until_idle(&self) {
        let shutdown = Cancel::default();
        let loops = [
            tokio::spawn(work::Scheduler::new(self.engine.clone()).run(shutdown.clone())),
            tokio::spawn(work::Workers::new(self.engine.clone()).run(shutdown.clone())),
            tokio::spawn(inbound::Router::new(self.engine.clone()).run(shutdown.clone())),
            tokio::spawn(Dispatcher::new(self.engine.clone()).run(shutdown.clone())),
        ];
        let idle = tokio::time::timeout(STUCK, self.until_nothing_is_due()).await;
        shutdown.raise();
        for running in loops {
            running.await.expect("a loop does not panic");
        }
        idle.expect("the test's work comes to an end");
    }

    async fn until_nothing_is_due(&self) {
        while self.due().await > 0 {
            self.engine.signals.work.notify_waiters();
            self.engine.signals.inbound.notify_waiters();
            self.engine.signals.deliveries.notify_waiters();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn due(&self) -> i64 {
        let now = self.clock.now();
        let row = self.engine.reader().get(&DUE, params![now]).await;
        row.and_then(|row| row.get(0)).expect("the store answers")
    }
}
