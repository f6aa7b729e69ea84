//! An open transaction.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tenon_core::names::{ConnectionPk, EnvironmentPk};

use crate::{
    Param, Row, SealContext, Sealed, Statement, StoreError,
    postgres::PostgresTx,
    seal::{FreshKeys, Opener, Sealer},
    sqlite::SqliteTx,
    store::{Inner, Reader},
};

type Hook = Box<dyn FnOnce() + Send>;

/// An open transaction. Clone it freely within the closure.
#[derive(Clone)]
pub struct Tx(Arc<TxState>);

struct TxState {
    store: Arc<Inner>,
    connection: TxConnection,
    /// A statement failed: Postgres refuses whatever follows, so SQLite does too.
    failed: AtomicBool,
    ended: AtomicBool,
    hooks: Mutex<Vec<Hook>>,
    /// Data keys seen or made in this transaction; shared only after the commit.
    keys: FreshKeys,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one for a transaction, behind an `Arc` from the beginning"
)]
pub(crate) enum TxConnection {
    Sqlite(SqliteTx),
    Postgres(PostgresTx),
}

impl Tx {
    pub(crate) fn new(store: Arc<Inner>, connection: TxConnection) -> Self {
        Self(Arc::new(TxState {
            store,
            connection,
            failed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            hooks: Mutex::default(),
            keys: FreshKeys::default(),
        }))
    }

    pub(crate) fn store(&self) -> Arc<Inner> {
        self.0.store.clone()
    }

    pub(crate) fn connection(&self) -> &TxConnection {
        &self.0.connection
    }

