//! Records: save, update, delete, list, prune (records.md).
//!
//! Every batch commits its rows and what is to be announced of them in one transaction, under the fence of the task
//! that writes.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    function::{MergingStrategy, RecordCounts, RecordInput},
    names::{ConnectionPk, EnvironmentPk, RunPk, SyncPk, TaskPk},
};
use tenon_store::{StoreError, Tx};

use crate::Engine;

/// A run that writes records. One per run: it remembers the merging strategies that the run has set.
#[derive(Debug)]
pub struct Writer {
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
    merging: std::sync::Mutex<()>,
}

/// The keys of a [`Writer`].
#[derive(Clone, Debug)]
pub struct WriterKeys {
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub sync: SyncPk,
    pub variant: String,
    pub run: RunPk,
    pub task: TaskPk,
    pub fence: i64,
    pub checkpoint_key: String,
}

impl Writer {
    /// The writer of a run.
    pub fn new(keys: WriterKeys) -> Self {
        Self {
            environment: keys.environment,
            connection: keys.connection,
            sync: keys.sync,
            variant: keys.variant,
            run: keys.run,
            task: keys.task,
            fence: keys.fence,
            checkpoint_key: keys.checkpoint_key,
            merging: std::sync::Mutex::default(),
        }
    }
}

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub counts: RecordCounts,
    pub unchanged: u64,
    /// Ids that came more than once; only the first of each was taken.
    pub duplicates: Vec<String>,
}

/// What was saved and not announced yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unannounced {
    pub counts: RecordCounts,
    /// The first change among them.
    pub since: Timestamp,
}

/// Why records were not written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error("the run was given to another node")]
    LeaseLost,
    #[error("tracking of deletions of `{model}` was not started")]
    NotTracked { model: String },
    #[error("store failed while handling records")]
    Store(#[from] StoreError),
}

/// `Model`, or `Model::variant`.
pub fn full_model(model: &str, variant: &str) -> String {
    match variant {
        "" | "base" => model.to_owned(),
        variant => format!("{model}::{variant}"),
    }
}

/// `batchSave` (records.md, 2.1).
pub async fn save(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
    _records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    unimplemented!()
}

/// `batchUpdate` (records.md, 2.2).
pub async fn update(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
    _records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    unimplemented!()
}

/// `batchDelete` (records.md, 2.3).
pub async fn delete(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
    _records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    unimplemented!()
}

/// `setMergingStrategy` (records.md, 2.4).
pub async fn set_merging_strategy(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
    _strategy: MergingStrategy,
) -> Result<(), RecordsError> {
    unimplemented!()
}

/// `trackDeletesStart` (records.md, section 4).
pub async fn track_deletes_start(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
) -> Result<(), RecordsError> {
    unimplemented!()
}

/// `trackDeletesEnd`: deletes what was not seen since the start; the ids.
pub async fn track_deletes_end(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
) -> Result<Vec<String>, RecordsError> {
    unimplemented!()
}

/// `deleteRecordsFromPreviousExecutions`, and the option `trackDeletes`: deletes what this run has not seen; the ids.
pub async fn delete_unseen(
    _engine: &Engine,
    _writer: &Writer,
    _model: &str,
) -> Result<Vec<String>, RecordsError> {
    unimplemented!()
}

/// Hard deletion of all records of a model before a run (`emptyCache`). `model` is the full name.
pub async fn empty(
    _engine: &Engine,
    _connection: ConnectionPk,
    _model: &str,
) -> Result<(), RecordsError> {
    unimplemented!()
}

/// Records by id, as JSON texts with metadata, in no particular order.
pub async fn by_ids(
    _engine: &Engine,
    _environment: EnvironmentPk,
    _connection: ConnectionPk,
    _model: &str,
    _ids: &[String],
) -> Result<Vec<(String, Bytes)>, RecordsError> {
    unimplemented!()
}

/// Takes what was saved and not announced yet, for the delivery that the same transaction enqueues. `model` is the
/// name without variant.
pub async fn take_unannounced(
    _tx: &Tx,
    _sync: SyncPk,
    _model: &str,
) -> Result<Option<Unannounced>, StoreError> {
    unimplemented!()
}

/// At the end of a run: forgets which records it saw, unless a tracking of deletions goes on. In the transaction that
/// ends the run.
pub async fn forget_seen(_tx: &Tx, _writer: &Writer, _model: &str) -> Result<(), StoreError> {
    unimplemented!()
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Full model name.
    pub model: String,
    /// Strictly after this place.
    pub after: Option<tenon_core::cursor::Cursor>,
    /// Not before this instant.
    pub modified_after: Option<Timestamp>,
    pub limit: usize,
    /// Nothing means all.
    pub actions: Vec<RecordAction>,
    pub ids: Vec<String>,
}

/// Last thing that happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordAction {
    Added,
    Updated,
    Deleted,
}

/// A page of records as JSON texts, metadata included.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub records: Vec<Bytes>,
    pub next_cursor: Option<String>,
}

/// A page in the order of changes (records.md, section 3).
pub async fn list(
    _engine: &Engine,
    _environment: EnvironmentPk,
    _connection: ConnectionPk,
    _query: ListQuery,
) -> Result<Page, RecordsError> {
    unimplemented!()
}
