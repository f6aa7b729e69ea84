//! The store: open, write, read.

use std::{future::Future, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tenon_core::{Ids, Secret, SharedClock, SharedRandom, function::Cancel, names::EnvironmentPk};

use crate::{
    Changes, Param, Row, SealContext, Sealed, Statement, StoreError,
    instance_key::{KeyFile, KeySource, KeyVault},
    postgres::Postgres,
    seal::{KeyRing, Opener},
    sqlite::Sqlite,
    transaction::Tx,
};

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
    /// Keys that are readable beside it: what was in force before, or comes next.
    pub previous_keys: Vec<Secret<[u8; 32]>>,
    /// Where the instance key is looked for when none is given, and where a new one is written for an empty database.
    pub key_file: Option<PathBuf>,
    /// The key service that wraps the instance key, if there is one.
    pub key_vault: Option<Arc<dyn KeyVault>>,
    /// Connections that read (SQLite), or all connections (Postgres).
    pub readers: usize,
    pub clock: SharedClock,
    pub random: SharedRandom,
}

/// One database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) backend: Backend,
    pub(crate) keys: KeyRing,
    pub(crate) key_source: KeySource,
    pub(crate) clock: SharedClock,
    pub(crate) random: SharedRandom,
    pub(crate) ids: Ids,
}

pub(crate) enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Opens the database, checks the instance key, applies migrations. With a wrong or missing key nothing is touched.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let source = KeySource {
            given: options.instance_key,
            previous: options.previous_keys,
            file: options.key_file.map(KeyFile),
            vault: options.key_vault,
            random: options.random.clone(),
            now: options.clock.now(),
        };
        let (backend, keys) = match &options.url {
            DatabaseUrl::Sqlite(path) => {
                let path = path.clone();
                let (readers, source) = (options.readers, source.clone());
                let opening =
                    tokio::task::spawn_blocking(move || Sqlite::open(&path, readers, &source));
                let (sqlite, keys) = opening
                    .await
                    .map_err(|error| StoreError::Unavailable(error.to_string()))??;
                (Backend::Sqlite(sqlite), keys)
            }
            DatabaseUrl::Postgres(url) => {
                let (postgres, keys) =
                    Postgres::open(url.expose(), options.readers, &source).await?;
                (Backend::Postgres(postgres), keys)
            }
        };
        Ok(Self(Arc::new(Inner {
            backend,
            keys: KeyRing::new(keys),
            key_source: source,
            ids: Ids::new(options.clock.clone(), options.random.clone()),
            clock: options.clock,
            random: options.random,
        })))
    }

    /// Runs `body` in one transaction. Only the transaction may be awaited in it. Commits when it returns `Ok`, rolls
    /// back otherwise. A dropped caller never leaves a transaction open: what has begun runs to its end.
    ///
    /// A statement that fails ends the transaction, on both databases; where a clash is expected, use `ON CONFLICT`.
    pub async fn write<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.write(&self.0, body).await,
            Backend::Postgres(postgres) => postgres.write(&self.0, body).await,
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Plain reads, outside any transaction.
    pub fn reader(&self) -> Reader {
        Reader(self.0.clone())
    }

    /// Keyed hash under the index key: for look-ups by secret (API keys, tokens, states) and for content hashes. The
    /// index key survives rotation of the instance key.
    pub fn index_hash(&self, domain: &str, content: &[u8]) -> [u8; 32] {
        self.0.keys.index_hash(domain, content)
    }

    /// Whether this is Postgres, for the few places with two texts.
    pub fn is_postgres(&self) -> bool {
        matches!(self.0.backend, Backend::Postgres(_))
    }

    /// What was committed lately, where this process alone writes; `None` on Postgres.
    pub fn changes(&self) -> Option<&Changes> {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => Some(sqlite.changes()),
            Backend::Postgres(_) => None,
        }
    }

    /// Raised when the database can no longer be trusted to keep what it accepted (a failed `fsync`): the process
    /// should end rather than lie, and start again.
    pub fn broken(&self) -> Cancel {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.broken(),
            Backend::Postgres(_) => Cancel::default(),
        }
    }

    /// Ends the writer and gives the data directory free. Later writes answer [`StoreError::Unavailable`].
    pub async fn close(&self) {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }
}

/// A handle that cannot write.
#[derive(Clone)]
pub struct Reader(pub(crate) Arc<Inner>);

impl Reader {
    /// All rows.
    pub async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.query(statement, params).await,
            Backend::Postgres(postgres) => postgres.query(statement, params).await,
        }
    }

    /// The first row, if any. Meant for look-ups by key: on SQLite it is answered on the calling thread.
    pub async fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Option<Row>, StoreError> {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.find(statement, params),
            Backend::Postgres(postgres) => {
                let rows = postgres.query(statement, params).await?;
                Ok(rows.into_iter().next())
            }
        }
    }

    /// The first row, which must be there.
    pub async fn get(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Row, StoreError> {
        let row = self.find(statement, params).await?;
        row.ok_or(StoreError::Missing {
            statement: statement.name,
        })
    }

    /// Opens a sealed value.
    pub async fn open(
        &self,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> Result<Bytes, StoreError> {
        self.0.keys.open(self, None, context, sealed).await
    }

    /// Opens many values of one connection: its key is derived once.
    pub fn opener(
        &self,
        environment: EnvironmentPk,
        connection: Option<tenon_core::names::ConnectionPk>,
    ) -> Opener<Self> {
        Opener::new(self.clone(), self.0.clone(), environment, connection)
    }
}
