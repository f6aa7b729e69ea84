//! Tasks: one thing to do, claimed under a lease with a fence.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, SchedulePk, TaskPk},
};

use super::dialect;
use crate::{Reader, Row, SealContext, StoreError, Tx, params};

crate::statements! {
    TASK_INSERT = "
        INSERT INTO task (pk, id, environment_pk, connection_pk, schedule_pk, kind, group_key, payload, state,
            retry_max, retry_count, retry_key, idempotency_key, starts_after_us, start_by_us, created_at_us,
            started_at_us, lease_owner, lease_expires_at_us, fence, attempt, operation_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $2, $11, $12, $13, $12, $14, $15, $16, $17, 1, $18)
        ON CONFLICT (connection_pk, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";
    GROUPS_WAITING = "
        WITH RECURSIVE waiting (group_key) AS (
            SELECT MIN(group_key) FROM task WHERE state = 'CREATED' AND kind = $1
            UNION ALL
            SELECT (SELECT MIN(t.group_key) FROM task t
                    WHERE t.state = 'CREATED' AND t.kind = $1 AND t.group_key > w.group_key)
            FROM waiting w WHERE w.group_key IS NOT NULL)
        SELECT w.group_key,
            (SELECT COUNT(*) FROM task r WHERE r.state = 'STARTED' AND r.group_key = w.group_key)
        FROM waiting w WHERE w.group_key IS NOT NULL LIMIT $2";
    TASKS_WAITING = "SELECT COUNT(*) FROM (
        SELECT 1 FROM task WHERE state = 'CREATED' AND kind = $1 AND group_key = $2 LIMIT $3) waiting";
    TASK_FINISH = "
        UPDATE task SET state = $3, output = $4, finished_at_us = $5, lease_owner = NULL, lease_expires_at_us = NULL
        WHERE pk = $1 AND fence = $2 AND state IN ('CREATED', 'STARTED')";
    TASK_REQUEUE = "
        UPDATE task SET state = 'CREATED', fence = fence + 1, attempt = $3, retry_count = $4, starts_after_us = $5,
            start_by_us = $6, started_at_us = NULL, lease_owner = NULL, lease_expires_at_us = NULL
        WHERE pk = $1 AND fence = $2 AND state = 'STARTED'";
    TASK_CANCEL = "
        UPDATE task SET state = 'CANCELLED', fence = fence + 1, finished_at_us = $2, lease_owner = NULL,
            lease_expires_at_us = NULL
        WHERE pk = $1 AND state IN ('CREATED', 'STARTED')
        RETURNING pk, id, environment_pk, connection_pk, schedule_pk, kind, state, payload, retry_max, retry_count,
            fence, attempt, operation_id, created_at_us";
    TASKS_OF_CONNECTION = "
        SELECT pk FROM task WHERE connection_pk = $1 AND state IN ('CREATED', 'STARTED')";
    LEASES_EXTEND = "
        UPDATE task SET lease_expires_at_us = $2 WHERE state = 'STARTED' AND lease_owner = $1
        RETURNING pk, fence";
    TASK_RESULT = "
        SELECT pk, environment_pk, connection_pk, state, output FROM task
        WHERE retry_key = $1 AND environment_pk = $2 AND kind = 'action'";
    TASK_OF_KEY = "
        SELECT pk, environment_pk, connection_pk, state, output, id, payload FROM task
        WHERE connection_pk = $1 AND idempotency_key = $2";
    TASK_STATE = "
        SELECT pk, environment_pk, connection_pk, state, output FROM task WHERE pk = $1";
    TASK_FENCE = "SELECT state, fence FROM task WHERE pk = $1";
    NEXT_START_BY = "SELECT start_by_us FROM task WHERE state = 'CREATED' ORDER BY start_by_us LIMIT 1";
    TASKS_PURGE = "
        DELETE FROM task WHERE pk IN (
            SELECT pk FROM task WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2)";
}

/// State of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    Created,
    Started,
    Succeeded,
    Failed,
    Cancelled,
    Expired,
}

impl TaskState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Started => "STARTED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [
            Self::Created,
            Self::Started,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Expired,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// A task to store: waiting, or begun by its creator at once.
