//! Keys: what stands under which one, and how they are replaced while everything is in use.

mod keeper;
pub mod vault;

use std::sync::Arc;

use tenon_core::{Ids, SharedClock, names::EnvironmentPk};
use tenon_store::{
    Store, StoreError,
    rotation::{Rotation, Step},
};

use crate::Engine;

pub use keeper::Keeper;

/// Values of one transaction: some milliseconds of the one writer that SQLite has.
const BATCH: i64 = 50;

/// Why no rotation began.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("a rotation of this key is running")]
    Running,
    /// The sentence says what the operator has to do.
    #[error("{0}")]
    Key(String),
    #[error("store failed while rotating keys")]
    Store(#[source] StoreError),
}

impl From<StoreError> for RotateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Key(sentence) => Self::Key(sentence),
            other => Self::Store(other),
        }
    }
}

/// Rotations of a database, from a running server or without one.
#[derive(Clone)]
pub struct Rotations {
    store: Store,
    clock: SharedClock,
    ids: Ids,
    /// Name of this node.
    holder: Arc<str>,
}

impl Rotations {
    /// Of an opened database.
    pub fn new(store: Store, clock: SharedClock, ids: Ids, holder: &str) -> Self {
        Self {
            store,
            clock,
            ids,
            holder: Arc::from(holder),
        }
    }

    /// Of a running server.
    pub fn of(engine: &Engine) -> Self {
        Self::new(
            engine.store.clone(),
            Arc::clone(&engine.clock),
            engine.ids.clone(),
            &engine.settings.node,
        )
    }

    /// Begins to replace the instance key.
    pub async fn begin_instance(&self) -> Result<Rotation, RotateError> {
        let begun = self
            .store
            .begin_instance_rotation(self.ids.int(), self.clock.now())
            .await?;
        begun.ok_or(RotateError::Running)
    }

    /// Begins to replace the data key of an environment.
    pub async fn begin_environment(
        &self,
        environment: EnvironmentPk,
    ) -> Result<Rotation, RotateError> {
        let (pk, now) = (self.ids.int(), self.clock.now());
        let begun = self
            .store
            .write(move |tx| async move { tx.begin_data_key_rotation(environment, pk, now).await })
            .await?;
        begun.ok_or(RotateError::Running)
    }

    /// One step of a rotation, in one small transaction.
    pub async fn step(&self, rotation: i64) -> Result<Step, StoreError> {
        let (holder, now) = (Arc::clone(&self.holder), self.clock.now());
        let held = self
            .store
            .write(move |tx| async move { tx.hold_rotation(rotation, &holder, now).await })
            .await?;
        match held {
            None => Ok(Step::Lost),
            Some(held) => {
                self.store
                    .advance_rotation(&held, &self.holder, BATCH, now)
                    .await
            }
        }
    }

    /// Rotations that have not ended.
    pub async fn running(&self) -> Result<Vec<Rotation>, StoreError> {
        self.store.reader().running_rotations().await
    }
}
