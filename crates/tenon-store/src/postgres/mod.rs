//! Postgres: a pool of connections; inside transactions only unnamed typed statements, so that everything works
//! through a transaction-mode pooler.

mod open;
mod transaction;
mod values;

use std::{future::Future, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::{NoTls, error::SqlState};

pub(crate) use transaction::PostgresTx;

use crate::{
    Param, Row, Statement, StoreError, Tx,
    instance_key::{InstanceKeys, KeySource},
    store::Inner,
    transaction::TxConnection,
};

/// Longest wait for a connection before a caller is told to come back.
const POOL_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connects, checks the key, applies migrations.
    pub(crate) async fn open(
        url: &str,
        connections: usize,
        source: &KeySource,
    ) -> Result<(Self, InstanceKeys), StoreError> {
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|_| StoreError::Unavailable("this is no Postgres URL".to_owned()))?;
        config.application_name("tenon");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(POOL_WAIT);
        }
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(connections.max(2))
            .timeouts(Timeouts {
                wait: Some(POOL_WAIT),
                create: Some(POOL_WAIT),
                recycle: Some(POOL_WAIT),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let postgres = Self { pool };
        let keys = open::prepare(&postgres, source).await?;
        Ok((postgres, keys))
    }

    pub(crate) async fn write<T, E, F, Fut>(&self, store: &Arc<Inner>, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let connection = PostgresTx::new(self.connection().await?);
        let tx = Tx::new(store.clone(), TxConnection::Postgres(connection));
        // A task of its own: a caller that goes away does not end what has begun, as on SQLite.
        let task = tokio::spawn(async move {
            let result = body(tx.clone()).await;
            let result = match result {
                Ok(value) => commit(&tx).await.map(|()| value).map_err(E::from),
                Err(error) => {
                    rollback(&tx).await;
                    Err(error)
                }
            };
            tx.end();
            result
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(E::from(StoreError::Unavailable(error.to_string()))),
        }
    }

    pub(crate) async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection
            .query_typed(statement.text, &values::typed(params))
            .await;
        values::rows(statement, rows)
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }

    async fn connection(&self) -> Result<Object, StoreError> {
        self.pool
            .get()
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

async fn commit(tx: &Tx) -> Result<(), StoreError> {
    let TxConnection::Postgres(connection) = tx.connection() else {
        return Ok(());
    };
    if let Err(error) = tx.check() {
        connection.rollback().await;
        return Err(error);
    }
    connection.commit().await?;
    tx.committed();
    Ok(())
}

async fn rollback(tx: &Tx) {
    if let TxConnection::Postgres(connection) = tx.connection() {
        connection.rollback().await;
    }
}

/// Names an error of Postgres.
fn error_of(statement: &'static str, error: &tokio_postgres::Error) -> StoreError {
    let Some(refusal) = error.as_db_error() else {
        return if error.is_closed() || is_broken_pipe(error) {
            StoreError::Unavailable(error.to_string())
        } else {
            StoreError::refused(statement, chain(error))
        };
    };
    let code = refusal.code();
    let away = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    if away.contains(code) || code.code().starts_with("08") {
        return StoreError::Unavailable(refusal.message().to_owned());
    }
    if *code == SqlState::DISK_FULL {
        return StoreError::DiskFull;
    }
    StoreError::Database {
        statement,
        detail: format!("{} ({})", refusal.message(), code.code()),
        unique_violation: *code == SqlState::UNIQUE_VIOLATION,
        transient: *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::T_R_SERIALIZATION_FAILURE,
    }
}

fn is_broken_pipe(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
