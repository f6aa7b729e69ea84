//! How syncs stand (scheduler.md, 3.1).

use serde_json::Value;
use tenon_core::{
    Timestamp,
    names::{ConnectionId, ConnectionPk, EnvironmentPk, IntegrationKey},
};
use tenon_store::{
    Reader, StoreError,
    work::{
        runs::RunRow,
        syncs::{ScheduleState, SyncRow},
    },
};

use super::{commands::SyncName, run::checkpoint_key};
use crate::Engine;

/// One sync as it stands.
#[derive(Clone, Debug)]
pub struct SyncStatus {
    pub id: String,
    pub connection_id: String,
    pub name: String,
    pub variant: String,
    /// `RUNNING`, `PAUSED`, `ERROR`, `SUCCESS` or `STOPPED`.
    pub status: &'static str,
    pub frequency: Option<String>,
    /// When it runs next, if it is started.
    pub next_at: Option<Timestamp>,
    pub latest_run: Option<LatestRun>,
    /// Live records per model, in the order of the models.
    pub record_counts: Vec<(String, i64)>,
    /// Null if there is none.
    pub checkpoint: Value,
}

/// The newest run of a sync.
#[derive(Clone, Debug)]
pub struct LatestRun {
    /// `INITIAL` or `INCREMENTAL`.
    pub sync_type: String,
    /// `RUNNING`, `SUCCESS` or `STOPPED`.
    pub status: String,
    /// `{Model: {added, updated, deleted}}`
    pub result: Value,
    pub finished_at: Timestamp,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("Connection not found")]
    UnknownConnection,
    #[error("store failed while reading syncs")]
    Store(#[from] StoreError),
}

/// How the named syncs stand, all of them if no name is given; of one connection or of all. Unknown names and
/// integrations simply have none.
pub async fn status(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: Option<&ConnectionId>,
    names: Option<&[SyncName]>,
) -> Result<Vec<SyncStatus>, StatusError> {
    let reader = engine.reader();
    let key = integration.as_str();
    let rows = match connection {
        Some(id) => {
            let connection = reader
                .find_connection(environment, key, id.as_str())
                .await?
                .ok_or(StatusError::UnknownConnection)?;
            reader.syncs_of_connection(connection.pk).await?
        }
        None => match reader.find_integration(environment, key).await? {
            Some(integration) => reader.syncs_of_integration(integration.pk).await?,
            None => Vec::new(),
        },
    };
    let mut statuses = Vec::new();
    for row in wanted(&rows, names) {
        statuses.push(one(&reader, row).await?);
    }
    Ok(statuses)
}

/// The rows of the given names, name by name.
fn wanted<'a>(rows: &'a [SyncRow], names: Option<&[SyncName]>) -> Vec<&'a SyncRow> {
    let Some(names) = names else {
        return rows.iter().collect();
    };
    names
        .iter()
        .flat_map(|name| {
            rows.iter()
                .filter(move |row| row.name == name.name && row.variant == name.variant)
        })
        .collect()
}

async fn one(reader: &Reader, row: &SyncRow) -> Result<SyncStatus, StoreError> {
    let latest = reader.latest_run(row.pk).await?;
    let status = word(row.state, latest.as_ref());
    Ok(SyncStatus {
        id: row.id.clone(),
        connection_id: row.connection_id.clone(),
        name: row.name.clone(),
        variant: row.variant.clone(),
        status,
        frequency: row.frequency_override.clone().or_else(|| row.runs.clone()),
        next_at: (row.state == ScheduleState::Started).then_some(row.next_at),
        latest_run: latest.map(LatestRun::from),
        record_counts: counts(reader, row.connection, &row.models).await?,
        checkpoint: checkpoint(reader, row).await?,
    })
}

fn word(state: ScheduleState, latest: Option<&RunRow>) -> &'static str {
    let last = latest.map(|run| run.status.as_str());
    match (state, last) {
        (_, Some("RUNNING")) => "RUNNING",
        (ScheduleState::Paused, _) => "PAUSED",
        (ScheduleState::Started, Some("STOPPED")) => "ERROR",
        (ScheduleState::Started, _) => "SUCCESS",
        (ScheduleState::Deleted, _) => "STOPPED",
    }
}

/// Records of the base variant, as in the reference.
async fn counts(
    reader: &Reader,
    connection: ConnectionPk,
    models: &[String],
) -> Result<Vec<(String, i64)>, StoreError> {
    let counts = reader.model_counts(connection).await?;
    Ok(models
        .iter()
        .map(|model| (model.clone(), counts.get(model).copied().unwrap_or(0)))
        .collect())
}

async fn checkpoint(reader: &Reader, row: &SyncRow) -> Result<Value, StoreError> {
    let key = checkpoint_key("sync", &row.name, Some(&row.variant));
    let stored = reader.checkpoint(row.connection, &key).await?;
    Ok(stored
        .value
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

impl From<RunRow> for LatestRun {
    fn from(run: RunRow) -> Self {
        Self {
            finished_at: run.finished_at.unwrap_or(run.started_at),
            result: serde_json::from_str(&run.result).unwrap_or_default(),
            sync_type: run.sync_type,
            status: run.status,
        }
    }
}