#[derive(Clone, Debug)]
pub struct NewTask {
    pub pk: TaskPk,
    /// Also its retry key: the id that fetches an action's result.
    pub id: String,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub schedule: Option<SchedulePk>,
    pub kind: &'static str,
    pub group_key: String,
    /// JSON; sealed on the way in.
    pub payload: Bytes,
    pub retry_max: i64,
    pub idempotency_key: Option<String>,
    pub operation: String,
    pub created_at: Timestamp,
    /// Not begun by then, it expires.
    pub start_by: Timestamp,
    /// Set if the creator runs it itself: its name and until when it has it. The fence is 1 then.
    pub begun_by: Option<(String, Timestamp)>,
}

/// A task that somebody may run or end.
#[derive(Clone, Debug)]
pub struct TaskRow {
    pub pk: TaskPk,
    pub id: String,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub schedule: Option<SchedulePk>,
    pub kind: String,
    /// JSON, opened.
    pub payload: Bytes,
    pub retry_max: i64,
    pub retry_count: i64,
    pub fence: i64,
    pub attempt: i64,
    pub operation: String,
    pub created_at: Timestamp,
}

/// What became of a task.
#[derive(Clone, Debug)]
pub struct TaskResult {
    pub pk: TaskPk,
    pub state: TaskState,
    /// JSON, opened.
    pub output: Option<Bytes>,
}

/// A group with waiting tasks.
#[derive(Clone, Debug)]
pub struct WaitingGroup {
    pub key: String,
    pub running: i64,
}

/// The task that has an idempotency key.
#[derive(Clone, Debug)]
pub struct KeyedTask {
    pub result: TaskResult,
    pub id: String,
    pub payload: Bytes,
}

fn row_key(task: TaskPk) -> String {
    task.to_string()
}

fn payload_context<'a>(
    environment: EnvironmentPk,
    connection: ConnectionPk,
    column: &'static str,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection: Some(connection),
        table: "task",
        column,
        row,
    }
}

impl Tx {
    /// Stores a task; false if its idempotency key is taken.
    pub async fn insert_task(&self, new: &NewTask) -> Result<bool, StoreError> {
        let row = row_key(new.pk);
        let context = payload_context(new.environment, new.connection, "payload", &row);
        let payload = self.seal(context, &new.payload).await?;
        let state = if new.begun_by.is_some() {
            TaskState::Started
        } else {
            TaskState::Created
        };
        let (owner, lease) = new.begun_by.clone().unzip();
        let fence: i64 = if new.begun_by.is_some() { 1 } else { 0 };
        let values = params![
            new.pk,
            &new.id,
            new.environment,
            new.connection,
            new.schedule,
            new.kind,
            &new.group_key,
            payload,
            state.as_str(),
            new.retry_max,
            new.idempotency_key.clone(),
            new.created_at,
            new.start_by,
            new.begun_by.as_ref().map(|_| new.created_at),
            owner,
            lease,
            fence,
            &new.operation,
        ];
        Ok(self.execute(&TASK_INSERT, values).await? == 1)
    }

    /// Takes up to `limit` waiting tasks of a group.
    pub async fn claim_tasks(
        &self,
        kind: &str,
        group: &str,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: i64,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let values = params![kind, group, now, owner, lease_until, limit];
        let rows = self.query(&dialect::TASKS_CLAIM, values).await?;
        let mut tasks = Vec::with_capacity(rows.len());
        for row in &rows {
            tasks.push(self.claimed(row).await?);
        }
        Ok(tasks)
    }

    async fn claimed(&self, row: &Row) -> Result<TaskRow, StoreError> {
        let mut task = TaskRow {
            pk: row.get(0)?,
            id: row.get(1)?,
            environment: row.get(2)?,
            connection: row.get(3)?,
            schedule: row.get(4)?,
            kind: row.get(5)?,
            payload: row.get(6)?,
            retry_max: row.get(7)?,
            retry_count: row.get(8)?,
            fence: row.get(9)?,
            attempt: row.get(10)?,
            operation: row.get(11)?,
            created_at: row.get(12)?,
        };
        self.open_payload(&mut task).await?;
        Ok(task)
    }

