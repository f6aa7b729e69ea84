//! Deletes what nobody will look at any more: operations, lines, sessions, records.

use std::time::Duration;

use tenon_core::function::Cancel;
use tracing::warn;

use crate::{Engine, records};

/// How long operations and their lines are kept.
const KEEP: Duration = Duration::from_secs(15 * 24 * 3600);

/// How long it can be asked who read a secret, and what a provider was told.
const KEEP_AUDIT: Duration = Duration::from_secs(180 * 24 * 3600);

/// How long connect sessions are kept beyond their end.
const KEEP_SESSIONS: Duration = Duration::from_secs(31 * 24 * 3600);

/// Pause between rounds; each round deletes at most [`SLICE`] operations, so that no transaction grows with the table.
const PAUSE: Duration = Duration::from_secs(60);

/// Operations per transaction.
const SLICE: i64 = 1_000;

/// The loop that deletes old operations and lines.
pub struct Retention {
    engine: Engine,
}

impl Retention {
    /// A loop over this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: Cancel) {
        loop {
            tokio::select! {
                () = self.engine.clock.sleep(PAUSE) => {}
                () = shutdown.raised() => return,
            }
            let now = self.engine.clock.now();
            let (before, sessions_before) = (now.minus(KEEP), now.minus(KEEP_SESSIONS));
            let audit_before = now.minus(KEEP_AUDIT);
            self.engine.operations.messages().delete_before(before);
            let round = self.engine.store.write(move |tx| async move {
                tx.purge_connect_sessions(sessions_before, SLICE).await?;
                tx.delete_secret_reads_before(audit_before, SLICE).await?;
                tx.delete_revocations_before(audit_before, SLICE).await?;
                tx.delete_operations_before(before, SLICE).await
            });
            if let Err(problem) = round.await {
                warn!("could not delete old operations and sessions: {problem}");
            }
            let kept = records::Retention::default();
            if let Err(problem) = records::sweep(&self.engine, kept, &shutdown).await {
                warn!("could not drop old records: {problem:?}");
            }
        }
    }
}
