//! The store: open, write, read.

use std::{future::Future, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tenon_core::{Secret, names::EnvironmentPk};

use crate::{Param, Row, SealContext, Sealed, Statement};

/// Where the data is.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A file, made if missing.
    Sqlite(PathBuf),
    /// `postgres://...`
    Postgres(Secret<String>),
}

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    pub url: DatabaseUrl,
    /// The instance key, if the caller has one; a new one is offered for an empty database only.
    pub instance_key: Option<Secret<[u8; 32]>>,
    pub readers: usize,
    pub clock: tenon_core::SharedClock,
    pub random: tenon_core::SharedRandom,
}

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not answer `{statement}`: {detail}")]
    Database {
        statement: &'static str,
        detail: String,
        unique_violation: bool,
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
    #[error("{0}")]
    Key(String),
    #[error("migration `{name}` failed: {detail}")]
    Migration { name: String, detail: String },
}

impl StoreError {
    /// Whether a unique index refused the row.
    pub const fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Database {
                unique_violation: true,
                ..
            }
        )
    }
}

/// One database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<()>);

impl Store {
    /// Opens the database, applies migrations, checks the instance key.
    pub async fn open(_options: StoreOptions) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// Runs `body` in one transaction. Only the transaction may be awaited in it. Commits when it returns `Ok`, rolls
    /// back otherwise. A dropped caller never leaves a transaction open.
    pub async fn write<T, E, F, Fut>(&self, _body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        unimplemented!()
    }

    /// Plain reads, outside any transaction.
    pub fn reader(&self) -> Reader {
        unimplemented!()
    }

    /// Keyed hash under the index key: for look-ups by secret (API keys, tokens, states) and for content hashes.
    pub fn index_hash(&self, _domain: &str, _content: &[u8]) -> [u8; 32] {
        unimplemented!()
    }

    /// Whether this is Postgres, for the few places with two texts.
    pub fn is_postgres(&self) -> bool {
        unimplemented!()
    }
}

/// An open transaction. Clone it freely within the closure.
#[derive(Clone)]
pub struct Tx(Arc<()>);

/// A handle that cannot write.
#[derive(Clone)]
pub struct Reader(Arc<()>);

macro_rules! queries {
    ($type:ident) => {
        impl $type {
            /// All rows.
            pub async fn query(
                &self,
                _statement: &'static Statement,
                _params: &[Param],
            ) -> Result<Vec<Row>, StoreError> {
                unimplemented!()
            }

            /// The first row, if any.
            pub async fn find(
                &self,
                _statement: &'static Statement,
                _params: &[Param],
            ) -> Result<Option<Row>, StoreError> {
                unimplemented!()
            }

            /// The first row, which must be there.
            pub async fn get(
                &self,
                _statement: &'static Statement,
                _params: &[Param],
            ) -> Result<Row, StoreError> {
                unimplemented!()
            }

            /// Opens a sealed value.
            pub async fn open(
                &self,
                _context: SealContext<'_>,
                _sealed: &Sealed,
            ) -> Result<Bytes, StoreError> {
                unimplemented!()
            }
        }
    };
}

queries!(Tx);
queries!(Reader);

impl Tx {
    /// Runs a change; returns the number of rows touched.
    pub async fn execute(
        &self,
        _statement: &'static Statement,
        _params: &[Param],
    ) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Seals a value for a column.
    pub async fn seal(
        &self,
        _context: SealContext<'_>,
        _plain: &[u8],
    ) -> Result<Sealed, StoreError> {
        unimplemented!()
    }

    /// Makes the first data key of a new environment.
    pub async fn create_data_key(&self, _environment: EnvironmentPk) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Runs `wake` after the commit and only then: to wake a loop. Must not block.
    pub fn after_commit(&self, _wake: impl FnOnce() + Send + 'static) {
        unimplemented!()
    }
}