    /// Rows with a `state` behind `kind`.
    async fn ended(&self, row: &Row) -> Result<TaskRow, StoreError> {
        let mut task = TaskRow {
            pk: row.get(0)?,
            id: row.get(1)?,
            environment: row.get(2)?,
            connection: row.get(3)?,
            schedule: row.get(4)?,
            kind: row.get(5)?,
            payload: row.get(7)?,
            retry_max: row.get(8)?,
            retry_count: row.get(9)?,
            fence: row.get(10)?,
            attempt: row.get(11)?,
            operation: row.get(12)?,
            created_at: row.get(13)?,
        };
        self.open_payload(&mut task).await?;
        Ok(task)
    }

    async fn open_payload(&self, task: &mut TaskRow) -> Result<(), StoreError> {
        let row = row_key(task.pk);
        let context = payload_context(task.environment, task.connection, "payload", &row);
        task.payload = self.open(context, &task.payload).await?;
        Ok(())
    }

    /// Holds a running task until the end of the transaction; false if the lease went to somebody else, or the task
    /// was ended by somebody else: then nothing may be written in its name.
    pub async fn hold_task(&self, task: TaskPk, fence: i64) -> Result<bool, StoreError> {
        Ok(self
            .find(&dialect::TASK_HOLD, params![task, fence])
            .await?
            .is_some())
    }

    /// Holds a task until the end of the transaction. Whoever ends a task holds it before anything that hangs on it; so
    /// does whoever changes the schedule or the sync of one that may be ending just now, or the two wait for each other.
    pub async fn lock_task(&self, task: TaskPk) -> Result<(), StoreError> {
        self.find(&dialect::TASK_LOCK, params![task])
            .await
            .map(drop)
    }

    /// Ends a task; false if it was not the caller's any more.
    pub async fn finish_task(
        &self,
        task: &TaskRow,
        state: TaskState,
        output: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = row_key(task.pk);
        let output = match output {
            Some(output) => {
                let context = payload_context(task.environment, task.connection, "output", &row);
                Some(self.seal(context, output).await?)
            }
            None => None,
        };
        let values = params![task.pk, task.fence, state.as_str(), output, now];
        Ok(self.execute(&TASK_FINISH, values).await? == 1)
    }

    /// Puts a running task back into the queue under a new fence; false if it was not the caller's any more.
    pub async fn requeue_task(
        &self,
        task: &TaskRow,
        attempt: i64,
        retry_count: i64,
        starts_after: Timestamp,
        start_by: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![
            task.pk,
            task.fence,
            attempt,
            retry_count,
            starts_after,
            start_by
        ];
        Ok(self.execute(&TASK_REQUEUE, values).await? == 1)
    }

