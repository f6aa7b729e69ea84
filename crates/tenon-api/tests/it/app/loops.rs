//! The loops of a node, started and stopped by hand.

use std::time::Duration;

use tenon_core::function::Cancel;
use tenon_engine::{Engine, work};
use tokio::task::JoinHandle;

use super::TestApp;

/// Running loops.
pub(crate) struct Loops {
    shutdown: Cancel,
    running: Vec<JoinHandle<()>>,
}

impl Loops {
    /// Scheduler and workers of a node.
    pub(crate) fn start(engine: &Engine) -> Self {
        let mut loops = Self::scheduler(engine);
        let workers = work::Workers::new(engine.clone()).run(loops.shutdown.clone());
        loops.running.push(tokio::spawn(workers));
        loops
    }

    /// Only the scheduler.
    pub(crate) fn scheduler(engine: &Engine) -> Self {
        let shutdown = Cancel::default();
        let scheduler = work::Scheduler::new(engine.clone()).run(shutdown.clone());
        Self {
            running: vec![tokio::spawn(scheduler)],
            shutdown,
        }
    }

    /// Only the workers, as if the node slept when it should extend its leases.
    pub(crate) fn workers_without_heartbeat(engine: &Engine) -> Self {
        let shutdown = Cancel::default();
        let workers = work::Workers::new(engine.clone()).run_without_heartbeat(shutdown.clone());
        Self {
            running: vec![tokio::spawn(workers)],
            shutdown,
        }
    }

    /// Stops them in order.
    pub(crate) async fn stop(self) {
        self.shutdown.raise();
        for running in self.running {
            running.await.expect("a loop does not panic");
        }
    }

    /// Drops them where they are, and whatever they ran.
    pub(crate) async fn kill(self) {
        for running in self.running {
            running.abort();
            let _aborted = running.await;
        }
    }
}

impl TestApp {
    /// Scheduler and workers of this node.
    pub(crate) fn loops(&self) -> Loops {
        Loops::start(&self.engine)
    }

    /// Lets everything run that can at this instant.
    pub(crate) async fn settle(&self) {
        // Writers are threads: a moment of wall time is the only way to know that they had theirs.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
