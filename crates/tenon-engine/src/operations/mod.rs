//! Operations: logged happenings that a person can open, and their message lines.

/// Writes operations (with the change they explain, in its transaction) and messages (beside it, best effort).
#[derive(Clone, Debug, Default)]
pub struct OperationLog;
