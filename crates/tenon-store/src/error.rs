//! What can go wrong in the store.

use std::path::PathBuf;

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not answer `{statement}`: {detail}")]
    Database {
        statement: &'static str,
        detail: String,
        unique_violation: bool,
        /// Deadlock or serialization failure: the same transaction may succeed when it is tried again.
        transient: bool,
    },
    #[error("column {column} of `{statement}` has another type than expected")]
    Column {
        statement: &'static str,
        column: usize,
    },
    #[error("`{statement}` found no row")]
    Missing { statement: &'static str },
    #[error("row `{row}` of `{table}.{column}` makes no sense")]
    Corrupt {
        table: &'static str,
        column: &'static str,
        row: String,
    },
    #[error("the database is not reachable: {0}")]
    Unavailable(String),
    #[error("the disk of the database is full")]
    DiskFull,
    #[error(
        "`{0}` is in use by another process; a data directory belongs to one process at a time"
    )]
    Locked(PathBuf),
    #[error("{0}")]
    Key(String),
    #[error("migration `{name}` failed: {detail}")]
    Migration { name: String, detail: String },
}

impl StoreError {
    /// Whether a unique index refused the row. The transaction is lost all the same: where a clash is expected, use
    /// `ON CONFLICT`.
    pub const fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Database {
                unique_violation: true,
                ..
            }
        )
    }

    /// Whether the same transaction may succeed when it is tried again at once.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Database {
                transient: true,
                ..
            }
        )
    }

    /// Whether the database is away or full for now, so that a caller should come back later.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::DiskFull)
    }

    pub(crate) fn refused(statement: &'static str, detail: impl Into<String>) -> Self {
        Self::Database {
            statement,
            detail: detail.into(),
            unique_violation: false,
            transient: false,
        }
    }
}
