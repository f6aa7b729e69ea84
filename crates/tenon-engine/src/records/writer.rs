//! A run that writes records, and the merging strategies it has set.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tenon_core::{
    Timestamp,
    cursor::Cursor,
    function::MergingStrategy,
    names::{ConnectionPk, EnvironmentPk, RunPk, SyncPk, TaskPk},
};
use tenon_store::records::ModelKey;

use super::RecordsError;
use crate::Engine;

/// A run that writes records. One per run: it remembers the merging strategies that the run has set.
#[derive(Debug)]
pub struct Writer {
    keys: WriterKeys,
    pub(super) merging: Merging,
}

/// The keys of a [`Writer`].
#[derive(Clone, Debug)]
pub struct WriterKeys {
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub sync: SyncPk,
    /// Variant of the sync, `base` for none.
    pub variant: String,
    pub run: RunPk,
    /// The task whose lease allows to write, and the fence under which it was claimed.
    pub task: TaskPk,
    pub fence: i64,
    /// Key of the function's checkpoint; tracking of deletions keeps its start below it.
    pub checkpoint_key: String,
}

impl Deref for Writer {
    type Target = WriterKeys;

    fn deref(&self) -> &WriterKeys {
        &self.keys
    }
}

/// Models whose rows may have changed since the run looked, and up to where the run knows them.
#[derive(Debug, Default)]
pub(super) struct Merging(Mutex<HashMap<String, Option<Cursor>>>);

/// Up to where a batch may overwrite rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The strategy `override`.
    Everything,
    /// The strategy `ignore_if_modified_after`; nothing if the model was empty.
    UpTo(Option<Cursor>),
}

impl Known {
    /// Whether a stored row has changed behind the back of the run.
    pub(super) fn is_behind(self, change: Cursor) -> bool {
        match self {
            Self::Everything => false,
            Self::UpTo(known) => known.is_none_or(|known| known < change),
        }
    }
}

impl Merging {
    pub(super) fn known(&self, model: &str) -> Known {
        match self.models().get(model) {
            Some(cursor) => Known::UpTo(*cursor),
            None => Known::Everything,
        }
    }

    /// After a batch the run knows what it has written itself.
    pub(super) fn wrote(&self, model: &str, last: Cursor) {
        if let Some(cursor) = self.models().get_mut(model) {
            *cursor = (*cursor).max(Some(last));
        }
    }

    fn models(&self) -> MutexGuard<'_, HashMap<String, Option<Cursor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// The writer of a run.
    pub fn new(keys: WriterKeys) -> Self {
        Self {
            keys,
            merging: Merging::default(),
        }
    }

    /// The model as the store knows it.
    pub(super) fn key(&self, model: &str) -> ModelKey {
        ModelKey {
            environment: self.environment,
            connection: self.connection,
            model: full_model(model, &self.variant),
        }
    }
}

/// `Model`, or `Model::variant`.
pub fn full_model(model: &str, variant: &str) -> String {
    match variant {
        "" | "base" => model.to_owned(),
        variant => format!("{model}::{variant}"),
    }
}

/// `setMergingStrategy` (records.md, 2.4).
pub async fn set_merging_strategy(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    strategy: MergingStrategy,
) -> Result<(), RecordsError> {
    let key = writer.key(model);
    let known = match strategy {
        MergingStrategy::Override => None,
        MergingStrategy::IgnoreIfModifiedAfter => {
            let reader = engine.reader();
            let last = reader.last_change(key.connection, &key.model).await?;
            Some(last.map(cursor))
        }
    };
    let mut models = writer.merging.models();
    match known {
        None => models.remove(&key.model),
        Some(known) => models.insert(key.model, known),
    };
    Ok(())
}

fn cursor((modified_at, id): (Timestamp, uuid::Uuid)) -> Cursor {
    Cursor { modified_at, id }
}
