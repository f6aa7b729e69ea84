//! Records: rows, the stream of their changes, what is to be announced of them (records.md).

mod batch;
pub(crate) mod dialect;
pub(crate) mod quarantine;
pub(crate) mod read;
pub(crate) mod retention;
pub(crate) mod rows;
pub(crate) mod seen;

pub use batch::{NewRow, Probed, RecordHash, Stored};
pub use quarantine::{DueQuarantined, NewQuarantined, QuarantineFilter, QuarantinedRow, SyncNames};
pub use read::{PageQuery, RecordRow};
pub use retention::DueModel;
pub use rows::{Head, ModelKey, ModelSummary, Pruned, Unannounced};
pub use seen::seen_since;
