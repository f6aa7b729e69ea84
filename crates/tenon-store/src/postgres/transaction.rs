//! A connection within a transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::Object;

use super::{error_of, values};
use crate::{Param, Row, Statement, StoreError};

/// A transaction that begins with its first statement, in the same round trip. Dropped before its end, it takes its
/// connection with it: the server rolls back, and the pool never gets an open transaction back.
pub(crate) struct PostgresTx {
    connection: Option<Object>,
    begun: AtomicBool,
    clean: AtomicBool,
}

impl PostgresTx {
    pub(super) const fn new(connection: Object) -> Self {
        Self {
            connection: Some(connection),
            begun: AtomicBool::new(false),
            clean: AtomicBool::new(true),
        }
    }

    pub(crate) async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection()?;
        let typed = values::typed(params);
        let query = connection.query_typed(statement.text, &typed);
        let rows = self.within(connection, query).await?;
        values::rows(statement, rows)
    }

    pub(crate) async fn execute(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        let typed = values::typed(params);
        let execute = connection.execute_typed(statement.text, &typed);
        let touched = self.within(connection, execute).await?;
        touched.map_err(|error| error_of(statement.name, &error))
    }

    pub(super) async fn commit(&self) -> Result<(), StoreError> {
        self.finish("COMMIT").await
    }

    pub(super) async fn rollback(&self) {
        if let Err(error) = self.finish("ROLLBACK").await {
            tracing::debug!("a rollback failed, its connection is given up: {error}");
        }
    }

    async fn within<T>(
        &self,
        connection: &Object,
        statement: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        if self.begun.swap(true, Ordering::SeqCst) {
            return Ok(statement.await);
        }
        self.clean.store(false, Ordering::SeqCst);
        // Both are sent before either is awaited; the server works in order.
        let (begun, answer) = futures::join!(connection.batch_execute("BEGIN"), statement);
        begun.map_err(|error| error_of("BEGIN", &error))?;
        Ok(answer)
    }

    async fn finish(&self, text: &'static str) -> Result<(), StoreError> {
        if !self.begun.load(Ordering::SeqCst) {
            return Ok(());
        }
        let ended = self.connection()?.batch_execute(text).await;
        ended.map_err(|error| error_of(text, &error))?;
        self.clean.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn connection(&self) -> Result<&Object, StoreError> {
        let gone = || StoreError::Unavailable("the connection has been given up".to_owned());
        self.connection.as_ref().ok_or_else(gone)
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.clean.load(Ordering::SeqCst)
        {
            drop(Object::take(connection));
        }
    }
}
