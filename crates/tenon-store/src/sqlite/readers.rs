//! Connections that read.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::{connection::Connection, writer::closed};
use crate::{Param, Row, Statement, StoreError};

/// Connections at rest. Look-ups by key run where they are asked: a hop to another thread costs several times as much
/// as the look-up. Everything else runs on blocking threads, at most `parallel` at a time.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    parallel: Semaphore,
    most_idle: usize,
}

impl Readers {
    pub(super) fn new(path: &Path, parallel: usize) -> Self {
        let parallel = parallel.max(1);
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            parallel: Semaphore::new(parallel),
            most_idle: parallel * 2,
        }
    }

    pub(super) fn find(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Option<Row>, StoreError> {
        let rows = self.run(statement, params, 1)?;
        Ok(rows.into_iter().next())
    }

    pub(super) async fn query(
        self: &Arc<Self>,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        let permit = self.parallel.acquire().await.map_err(|_| closed())?;
        let readers = self.clone();
        let params = params.to_vec();
        let reading =
            tokio::task::spawn_blocking(move || readers.run(statement, &params, usize::MAX));
        let rows = reading
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        drop(permit);
        rows
    }

    pub(super) fn close(&self) {
        self.parallel.close();
        self.idle().clear();
    }

    fn run(
        &self,
        statement: &'static Statement,
        params: &[Param],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if self.parallel.is_closed() {
            return Err(closed());
        }
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => Connection::open_reader(&self.path)?,
        };
        let rows = connection.query(statement, params, limit);
        let mut idle = self.idle();
        if idle.len() < self.most_idle && !self.parallel.is_closed() {
            idle.push(connection);
        }
        rows
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
