//! Syncs (connection × function name × variant) and their schedules.

use std::{collections::HashMap, time::Duration};

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk, SchedulePk, SyncPk, TaskPk},
    schedule::Grid,
};

use super::dialect;
use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! sync_columns {
    () => {
        "SELECT s.pk, s.id, s.environment_pk, s.connection_pk, c.connection_id, s.name, s.variant,
            s.frequency_override, s.last_sync_at_us, sc.pk, sc.state, sc.starts_at_us, sc.frequency_us, sc.next_at_us,
            sc.active_task_pk, f.models, f.runs, f.sync_type
        FROM sync s
        JOIN schedule sc ON sc.sync_pk = s.pk
        JOIN connection c ON c.pk = s.connection_pk AND c.deleted_at_us IS NULL
        JOIN function f ON f.integration_pk = c.integration_pk AND f.kind = 'sync' AND f.name = s.name AND f.active
        "
    };
}

crate::statements! {
    SYNC_INSERT = "
        INSERT INTO sync (pk, id, environment_pk, connection_pk, name, variant, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    SCHEDULE_INSERT = "
        INSERT INTO schedule (pk, environment_pk, sync_pk, state, starts_at_us, frequency_us, next_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $5)";
    SYNC_FIND = concat!(sync_columns!(), "
        WHERE s.connection_pk = $1 AND s.name = $2 AND s.variant = $3 AND s.deleted_at_us IS NULL");
    SYNCS_OF_CONNECTION = concat!(sync_columns!(), "
        WHERE s.connection_pk = $1 AND s.deleted_at_us IS NULL ORDER BY s.name, s.created_at_us, s.pk");
    SYNCS_OF_INTEGRATION = concat!(sync_columns!(), "
        WHERE c.integration_pk = $1 AND s.deleted_at_us IS NULL
        ORDER BY s.name, c.created_at_us, c.pk, s.created_at_us, s.pk");
    SYNCS_OF_FUNCTION = concat!(sync_columns!(), "
        WHERE c.integration_pk = $1 AND s.name = $2 AND s.deleted_at_us IS NULL
        ORDER BY c.created_at_us, c.pk, s.created_at_us, s.pk");
    CONNECTIONS_WITHOUT_SYNC = "
        SELECT c.pk FROM connection c
        WHERE c.integration_pk = $1 AND c.deleted_at_us IS NULL AND NOT EXISTS (
            SELECT 1 FROM sync s
            WHERE s.connection_pk = c.pk AND s.name = $2 AND s.variant = 'base' AND s.deleted_at_us IS NULL)
        ORDER BY c.pk LIMIT $3";
    CONNECTION_COUNT = "
        SELECT COUNT(*) FROM connection WHERE integration_pk = $1 AND deleted_at_us IS NULL";
    SYNCS_TO_DROP = "
        SELECT s.pk, sc.active_task_pk
        FROM sync s JOIN schedule sc ON sc.sync_pk = s.pk JOIN connection c ON c.pk = s.connection_pk
        WHERE c.integration_pk = $1 AND s.name = $2 AND s.deleted_at_us IS NULL ORDER BY s.pk LIMIT $3";
    SYNCS_TO_DROP_OF_CONNECTION = "
        SELECT s.pk, sc.active_task_pk FROM sync s JOIN schedule sc ON sc.sync_pk = s.pk
        WHERE s.connection_pk = $1 AND s.deleted_at_us IS NULL ORDER BY s.pk";
    MODEL_COUNTS = "SELECT model, records FROM model_head WHERE connection_pk = $1";
    SYNC_DELETE = "UPDATE sync SET deleted_at_us = $2 WHERE pk = $1 AND deleted_at_us IS NULL";
    SCHEDULE_DELETE = "UPDATE schedule SET state = 'DELETED', active_task_pk = NULL WHERE sync_pk = $1";
    SCHEDULE_STATE = "UPDATE schedule SET state = $2 WHERE pk = $1 AND state <> 'DELETED'";
    SCHEDULE_FREQUENCY = "UPDATE schedule SET frequency_us = $2, next_at_us = $3 WHERE pk = $1";
    SYNC_OVERRIDE = "UPDATE sync SET frequency_override = $2 WHERE pk = $1";
    SYNC_FORGET = "UPDATE sync SET last_sync_at_us = NULL WHERE pk = $1";
    SYNC_DONE = "UPDATE sync SET last_sync_at_us = $2 WHERE pk = $1";
    SCHEDULE_NEXT = "
        SELECT next_at_us FROM schedule WHERE state = 'STARTED' AND active_task_pk IS NULL
        ORDER BY next_at_us LIMIT 1";
    SCHEDULE_TAKE = "
        UPDATE schedule SET active_task_pk = $2 WHERE pk = $1 AND active_task_pk IS NULL AND state <> 'DELETED'";
    SCHEDULE_GRID = "
        SELECT starts_at_us, frequency_us FROM schedule WHERE pk = $1 AND active_task_pk = $2";
    SCHEDULE_RELEASE = "
        UPDATE schedule SET active_task_pk = NULL, next_at_us = $3 WHERE pk = $1 AND active_task_pk = $2";
    MODELS_LEFT = "
        SELECT h.connection_pk, h.model
        FROM connection c JOIN model_head h ON h.connection_pk = c.pk
        WHERE c.deleted_at_us IS NOT NULL LIMIT $1";
    SCHEDULE_PURGE = "
        DELETE FROM schedule WHERE pk IN (
            SELECT sc.pk FROM schedule sc JOIN sync s ON s.pk = sc.sync_pk
            WHERE s.deleted_at_us < $1
                AND NOT EXISTS (SELECT 1 FROM task t WHERE t.schedule_pk = sc.pk)
            ORDER BY s.deleted_at_us LIMIT $2)";
    SYNC_PURGE = "
        DELETE FROM sync WHERE pk IN (
            SELECT s.pk FROM sync s
            WHERE s.deleted_at_us < $1 AND NOT EXISTS (SELECT 1 FROM schedule sc WHERE sc.sync_pk = s.pk)
            ORDER BY s.deleted_at_us LIMIT $2)";
}

/// State of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleState {
    Started,
    Paused,
    Deleted,
}

impl ScheduleState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Deleted => "DELETED",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "STARTED" => Some(Self::Started),
            "PAUSED" => Some(Self::Paused),
            "DELETED" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// A sync with its schedule, due at once.
#[derive(Clone, Debug)]
pub struct NewSync {
    pub pk: SyncPk,
    pub id: String,
    pub schedule: SchedulePk,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub name: String,
    pub variant: String,
    pub frequency: Duration,
    pub state: ScheduleState,
    pub created_at: Timestamp,
}

/// A sync, its schedule, and what its active function says about it.
#[derive(Clone, Debug)]
pub struct SyncRow {
    pub pk: SyncPk,
    pub id: String,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub connection_id: String,
    pub name: String,
    pub variant: String,
    pub frequency_override: Option<String>,
    pub last_sync_at: Option<Timestamp>,
    pub schedule: SchedulePk,
    pub state: ScheduleState,
    pub starts_at: Timestamp,
    pub frequency: Duration,
    pub next_at: Timestamp,
    pub active_task: Option<TaskPk>,
    pub models: Vec<String>,
    /// The function's own frequency text.
    pub runs: Option<String>,
    pub sync_type: Option<String>,
}

impl SyncRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let pk: SyncPk = row.get(0)?;
        let corrupt = |column| StoreError::Corrupt {
            table: "schedule",
            column,
            row: pk.to_string(),
        };
        let state: String = row.get(10)?;
        let models: String = row.get(15)?;
        Ok(Self {
            pk,
            id: row.get(1)?,
            environment: row.get(2)?,
            connection: row.get(3)?,
            connection_id: row.get(4)?,
            name: row.get(5)?,
            variant: row.get(6)?,
            frequency_override: row.get(7)?,
            last_sync_at: row.get(8)?,
            schedule: row.get(9)?,
            state: ScheduleState::parse(&state).ok_or_else(|| corrupt("state"))?,
            starts_at: row.get(11)?,
            frequency: interval(row.get(12)?),
            next_at: row.get(13)?,
            active_task: row.get(14)?,
            models: serde_json::from_str(&models).map_err(|_| corrupt("models"))?,
            runs: row.get(16)?,
            sync_type: row.get(17)?,
        })
    }

    /// The grid its schedule is on, with another interval.
    pub const fn grid(&self, interval: Duration) -> Grid {
        Grid {
            starts_at: self.starts_at,
            interval,
        }
    }
}

/// A schedule that is due.
#[derive(Clone, Debug)]
pub struct DueSchedule {
    pub schedule: SchedulePk,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub sync: String,
    pub variant: String,
    pub connection_id: String,
    pub integration_key: String,
}

/// A sync to delete, with what hangs on it.
#[derive(Clone, Copy, Debug)]
pub struct SyncToDrop {
    pub sync: SyncPk,
    pub active_task: Option<TaskPk>,
}

fn interval(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn micros(interval: Duration) -> i64 {
    i64::try_from(interval.as_micros()).unwrap_or(i64::MAX)
}

fn to_drop(row: &Row) -> Result<SyncToDrop, StoreError> {
    Ok(SyncToDrop {
        sync: row.get(0)?,
        active_task: row.get(1)?,
    })
}

fn rows(rows: &[Row]) -> Result<Vec<SyncRow>, StoreError> {
    rows.iter().map(SyncRow::from_row).collect()
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// One sync of a connection.
            pub async fn find_sync(
                &self,
                connection: ConnectionPk,
                name: &str,
                variant: &str,
            ) -> Result<Option<SyncRow>, StoreError> {
                self.find(&SYNC_FIND, params![connection, name, variant])
                    .await?
                    .map(|row| SyncRow::from_row(&row))
                    .transpose()
            }

            /// All syncs of a connection, by name.
            pub async fn syncs_of_connection(
                &self,
                connection: ConnectionPk,
            ) -> Result<Vec<SyncRow>, StoreError> {
                rows(
                    &self
                        .query(&SYNCS_OF_CONNECTION, params![connection])
                        .await?,
                )
            }

            /// All syncs of an integration, by name and age of the connection.
            pub async fn syncs_of_integration(
                &self,
                integration: IntegrationPk,
            ) -> Result<Vec<SyncRow>, StoreError> {
                rows(
                    &self
                        .query(&SYNCS_OF_INTEGRATION, params![integration])
                        .await?,
                )
            }

            /// The syncs of one function over all connections, variants included.
            pub async fn syncs_of_function(
                &self,
                integration: IntegrationPk,
                name: &str,
            ) -> Result<Vec<SyncRow>, StoreError> {
                rows(
                    &self
                        .query(&SYNCS_OF_FUNCTION, params![integration, name])
                        .await?,
                )
            }

            /// How many connections an integration has.
            pub async fn connection_count(
                &self,
                integration: IntegrationPk,
            ) -> Result<i64, StoreError> {
                self.get(&CONNECTION_COUNT, params![integration])
                    .await?
                    .get(0)
            }

            /// Models (full names) of connections that were deleted.
            pub async fn models_left_behind(
                &self,
                limit: i64,
            ) -> Result<Vec<(ConnectionPk, String)>, StoreError> {
                let rows = self.query(&MODELS_LEFT, params![limit]).await?;
                rows.iter()
                    .map(|row| Ok((row.get(0)?, row.get(1)?)))
                    .collect()
            }

            /// Live records per full model name of a connection.
            pub async fn model_counts(
                &self,
                connection: ConnectionPk,
            ) -> Result<HashMap<String, i64>, StoreError> {
                let rows = self.query(&MODEL_COUNTS, params![connection]).await?;
                rows.iter()
                    .map(|row| Ok((row.get(0)?, row.get(1)?)))
                    .collect()
            }

            /// When the next schedule is due that has no task.
            pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
                self.find(&SCHEDULE_NEXT, params![])
                    .await?
                    .map(|row| row.get(0))
                    .transpose()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);

impl Tx {
    /// Stores a sync and its schedule.
    pub async fn insert_sync(&self, new: &NewSync) -> Result<(), StoreError> {
        let values = params![
            new.pk,
            &new.id,
            new.environment,
            new.connection,
            &new.name,
            &new.variant,
            new.created_at,
        ];
        self.execute(&SYNC_INSERT, values).await?;
        let values = params![
            new.schedule,
            new.environment,
            new.pk,
            new.state.as_str(),
            new.created_at,
            micros(new.frequency),
        ];
        self.execute(&SCHEDULE_INSERT, values).await.map(|_| ())
    }

    /// Connections of an integration that lack the base variant of a sync.
    pub async fn connections_without_sync(
        &self,
        integration: IntegrationPk,
        name: &str,
        limit: i64,
    ) -> Result<Vec<ConnectionPk>, StoreError> {
        let rows = self
            .query(&CONNECTIONS_WITHOUT_SYNC, params![integration, name, limit])
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Syncs of a function, whether it is still active or not.
    pub async fn syncs_to_drop(
        &self,
        integration: IntegrationPk,
        name: &str,
        limit: i64,
    ) -> Result<Vec<SyncToDrop>, StoreError> {
        let rows = self
            .query(&SYNCS_TO_DROP, params![integration, name, limit])
            .await?;
        rows.iter().map(to_drop).collect()
    }

    /// All syncs of a connection, whether their functions are still active or not.
    pub async fn syncs_to_drop_of_connection(
        &self,
        connection: ConnectionPk,
    ) -> Result<Vec<SyncToDrop>, StoreError> {
        let rows = self
            .query(&SYNCS_TO_DROP_OF_CONNECTION, params![connection])
            .await?;
        rows.iter().map(to_drop).collect()
    }

    /// Deletes a sync and its schedule; the caller cancels the schedule's task.
    pub async fn delete_sync(&self, sync: SyncPk, now: Timestamp) -> Result<(), StoreError> {
        self.execute(&SYNC_DELETE, params![sync, now]).await?;
        self.execute(&SCHEDULE_DELETE, params![sync])
            .await
            .map(|_| ())
    }

    /// Starts or pauses a schedule.
    pub async fn set_schedule_state(
        &self,
        schedule: SchedulePk,
        state: ScheduleState,
    ) -> Result<(), StoreError> {
        self.execute(&SCHEDULE_STATE, params![schedule, state.as_str()])
            .await
            .map(|_| ())
    }

    /// Changes the interval and the due time that follows from it.
    pub async fn set_schedule_frequency(
        &self,
        schedule: SchedulePk,
        frequency: Duration,
        next_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            &SCHEDULE_FREQUENCY,
            params![schedule, micros(frequency), next_at],
        )
        .await
        .map(|_| ())
    }

    /// Sets or removes the frequency of one connection.
    pub async fn set_frequency_override(
        &self,
        sync: SyncPk,
        frequency: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(&SYNC_OVERRIDE, params![sync, frequency])
            .await
            .map(|_| ())
    }

    /// Forgets that a sync ever ran.
    pub async fn forget_last_sync(&self, sync: SyncPk) -> Result<(), StoreError> {
        self.execute(&SYNC_FORGET, params![sync]).await.map(|_| ())
    }

    /// Notes the start of the last successful run.
    pub async fn set_last_sync(
        &self,
        sync: SyncPk,
        started_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&SYNC_DONE, params![sync, started_at])
            .await
            .map(|_| ())
    }

    /// Schedules that are due and have no task, longest due first, locked against other nodes.
    pub async fn due_schedules(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<DueSchedule>, StoreError> {
        let rows = self
            .query(&dialect::SCHEDULES_DUE, params![now, limit])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(DueSchedule {
                    schedule: row.get(0)?,
                    environment: row.get(1)?,
                    connection: row.get(2)?,
                    sync: row.get(3)?,
                    variant: row.get(4)?,
                    connection_id: row.get(5)?,
                    integration_key: row.get(6)?,
                })
            })
            .collect()
    }

    /// Gives a schedule its task; false if it has one already.
    pub async fn occupy_schedule(
        &self,
        schedule: SchedulePk,
        task: TaskPk,
    ) -> Result<bool, StoreError> {
        Ok(self
            .execute(&SCHEDULE_TAKE, params![schedule, task])
            .await?
            == 1)
    }

    /// The grid of a schedule that `task` occupies.
    pub async fn occupied_grid(
        &self,
        schedule: SchedulePk,
        task: TaskPk,
    ) -> Result<Option<Grid>, StoreError> {
        let Some(row) = self.find(&SCHEDULE_GRID, params![schedule, task]).await? else {
            return Ok(None);
        };
        Ok(Some(Grid {
            starts_at: row.get(0)?,
            interval: interval(row.get(1)?),
        }))
    }

    /// Takes the ended task off its schedule and sets the next start.
    pub async fn release_schedule(
        &self,
        schedule: SchedulePk,
        task: TaskPk,
        next_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&SCHEDULE_RELEASE, params![schedule, task, next_at])
            .await
            .map(|_| ())
    }

    /// Removes syncs and schedules deleted before `before`, a few at a time.
    pub async fn purge_deleted_syncs(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let schedules = self
            .execute(&SCHEDULE_PURGE, params![before, limit])
            .await?;
        let syncs = self.execute(&SYNC_PURGE, params![before, limit]).await?;
        Ok(schedules + syncs)
    }
}