    /// An error if a statement failed although the closure did not say so.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.0.failed.load(Ordering::SeqCst) {
            return Err(StoreError::refused(
                "commit",
                "an earlier statement of the transaction failed",
            ));
        }
        Ok(())
    }

    /// No statement gets through from now on, whoever kept a clone.
    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }

    /// Shares what the transaction made and runs the hooks.
    pub(crate) fn committed(&self) {
        self.0.store.keys.adopt(&self.0.keys);
        let hooks =
            std::mem::take(&mut *self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner));
        for hook in hooks {
            hook();
        }
    }

    fn usable(&self, statement: &'static Statement) -> Result<(), StoreError> {
        if self.0.ended.load(Ordering::SeqCst) {
            return Err(StoreError::refused(
                statement.name,
                "the transaction is over",
            ));
        }
        if self.0.failed.load(Ordering::SeqCst) {
            return Err(StoreError::refused(
                statement.name,
                "an earlier statement of the transaction failed",
            ));
        }
        Ok(())
    }

    /// The writer's connection, for batches that run one prepared statement many times.
    pub(crate) fn sqlite(&self) -> Option<&SqliteTx> {
        match &self.0.connection {
            TxConnection::Sqlite(sqlite) if self.is_usable() => Some(sqlite),
            TxConnection::Sqlite(_) | TxConnection::Postgres(_) => None,
        }
    }

    fn is_usable(&self) -> bool {
        !self.0.ended.load(Ordering::SeqCst) && !self.0.failed.load(Ordering::SeqCst)
    }

    /// Remembers that a statement failed.
    pub(crate) fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
        result
    }

    /// All rows.
    pub async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        self.usable(statement)?;
        let rows = match &self.0.connection {
            TxConnection::Sqlite(sqlite) => sqlite.query(statement, params),
            TxConnection::Postgres(postgres) => postgres.query(statement, params).await,
        };
        self.noted(rows)
    }

    /// The first row, if any.
    pub async fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Option<Row>, StoreError> {
        self.usable(statement)?;
        let row = match &self.0.connection {
            TxConnection::Sqlite(sqlite) => sqlite.find(statement, params),
            TxConnection::Postgres(postgres) => postgres
                .query(statement, params)
                .await
                .map(|rows| rows.into_iter().next()),
        };
        self.noted(row)
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

    /// Runs a change; returns the number of rows touched.
    pub async fn execute(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<u64, StoreError> {
        self.usable(statement)?;
        let touched = match &self.0.connection {
            TxConnection::Sqlite(sqlite) => sqlite.execute(statement, params),
            TxConnection::Postgres(postgres) => postgres.execute(statement, params).await,
        };
        self.noted(touched)
    }

    /// Opens a sealed value.
    pub async fn open(
        &self,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> Result<Bytes, StoreError> {
        let keys = &self.0.store.keys;
        keys.open(self, Some(&self.0.keys), context, sealed).await
    }

    /// Seals a value for a column.
    pub async fn seal(&self, context: SealContext<'_>, plain: &[u8]) -> Result<Sealed, StoreError> {
        let mut sealer = self.sealer(context.environment, context.connection).await?;
        sealer.seal(context.table, context.column, context.row, plain)
    }

    /// Seals many values of one connection (or of none): the key is derived once.
    pub async fn sealer(
        &self,
        environment: EnvironmentPk,
        connection: Option<ConnectionPk>,
    ) -> Result<Sealer, StoreError> {
        let store = &self.0.store;
        let key = store.keys.newest(self, &self.0.keys, environment).await?;
        Ok(Sealer::new(&key, connection, store.random.clone()))
    }

    /// Opens many values of one connection (or of none): the key is derived once.
    pub fn opener(
        &self,
        environment: EnvironmentPk,
        connection: Option<ConnectionPk>,
    ) -> Opener<Self> {
        Opener::new(self.clone(), self.0.store.clone(), environment, connection)
    }

    /// Makes the first data key of a new environment.
    pub async fn create_data_key(&self, environment: EnvironmentPk) -> Result<(), StoreError> {
        let store = &self.0.store;
        let pk = store.ids.int();
        let now = store.clock.now();
        let keys = &store.keys;
        keys.create(self, &self.0.keys, environment, pk, now, &store.random)
            .await
    }

    /// Data keys that this transaction has loaded or made.
    pub(crate) fn fresh_keys(&self) -> &FreshKeys {
        &self.0.keys
    }

    /// Runs `wake` after the commit and only then: to wake a loop. Must not block.
    pub fn after_commit(&self, wake: impl FnOnce() + Send + 'static) {
        self.0
            .hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(wake));
    }

    /// Keyed hash under the index key, as [`crate::Store::index_hash`].
    pub fn index_hash(&self, domain: &str, content: &[u8]) -> [u8; 32] {
        self.0.store.keys.index_hash(domain, content)
    }

    /// Whether this is Postgres, for the few places with two techniques.
    pub fn is_postgres(&self) -> bool {
        matches!(self.0.connection, TxConnection::Postgres(_))
    }
}

/// What a transaction and a reader have in common, for reads that serve both.
pub trait Queries: Clone + Send + Sync + 'static {
    /// All rows.
    fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// The first row, if any.
    fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// The first row, which must be there.
    fn get(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> impl Future<Output = Result<Row, StoreError>> + Send;

    /// Opens a sealed value.
    fn open(
        &self,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> impl Future<Output = Result<Bytes, StoreError>> + Send;
}

macro_rules! queries {
    ($($type:ident),*) => {$(
        impl Queries for $type {
            async fn query(
                &self,
                statement: &'static Statement,
                params: &[Param],
            ) -> Result<Vec<Row>, StoreError> {
                Self::query(self, statement, params).await
            }

            async fn find(
                &self,
                statement: &'static Statement,
                params: &[Param],
            ) -> Result<Option<Row>, StoreError> {
                Self::find(self, statement, params).await
            }

            async fn get(
                &self,
                statement: &'static Statement,
                params: &[Param],
            ) -> Result<Row, StoreError> {
                Self::get(self, statement, params).await
            }

            async fn open(
                &self,
                context: SealContext<'_>,
                sealed: &Sealed,
            ) -> Result<Bytes, StoreError> {
                Self::open(self, context, sealed).await
            }
        }
    )*};
}

queries!(Tx, Reader);
