//! What a run is about, in one look: connection, integration, environment, the active function, the sync.

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, FunctionPk, IntegrationPk, SchedulePk, SyncPk},
};

use super::functions::list;
use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! subject_columns {
    () => {
        "SELECT c.pk, c.connection_id, c.provider, i.pk, i.unique_key, e.pk, e.uuid, e.name,
            e.on_sync_completion_always, e.on_sync_error, e.on_async_action_completion,
            f.pk, f.kind, f.name, f.version, f.bundle_hash, f.models, f.features, f.sync_type, f.track_deletes,
            f.enabled, f.sdk_version"
    };
}

crate::statements! {
    SUBJECT_OF_CONNECTION = concat!(subject_columns!(), "
        FROM connection c
        JOIN integration i ON i.pk = c.integration_pk
        JOIN environment e ON e.pk = c.environment_pk
        LEFT JOIN function f ON f.integration_pk = i.pk AND f.kind = $2 AND f.name = $3 AND f.active
        WHERE c.pk = $1 AND c.deleted_at_us IS NULL");
    SUBJECT_OF_NAMES = concat!(subject_columns!(), "
        FROM integration i
        JOIN connection c ON c.integration_pk = i.pk AND c.connection_id = $3 AND c.deleted_at_us IS NULL
        JOIN environment e ON e.pk = i.environment_pk
        LEFT JOIN function f ON f.integration_pk = i.pk AND f.kind = $4 AND f.name = $5 AND f.active
        WHERE i.environment_pk = $1 AND i.unique_key = $2 AND i.deleted_at_us IS NULL");
    SUBJECT_OF_SCHEDULE = concat!(subject_columns!(), ",
            s.pk, s.id, s.name, s.variant, s.last_sync_at_us
        FROM schedule sc
        JOIN sync s ON s.pk = sc.sync_pk
        JOIN connection c ON c.pk = s.connection_pk AND c.deleted_at_us IS NULL
        JOIN integration i ON i.pk = c.integration_pk
        JOIN environment e ON e.pk = c.environment_pk
        LEFT JOIN function f ON f.integration_pk = i.pk AND f.kind = 'sync' AND f.name = s.name AND f.active
        WHERE sc.pk = $1 AND s.deleted_at_us IS NULL");
    SUBJECT_OF_BASE_SYNC = concat!(subject_columns!(), ",
            s.pk, s.id, s.name, s.variant, s.last_sync_at_us
        FROM connection c
        JOIN sync s ON s.connection_pk = c.pk AND s.name = $2 AND s.variant = 'base' AND s.deleted_at_us IS NULL
        JOIN integration i ON i.pk = c.integration_pk
        JOIN environment e ON e.pk = c.environment_pk
        LEFT JOIN function f ON f.integration_pk = i.pk AND f.kind = 'sync' AND f.name = s.name AND f.active
        WHERE c.pk = $1 AND c.deleted_at_us IS NULL");
}

/// Connection, integration and environment, with the switches that decide which webhooks go out.
#[derive(Clone, Debug)]
pub struct Subject {
    pub connection: ConnectionPk,
    pub connection_id: String,
    pub provider: String,
    pub integration: IntegrationPk,
    pub integration_key: String,
    pub environment: EnvironmentPk,
    pub environment_uuid: String,
    pub environment_name: String,
    pub on_sync_completion_always: bool,
    pub on_sync_error: bool,
    pub on_async_action_completion: bool,
    /// The active function of the name that was asked for.
    pub function: Option<SubjectFunction>,
    /// The sync that was asked for.
    pub sync: Option<SubjectSync>,
}

/// What running a function needs.
#[derive(Clone, Debug)]
pub struct SubjectFunction {
    pub pk: FunctionPk,
    pub kind: String,
    pub name: String,
    pub version: String,
    pub bundle_hash: String,
    pub models: Vec<String>,
    pub features: Vec<String>,
    pub sync_type: Option<String>,
    pub track_deletes: bool,
    pub enabled: bool,
    pub sdk_version: Option<String>,
}

/// What running a sync needs.
#[derive(Clone, Debug)]
pub struct SubjectSync {
    pub pk: SyncPk,
    pub id: String,
    pub name: String,
    pub variant: String,
    pub last_sync_at: Option<Timestamp>,
}

impl Subject {
    fn from_row(row: &Row, with_sync: bool) -> Result<Self, StoreError> {
        Ok(Self {
            connection: row.get(0)?,
            connection_id: row.get(1)?,
            provider: row.get(2)?,
            integration: row.get(3)?,
            integration_key: row.get(4)?,
            environment: row.get(5)?,
            environment_uuid: row.get(6)?,
            environment_name: row.get(7)?,
            on_sync_completion_always: row.get(8)?,
            on_sync_error: row.get(9)?,
            on_async_action_completion: row.get(10)?,
            function: SubjectFunction::from_row(row)?,
            sync: if with_sync {
                Some(SubjectSync::from_row(row)?)
            } else {
                None
            },
        })
    }
}

impl SubjectFunction {
    fn from_row(row: &Row) -> Result<Option<Self>, StoreError> {
        let Some(pk) = row.get::<Option<FunctionPk>>(11)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            pk,
            kind: row.get(12)?,
            name: row.get(13)?,
            version: row.get(14)?,
            bundle_hash: row.get(15)?,
            models: list(row, 16, pk, "models")?,
            features: list(row, 17, pk, "features")?,
            sync_type: row.get(18)?,
            track_deletes: row.get(19)?,
            enabled: row.get(20)?,
            sdk_version: row.get(21)?,
        }))
    }
}

impl SubjectSync {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(22)?,
            id: row.get(23)?,
            name: row.get(24)?,
            variant: row.get(25)?,
            last_sync_at: row.get(26)?,
        })
    }
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// A connection with its active function of that kind and name.
            pub async fn subject_of_connection(
                &self,
                connection: ConnectionPk,
                kind: &str,
                function: &str,
            ) -> Result<Option<Subject>, StoreError> {
                self.find(&SUBJECT_OF_CONNECTION, params![connection, kind, function])
                    .await?
                    .map(|row| Subject::from_row(&row, false))
                    .transpose()
            }

            /// The same, by the names that users give.
            pub async fn subject_of_names(
                &self,
                environment: EnvironmentPk,
                integration: &str,
                connection: &str,
                kind: &str,
                function: &str,
            ) -> Result<Option<Subject>, StoreError> {
                let names = params![environment, integration, connection, kind, function];
                self.find(&SUBJECT_OF_NAMES, names)
                    .await?
                    .map(|row| Subject::from_row(&row, false))
                    .transpose()
            }

            /// The sync of a schedule, with its active function.
            pub async fn subject_of_schedule(
                &self,
                schedule: SchedulePk,
            ) -> Result<Option<Subject>, StoreError> {
                self.find(&SUBJECT_OF_SCHEDULE, params![schedule])
                    .await?
                    .map(|row| Subject::from_row(&row, true))
                    .transpose()
            }

            /// The base variant of a sync of a connection, with its active function.
            pub async fn subject_of_base_sync(
                &self,
                connection: ConnectionPk,
                sync: &str,
            ) -> Result<Option<Subject>, StoreError> {
                self.find(&SUBJECT_OF_BASE_SYNC, params![connection, sync])
                    .await?
                    .map(|row| Subject::from_row(&row, true))
                    .transpose()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);
