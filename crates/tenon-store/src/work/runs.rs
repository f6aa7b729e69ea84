//! Runs: one execution of a sync.

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, FunctionPk, RunPk, SyncPk, TaskPk},
};

use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    RUN_INSERT = "
        INSERT INTO run (pk, environment_pk, connection_pk, task_pk, sync_pk, function_pk, sync_type, status, result,
            operation_id, started_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'RUNNING', '{}', $8, $9)";
    RUN_FINISH = "
        UPDATE run SET status = $2, result = $3, error = $4, finished_at_us = $5
        WHERE pk = $1 AND status = 'RUNNING'";
    RUN_LAST_PK = "SELECT pk FROM run WHERE connection_pk = $1 ORDER BY pk DESC LIMIT 1";
    RUN_LATEST = "
        SELECT pk, sync_type, status, result, error, operation_id, started_at_us, finished_at_us
        FROM run WHERE sync_pk = $1 AND sync_type <> 'WEBHOOK' ORDER BY pk DESC LIMIT 1";
    RUN_OPEN_OF_TASK = "
        SELECT pk, sync_type, status, result, error, operation_id, started_at_us, finished_at_us
        FROM run WHERE task_pk = $1 AND status = 'RUNNING' ORDER BY pk DESC LIMIT 1";
    RUNS_OF_SYNC = "
        SELECT pk, sync_type, status, result, error, operation_id, started_at_us, finished_at_us
        FROM run WHERE sync_pk = $1 ORDER BY pk DESC LIMIT $2";
    SYNC_ERROR = "
        UPDATE connection SET sync_error_log_id = $2
        WHERE pk = $1 AND sync_error_log_id IS DISTINCT FROM $2";
    RUN_PURGE = "
        DELETE FROM run WHERE pk IN (
            SELECT r.pk FROM run r
            WHERE r.finished_at_us < $1
                AND r.pk < (SELECT MAX(l.pk) FROM run l WHERE l.sync_pk = r.sync_pk)
            ORDER BY r.finished_at_us LIMIT $2)";
}

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub pk: RunPk,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub task: TaskPk,
    pub sync: SyncPk,
    pub function: FunctionPk,
    /// `INITIAL`, `INCREMENTAL` or `WEBHOOK`.
    pub sync_type: &'static str,
    pub operation: String,
    pub started_at: Timestamp,
}

/// A run as it stands.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub pk: RunPk,
    pub sync_type: String,
    /// `RUNNING`, `SUCCESS` or `STOPPED`.
    pub status: String,
    /// `{Model: {added, updated, deleted}}`.
    pub result: String,
    pub error: Option<String>,
    pub operation: String,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl RunRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            sync_type: row.get::<Option<String>>(1)?.unwrap_or_default(),
            status: row.get(2)?,
            result: row.get(3)?,
            error: row.get(4)?,
            operation: row.get(5)?,
            started_at: row.get(6)?,
            finished_at: row.get(7)?,
        })
    }
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// The newest run of a sync, webhook runs aside.
            pub async fn latest_run(&self, sync: SyncPk) -> Result<Option<RunRow>, StoreError> {
                self.find(&RUN_LATEST, params![sync])
                    .await?
                    .map(|row| RunRow::from_row(&row))
                    .transpose()
            }

            /// The newest runs of a sync.
            pub async fn runs_of_sync(
                &self,
                sync: SyncPk,
                limit: i64,
            ) -> Result<Vec<RunRow>, StoreError> {
                let rows = self.query(&RUNS_OF_SYNC, params![sync, limit]).await?;
                rows.iter().map(RunRow::from_row).collect()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);

impl Tx {
    /// A run number of a connection: `candidate`, or one above the last if that is higher.
    pub async fn next_run_pk(
        &self,
        connection: ConnectionPk,
        candidate: i64,
    ) -> Result<RunPk, StoreError> {
        let last = self.find(&RUN_LAST_PK, params![connection]).await?;
        let last: i64 = last.map_or(Ok(0), |row| row.get(0))?;
        Ok(RunPk(candidate.max(last + 1)))
    }

    /// Stores a run that begins.
    pub async fn insert_run(&self, new: &NewRun) -> Result<(), StoreError> {
        let values = params![
            new.pk,
            new.environment,
            new.connection,
            new.task,
            new.sync,
            new.function,
            new.sync_type,
            &new.operation,
            new.started_at,
        ];
        self.execute(&RUN_INSERT, values).await.map(|_| ())
    }

    /// Ends a run.
    pub async fn finish_run(
        &self,
        run: RunPk,
        status: &str,
        result: &str,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&RUN_FINISH, params![run, status, result, error, now])
            .await
            .map(|_| ())
    }

    /// Notes which operation tells why syncs of a connection fail, or that they do not.
    pub async fn set_sync_error(
        &self,
        connection: ConnectionPk,
        operation: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(&SYNC_ERROR, params![connection, operation])
            .await
            .map(|_| ())
    }

    /// The run of a task that has not ended.
    pub async fn open_run(&self, task: TaskPk) -> Result<Option<RunRow>, StoreError> {
        self.find(&RUN_OPEN_OF_TASK, params![task])
            .await?
            .map(|row| RunRow::from_row(&row))
            .transpose()
    }

    /// Removes runs that ended before `before`, a few at a time; the last one of each sync stays.
    pub async fn purge_runs(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(&RUN_PURGE, params![before, limit]).await
    }
}
