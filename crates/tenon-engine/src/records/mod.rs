//! Records: save, update, delete, list, prune (records.md).
//!
//! Every batch commits its rows and what is to be announced of them in one transaction, under the fence of the task
//! that writes.

mod batch;
mod decide;
mod json;
mod quarantine;
mod read;
mod schema;
mod sweep;
mod track;
mod writer;

use tenon_core::names::SyncPk;
pub use tenon_store::records::{ModelKey, QuarantineFilter, QuarantinedRow, Unannounced};
use tenon_store::{StoreError, Tx};

pub use batch::{Written, delete, save, update};
pub use quarantine::{
    Misfit, discard_quarantined, has_quarantined, list_quarantined, quarantine, release,
    retry_quarantined, still_quarantined,
};
pub use read::{ListQuery, Page, Pruned, RecordAction, by_ids, list, prune};
pub use schema::{Problem, Schemas};
pub use sweep::{Retention, sweep};
pub use track::{delete_unseen, empty, forget_seen, track_deletes_end, track_deletes_start};
pub use writer::{Writer, WriterKeys, full_model, set_merging_strategy};

/// Why records were not written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error("the run was given to another node")]
    LeaseLost,
    #[error("tracking of deletions of `{model}` was not started")]
    NotTracked { model: String },
    #[error("record `{id}` is no JSON object")]
    NotAnObject { id: String },
    #[error(
        "too many records of `{model}` do not fit their schema: mend the schema, or empty the quarantine"
    )]
    QuarantineFull { model: String },
    #[error("store failed while handling records")]
    Store(#[from] StoreError),
}

/// Takes what was saved and not announced yet, for the delivery that the same transaction enqueues. `model` is the
/// name without variant.
pub async fn take_unannounced(
    tx: &Tx,
    sync: SyncPk,
    model: &str,
) -> Result<Option<Unannounced>, StoreError> {
    tx.take_unannounced(sync, model).await
}
