//! The loop that stores what was counted.

use std::time::Duration;

use tenon_core::function::Cancel;
use tenon_store::{StoreError, secret_reads::NewSecretReads};
use tracing::warn;

use super::{Count, Read};
use crate::Engine;

/// How often counts are stored: so much is lost when the process is killed.
const EVERY: Duration = Duration::from_secs(1);

/// Counts of one transaction.
const SLICE: usize = 500;

/// The loop.
pub struct Auditor {
    engine: Engine,
}

impl Auditor {
    /// A loop over this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until `shutdown`, and stores what is left then.
    pub async fn run(self, shutdown: Cancel) {
        let mut goes_on = true;
        while goes_on {
            tokio::select! {
                () = self.engine.clock.sleep(EVERY) => {}
                () = shutdown.raised() => goes_on = false,
            }
            if let Err(problem) = self.store().await {
                warn!("could not store who read secrets; trying again: {problem}");
            }
        }
    }

    /// Stores everything counted so far. What could not be stored is kept for the next time.
    pub async fn store(&self) -> Result<(), StoreError> {
        let mut taken = self.engine.secret_reads.take();
        // Listed by their keys, which rise with the time of the first read.
        taken.sort_by_key(|(_, count)| count.first);
        while !taken.is_empty() {
            let rest = taken.split_off(taken.len().min(SLICE));
            let slice = std::mem::replace(&mut taken, rest);
            let rows: Vec<NewSecretReads> = slice
                .iter()
                .map(|(read, count)| self.row(read, count))
                .collect();
            let stored = self
                .engine
                .store
                .write(move |tx| async move {
                    for row in &rows {
                        tx.add_secret_reads(row).await?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await;
            if let Err(error) = stored {
                for (read, count) in slice.into_iter().chain(taken) {
                    self.engine.secret_reads.add(read, count);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn row(&self, read: &Read, count: &Count) -> NewSecretReads {
        let ((reader, reader_pk), (subject, subject_pk)) = (read.by.parts(), read.of.parts());
        NewSecretReads {
            pk: self.engine.ids.int(),
            environment: read.environment,
            minute: read.minute,
            door: read.door.as_str(),
            reader,
            reader_pk,
            subject,
            subject_pk,
            reads: count.reads,
            first: count.first,
            last: count.last,
        }
    }
}
