//! SQLite: one writer thread with group commit, and connections that read.

mod connection;
mod open;
mod readers;
mod writer;

use std::{
    future::Future,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tenon_core::function::Cancel;
use tokio::sync::oneshot;

use crate::{
    Changes, Param, Row, Statement, StoreError, Tx,
    instance_key::{InstanceKeys, KeySource},
    store::Inner,
};
use connection::Connection;
use readers::Readers;
use writer::{Outcome, WriteJob, Writer};

/// A data directory that this process owns.
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Sqlite {
    /// Opens the file, checks the key, applies migrations. Blocks.
    pub(crate) fn open(
        path: &Path,
        readers: usize,
        source: &KeySource,
    ) -> Result<(Self, InstanceKeys), StoreError> {
        let opened = open::open(path, source)?;
        let sqlite = Self {
            writer: Writer::start(opened.connection, opened.lock)?,
            readers: Arc::new(Readers::new(path, readers)),
        };
        Ok((sqlite, opened.keys))
    }

    pub(crate) async fn write<T, E, F, Fut>(&self, store: &Arc<Inner>, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = WriteJob::new(store.clone(), body, reply);
        self.writer.send(Box::new(job))?;
        match answer.await {
            Ok(Outcome::Ended(result)) => result,
            Ok(Outcome::Panicked(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(E::from(writer::closed())),
        }
    }

    pub(crate) async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        self.readers.query(statement, params).await
    }

    pub(crate) fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Option<Row>, StoreError> {
        self.readers.find(statement, params)
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.writer.changes
    }

    pub(crate) fn broken(&self) -> Cancel {
        self.writer.broken.clone()
    }

    pub(crate) async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

/// The writer's connection as a transaction sees it. Used on the writer thread only, so the lock is never waited for.
#[derive(Clone)]
pub(crate) struct SqliteTx(Arc<Mutex<Connection>>);

impl SqliteTx {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        work(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lends a prepared statement, for a batch that runs it many times.
    pub(crate) fn with_prepared<T>(
        &self,
        statement: &'static Statement,
        work: impl FnOnce(&mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with(|connection| connection.with_prepared(statement, work))
    }

    pub(crate) fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        self.with(|connection| connection.query(statement, params, usize::MAX))
    }

    pub(crate) fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Option<Row>, StoreError> {
        let rows = self.with(|connection| connection.query(statement, params, 1))?;
        Ok(rows.into_iter().next())
    }

    pub(crate) fn execute(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<u64, StoreError> {
        self.with(|connection| connection.execute(statement, params))
    }
}
