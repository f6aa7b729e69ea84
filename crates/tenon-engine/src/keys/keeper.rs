//! The loop that works on rotations, and learns the keys that other nodes have made.

use std::time::Duration;

use tenon_core::function::Cancel;
use tenon_store::{StoreError, rotation::Step};
use tracing::{info, warn};

use super::Rotations;
use crate::Engine;

/// Pause between looks. Well below the time for which a rotation on Postgres waits for nodes to notice.
const LOOK: Duration = Duration::from_secs(2);

/// Least pause between two steps.
const BREATH: Duration = Duration::from_millis(1);

/// The loop.
pub struct Keeper {
    engine: Engine,
    rotations: Rotations,
}

impl Keeper {
    /// A loop over this engine.
    pub fn new(engine: Engine) -> Self {
        let rotations = Rotations::of(&engine);
        Self { engine, rotations }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: Cancel) {
        loop {
            if let Err(problem) = self.round(&shutdown).await {
                warn!("could not go on with the rotation of keys: {problem}");
            }
            tokio::select! {
                () = self.engine.clock.sleep(LOOK) => {}
                () = shutdown.raised() => return,
            }
        }
    }

    /// Learns, then works on each rotation until its pass is over.
    async fn round(&self, shutdown: &Cancel) -> Result<(), StoreError> {
        self.engine.store.learn_instance_keys().await?;
        for rotation in self.rotations.running().await? {
            while !shutdown.is_raised() {
                let began = self.engine.clock.monotonic();
                match self.rotations.step(rotation.pk).await? {
                    Step::Moved(_) => {}
                    Step::Done => {
                        info!("rotation to key {} is done", rotation.to_key);
                        break;
                    }
                    Step::PassEnded | Step::Lost => break,
                }
                // Half of the time belongs to everybody else.
                let took = self.engine.clock.monotonic().saturating_sub(began);
                self.engine.clock.sleep(took.max(BREATH)).await;
            }
        }
        Ok(())
    }
}