    /// Cancels a task that waits or runs; `None` if it had ended. Its runner's fence is void from here on.
    pub async fn cancel_task(
        &self,
        task: TaskPk,
        now: Timestamp,
    ) -> Result<Option<TaskRow>, StoreError> {
        match self.find(&TASK_CANCEL, params![task, now]).await? {
            Some(row) => self.ended(&row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Tasks of a connection that wait or run.
    pub async fn open_tasks_of_connection(
        &self,
        connection: ConnectionPk,
    ) -> Result<Vec<TaskPk>, StoreError> {
        let rows = self
            .query(&TASKS_OF_CONNECTION, params![connection])
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Extends all leases of a node; returns what it still has.
    pub async fn extend_leases(
        &self,
        owner: &str,
        lease_until: Timestamp,
    ) -> Result<Vec<(TaskPk, i64)>, StoreError> {
        let rows = self
            .query(&LEASES_EXTEND, params![owner, lease_until])
            .await?;
        rows.iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect()
    }

    /// Running tasks whose lease is over.
    pub async fn lost_tasks(&self, now: Timestamp, limit: i64) -> Result<Vec<TaskRow>, StoreError> {
        let rows = self
            .query(&dialect::TASKS_LOST, params![now, limit])
            .await?;
        self.all_ended(&rows).await
    }

    /// Running tasks that a node of this name has; at its start: left behind.
    pub async fn owned_tasks(&self, owner: &str, limit: i64) -> Result<Vec<TaskRow>, StoreError> {
        let rows = self
            .query(&dialect::TASKS_OWNED, params![owner, limit])
            .await?;
        self.all_ended(&rows).await
    }

    /// Waiting tasks that were not begun in time.
    pub async fn expired_tasks(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let rows = self
            .query(&dialect::TASKS_EXPIRED, params![now, limit])
            .await?;
        self.all_ended(&rows).await
    }

    async fn all_ended(&self, rows: &[Row]) -> Result<Vec<TaskRow>, StoreError> {
        let mut tasks = Vec::with_capacity(rows.len());
        for row in rows {
            tasks.push(self.ended(row).await?);
        }
        Ok(tasks)
    }

    /// Removes tasks that ended before `before`, a few at a time.
    pub async fn purge_tasks(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(&TASKS_PURGE, params![before, limit]).await
    }
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            async fn task_result(&self, row: &Row) -> Result<TaskResult, StoreError> {
                let pk: TaskPk = row.get(0)?;
                let word: String = row.get(3)?;
                let state = TaskState::parse(&word).ok_or_else(|| StoreError::Corrupt {
                    table: "task",
                    column: "state",
                    row: pk.to_string(),
                })?;
                let output = match row.get::<Option<Bytes>>(4)? {
                    Some(sealed) => {
                        let key = row_key(pk);
                        let context = payload_context(row.get(1)?, row.get(2)?, "output", &key);
                        Some(self.open(context, &sealed).await?)
                    }
                    None => None,
                };
                Ok(TaskResult { pk, state, output })
            }

            /// The task that an action's id names, in its own environment only.
            pub async fn find_action_result(
                &self,
                environment: EnvironmentPk,
                id: &str,
            ) -> Result<Option<TaskResult>, StoreError> {
                match self.find(&TASK_RESULT, params![id, environment]).await? {
                    Some(row) => self.task_result(&row).await.map(Some),
                    None => Ok(None),
                }
            }

            /// How a task stands.
            pub async fn find_task_result(
                &self,
                task: TaskPk,
            ) -> Result<Option<TaskResult>, StoreError> {
                match self.find(&TASK_STATE, params![task]).await? {
                    Some(row) => self.task_result(&row).await.map(Some),
                    None => Ok(None),
                }
            }

            /// The task that has an idempotency key.
            pub async fn find_keyed_task(
                &self,
                connection: ConnectionPk,
                key: &str,
            ) -> Result<Option<KeyedTask>, StoreError> {
                let Some(row) = self.find(&TASK_OF_KEY, params![connection, key]).await? else {
                    return Ok(None);
                };
                let result = self.task_result(&row).await?;
                let row_key = row_key(result.pk);
                let context = payload_context(row.get(1)?, connection, "payload", &row_key);
                Ok(Some(KeyedTask {
                    id: row.get(5)?,
                    payload: self.open(context, &row.get(6)?).await?,
                    result,
                }))
            }

            /// Groups of a kind that have waiting tasks.
            pub async fn waiting_groups(
                &self,
                kind: &str,
                limit: i64,
            ) -> Result<Vec<WaitingGroup>, StoreError> {
                let rows = self.query(&GROUPS_WAITING, params![kind, limit]).await?;
                rows.iter()
                    .map(|row| {
                        Ok(WaitingGroup {
                            key: row.get(0)?,
                            running: row.get(1)?,
                        })
                    })
                    .collect()
            }

            /// How many tasks of a group wait, counted up to `limit`.
            pub async fn waiting_tasks(
                &self,
                kind: &str,
                group: &str,
                limit: i64,
            ) -> Result<i64, StoreError> {
                self.get(&TASKS_WAITING, params![kind, group, limit])
                    .await?
                    .get(0)
            }

            /// Whether a task runs, and under which fence.
            pub async fn task_fence(
                &self,
                task: TaskPk,
            ) -> Result<Option<(bool, i64)>, StoreError> {
                let Some(row) = self.find(&TASK_FENCE, params![task]).await? else {
                    return Ok(None);
                };
                let state: String = row.get(0)?;
                Ok(Some((state == TaskState::Started.as_str(), row.get(1)?)))
            }

            /// When the next waiting task expires.
            pub async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
                self.find(&NEXT_START_BY, params![])
                    .await?
                    .map(|row| row.get(0))
                    .transpose()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);
