//! What apps and functions do to syncs: trigger, start, pause, change the frequency (scheduler.md, 3.1 and 3.2).

use serde_json::{Value, json};
use tenon_core::{
    frequency::Frequency,
    names::{
        ConnectionId, ConnectionPk, EnvironmentPk, IntegrationKey, IntegrationPk, SchedulePk,
        SyncPk,
    },
};
use tenon_store::{
    StoreError, Tx,
    work::syncs::{NewSync, ScheduleState, SyncRow, SyncToDrop},
};

use super::{
    enqueue::{Enqueue, TaskNames, enqueue, wake_workers},
    finish,
    kind::TaskKind,
    payload::Payload,
    run::checkpoint_key,
};
use crate::Engine;

/// Syncs changed in one transaction: enough to be quick, few enough to let others in between.
const CHUNK: usize = 200;

/// A sync by name, of one variant or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncName {
    pub name: String,
    /// `base` unless one is named.
    pub variant: String,
}

impl SyncName {
    /// Reads `name` or `name::variant`.
    pub fn parse(text: &str) -> Self {
        let (name, variant) = text.split_once("::").unwrap_or((text, "base"));
        Self {
            name: name.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// Reads a text, or `{name, variant}`.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::parse(text)),
            Value::Object(object) => Some(Self {
                name: object.get("name")?.as_str()?.to_owned(),
                variant: match object.get("variant") {
                    Some(variant) => variant.as_str()?.to_owned(),
                    None => "base".to_owned(),
                },
            }),
            _ => None,
        }
    }

    fn is(&self, row: &SyncRow) -> bool {
        row.name == self.name && row.variant == self.variant
    }
}

/// Which syncs are meant.
#[derive(Clone, Debug)]
pub struct Selection {
    pub environment: EnvironmentPk,
    pub integration: IntegrationKey,
    /// All connections of the integration if none is named.
    pub connection: Option<ConnectionId>,
    /// All if empty.
    pub syncs: Vec<SyncName>,
}

/// How a sync is triggered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Forget the last run and the checkpoints first; a run under way is cancelled.
    pub reset: bool,
    /// Remove all records of the sync's models first. Only with `reset`.
    pub empty_cache: bool,
}

impl Trigger {
    /// From `{reset, emptyCache}`, or the older `sync_mode` text or `full_resync` flag.
    pub fn from_options(options: &Value) -> Self {
        match options {
            Value::Object(object) => {
                let flag = |name| object.get(name).and_then(Value::as_bool).unwrap_or(false);
                Self {
                    reset: flag("reset"),
                    empty_cache: flag("emptyCache"),
                }
            }
            Value::String(mode) => Self {
                reset: mode.starts_with("full_refresh"),
                empty_cache: mode == "full_refresh_and_clear_cache",
            },
            Value::Bool(full) => Self {
                reset: *full,
                empty_cache: false,
            },
            _ => Self::default(),
        }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("no integration `{0}`")]
    UnknownIntegration(IntegrationKey),
    #[error("no connection `{connection}` for integration `{integration}`")]
    UnknownConnection {
        connection: ConnectionId,
        integration: IntegrationKey,
    },
    #[error("no sync of these names is active there")]
    NoSyncs,
    #[error("store failed while changing syncs")]
    Store(#[from] StoreError),
}

/// Status and body of the public API's answer to a command that failed: what functions see of theirs.
pub fn answer(error: &CommandError) -> (u16, Value) {
    let (status, code) = match error {
        CommandError::UnknownIntegration(_) => (400, "unknown_provider_config"),
        CommandError::UnknownConnection { .. } => (404, "unknown_connection"),
        CommandError::NoSyncs => (400, "no_syncs_found"),
        CommandError::Store(_) => (500, "server_error"),
    };
    let body = json!({ "error": { "code": code, "message": error.to_string() } });
    (status, body)
}

/// Runs syncs now, also paused ones. A sync that runs already is left alone, unless it is reset.
pub async fn trigger(
    engine: &Engine,
    selection: &Selection,
    how: Trigger,
) -> Result<(), CommandError> {
    for chunk in find(engine, selection).await?.chunks(CHUNK) {
        unblocked(|| {
            let (inner, syncs) = (engine.clone(), chunk.to_vec());
            let integration = selection.integration.clone();
            engine.store.write(move |tx| async move {
                for sync in &syncs {
                    trigger_one(&tx, &inner, &integration, sync, how).await?;
                }
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

async fn trigger_one(
    tx: &Tx,
    engine: &Engine,
    integration: &IntegrationKey,
    sync: &SyncRow,
    how: Trigger,
) -> Result<(), StoreError> {
    let Some(current) = tx
        .find_sync(sync.connection, &sync.name, &sync.variant)
        .await?
    else {
        return Ok(());
    };
    if how.reset {
        if let Some(task) = current.active_task {
            finish::cancel(tx, engine, task, "the sync was reset").await?;
        }
        reset(tx, &current).await?;
    } else if current.active_task.is_some() {
        tracing::debug!(sync.id = %current.id, "sync runs already, trigger ignored");
        return Ok(());
    }
    run_now(
        tx,
        engine,
        integration,
        &current,
        how.reset && how.empty_cache,
    )
    .await
}

/// Forgets that the sync ever ran: its last date and its checkpoints, those of deletion tracking too.
async fn reset(tx: &Tx, sync: &SyncRow) -> Result<(), StoreError> {
    tx.forget_last_sync(sync.pk).await?;
    let key = checkpoint_key("sync", &sync.name, Some(&sync.variant));
    let tracking = format!("{key}:trackDeletes:");
    tx.delete_checkpoints(sync.connection, &key, &tracking)
        .await
}

async fn run_now(
    tx: &Tx,
    engine: &Engine,
    integration: &IntegrationKey,
    sync: &SyncRow,
    empty_cache: bool,
) -> Result<(), StoreError> {
    let new = Enqueue {
        kind: TaskKind::Sync,
        environment: sync.environment,
        connection: sync.connection,
        connection_id: &sync.connection_id,
        integration_key: integration.as_str(),
        schedule: Some(sync.schedule),
        title: &title(&sync.name, &sync.variant),
        function: &sync.name,
        payload: &Payload::Sync { empty_cache },
        retry_max: 0,
        idempotency_key: None,
        parent: None,
        begun_until: None,
    };
    let names = TaskNames::new(engine);
    enqueue(tx, engine, engine.clock.now(), &names, new).await?;
    tx.occupy_schedule(sync.schedule, names.task)
        .await
        .map(|_| ())
}

/// A sync's name, with its variant unless that is the base.
pub(crate) fn title(name: &str, variant: &str) -> String {
    if variant == "base" {
        name.to_owned()
    } else {
        format!("{name}::{variant}")
    }
}

/// Starts schedules. What is due by now runs at once.
pub async fn start(engine: &Engine, selection: &Selection) -> Result<(), CommandError> {
    let syncs = find(engine, selection).await?;
    set_state(engine, syncs, ScheduleState::Started).await
}

/// Pauses schedules and cancels what waits or runs for them.
pub async fn pause(engine: &Engine, selection: &Selection) -> Result<(), CommandError> {
    let syncs = find(engine, selection).await?;
    set_state(engine, syncs, ScheduleState::Paused).await
}

async fn set_state(
    engine: &Engine,
    syncs: Vec<SyncRow>,
    state: ScheduleState,
) -> Result<(), CommandError> {
    for chunk in syncs.chunks(CHUNK) {
        let syncs = chunk.to_vec();
        unblocked(|| {
            let (inner, syncs) = (engine.clone(), syncs.clone());
            engine.store.write(move |tx| async move {
                for sync in &syncs {
                    set_state_of_one(&tx, &inner, sync, state).await?;
                }
                wake_workers(&tx, &inner);
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

async fn set_state_of_one(
    tx: &Tx,
    engine: &Engine,
    sync: &SyncRow,
    state: ScheduleState,
) -> Result<(), StoreError> {
    if state != ScheduleState::Paused {
        return tx.set_schedule_state(sync.schedule, state).await;
    }
    let active = || async {
        let current = tx
            .find_sync(sync.connection, &sync.name, &sync.variant)
            .await?;
        Ok::<_, StoreError>(current.and_then(|sync| sync.active_task))
    };
    if let Some(task) = active().await? {
        tx.lock_task(task).await?;
    }
    tx.set_schedule_state(sync.schedule, state).await?;
    if let Some(task) = active().await? {
        finish::cancel(tx, engine, task, "the sync was paused").await?;
    }
    Ok(())
}

/// Times that a change is tried when the database ends its transaction because of somebody else's (a deadlock).
const TRIES: usize = 5;

/// Runs a transaction again as long as it was ended for the sake of another one.
async fn unblocked<F>(mut transaction: impl FnMut() -> F) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let mut tries = 1;
    loop {
        match transaction().await {
            Err(error) if error.is_transient() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

/// The syncs that a selection means; an error if there are none.
async fn find(engine: &Engine, selection: &Selection) -> Result<Vec<SyncRow>, CommandError> {
    let reader = engine.reader();
    let key = selection.integration.as_str();
    let integration = reader
        .find_integration(selection.environment, key)
        .await?
        .ok_or_else(|| CommandError::UnknownIntegration(selection.integration.clone()))?;
    let rows = match &selection.connection {
        Some(id) => {
            let connection = reader
                .find_connection(selection.environment, key, id.as_str())
                .await?
                .ok_or_else(|| CommandError::UnknownConnection {
                    connection: id.clone(),
                    integration: selection.integration.clone(),
                })?;
            reader.syncs_of_connection(connection.pk).await?
        }
        None => reader.syncs_of_integration(integration.pk).await?,
    };
    let wanted: Vec<SyncRow> = rows
        .into_iter()
        .filter(|row| selection.syncs.is_empty() || selection.syncs.iter().any(|name| name.is(row)))
        .collect();
    if wanted.is_empty() {
        return Err(CommandError::NoSyncs);
    }
    Ok(wanted)
}

/// Why a frequency was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FrequencyChangeError {
    #[error("no such connection")]
    UnknownConnection,
    #[error("no such sync on this connection")]
    UnknownSync,
    #[error("store failed while changing a frequency")]
    Store(#[from] StoreError),
}

/// Sets the frequency of a sync of one connection, or goes back to the function's own. Returns the text that now holds.
pub async fn set_frequency(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: &ConnectionId,
    sync: &SyncName,
    frequency: Option<Frequency>,
) -> Result<String, FrequencyChangeError> {
    let found = engine
        .reader()
        .find_connection(environment, integration.as_str(), connection.as_str())
        .await?
        .ok_or(FrequencyChangeError::UnknownConnection)?;
    let (inner, sync, now) = (engine.clone(), sync.clone(), engine.clock.now());
    engine
        .store
        .write(move |tx| async move {
            let row = tx
                .find_sync(found.pk, &sync.name, &sync.variant)
                .await?
                .ok_or(FrequencyChangeError::UnknownSync)?;
            let own = row.runs.clone().unwrap_or_default();
            let (shown, interval) = match &frequency {
                Some(frequency) => (frequency.to_string(), Some(frequency.interval())),
                None => (
                    own.clone(),
                    Frequency::parse(&own).ok().map(|own| own.interval()),
                ),
            };
            let stored = frequency.as_ref().map(|_| shown.as_str());
            tx.set_frequency_override(row.pk, stored).await?;
            if let Some(interval) = interval.filter(|interval| *interval != row.frequency) {
                let next = row.grid(interval).next_after_change(row.next_at, now);
                tx.set_schedule_frequency(row.schedule, interval, next)
                    .await?;
                wake_workers(&tx, &inner);
            }
            Ok(shown)
        })
        .await
}

/// Creates the base variant of a sync for a connection, unless it is there. Due now.
pub(crate) async fn create_sync(
    tx: &Tx,
    engine: &Engine,
    new: &CreateSync<'_>,
) -> Result<String, StoreError> {
    let now = engine.clock.now();
    let interval = match Frequency::parse(new.runs) {
        Ok(frequency) => frequency.interval(),
        // Refused at deploy; whatever got here before that rule runs daily.
        Err(_) => std::time::Duration::from_secs(24 * 3_600),
    };
    let id = engine.ids.uuid4().to_string();
    let state = if new.auto_start {
        ScheduleState::Started
    } else {
        ScheduleState::Paused
    };
    let sync = NewSync {
        pk: SyncPk(engine.ids.int()),
        id: id.clone(),
        schedule: SchedulePk(engine.ids.int()),
        environment: new.environment,
        connection: new.connection,
        name: new.name.to_owned(),
        variant: new.variant.to_owned(),
        frequency: interval,
        state,
        created_at: now,
    };
    tx.insert_sync(&sync).await?;
    wake_workers(tx, engine);
    Ok(id)
}

/// A sync to create.
pub(crate) struct CreateSync<'a> {
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub name: &'a str,
    pub variant: &'a str,
    pub runs: &'a str,
    pub auto_start: bool,
}

/// Deletes a sync, its schedule and the task that waits or runs for it.
pub(crate) async fn drop_sync(
    tx: &Tx,
    engine: &Engine,
    sync: SyncToDrop,
    reason: &'static str,
) -> Result<(), StoreError> {
    if let Some(task) = sync.active_task {
        tx.lock_task(task).await?;
    }
    tx.delete_sync(sync.sync, engine.clock.now()).await?;
    if let Some(task) = sync.active_task {
        finish::cancel(tx, engine, task, reason).await?;
    }
    Ok(())
}

/// Creates the base syncs of a function for all connections that lack it, a few at a time.
pub(crate) async fn create_missing(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: IntegrationPk,
    name: &str,
    runs: &str,
    auto_start: bool,
) -> Result<u64, StoreError> {
    let mut created = 0;
    loop {
        let (inner, name, runs) = (engine.clone(), name.to_owned(), runs.to_owned());
        let made = engine
            .store
            .write(move |tx| async move {
                let connections = tx
                    .connections_without_sync(integration, &name, CHUNK as i64)
                    .await?;
                for connection in &connections {
                    let new = CreateSync {
                        environment,
                        connection: *connection,
                        name: &name,
                        variant: "base",
                        runs: &runs,
                        auto_start,
                    };
                    create_sync(&tx, &inner, &new).await?;
                }
                Ok::<_, StoreError>(connections.len())
            })
            .await?;
        created += made as u64;
        if made < CHUNK {
            return Ok(created);
        }
    }
}

/// Puts the schedules of a function on another interval, variants too; not those with a frequency of their own.
pub(crate) async fn change_frequency(
    engine: &Engine,
    integration: IntegrationPk,
    name: &str,
    interval: std::time::Duration,
) -> Result<(), StoreError> {
    let syncs = engine.reader().syncs_of_function(integration, name).await?;
    let changed: Vec<SyncRow> = syncs
        .into_iter()
        .filter(|sync| sync.frequency_override.is_none() && sync.frequency != interval)
        .collect();
    for chunk in changed.chunks(CHUNK) {
        let (inner, syncs) = (engine.clone(), chunk.to_vec());
        engine
            .store
            .write(move |tx| async move {
                let now = inner.clock.now();
                for sync in &syncs {
                    let next = sync.grid(interval).next_after_change(sync.next_at, now);
                    tx.set_schedule_frequency(sync.schedule, interval, next)
                        .await?;
                }
                wake_workers(&tx, &inner);
                Ok::<_, StoreError>(())
            })
            .await?;
    }
    Ok(())
}

/// Deletes all syncs of a function that is gone, a few at a time.
pub(crate) async fn drop_all(
    engine: &Engine,
    integration: IntegrationPk,
    name: &str,
) -> Result<(), StoreError> {
    loop {
        let (inner, name) = (engine.clone(), name.to_owned());
        let dropped = engine
            .store
            .write(move |tx| async move {
                let syncs = tx.syncs_to_drop(integration, &name, CHUNK as i64).await?;
                for sync in &syncs {
                    drop_sync(&tx, &inner, *sync, "the function was deleted").await?;
                }
                Ok::<_, StoreError>(syncs.len())
            })
            .await?;
        if dropped < CHUNK {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SyncName, Trigger};

    #[test]
    fn names_have_three_forms() {
        let name = |name: &str, variant: &str| {
            Some(SyncName {
                name: name.to_owned(),
                variant: variant.to_owned(),
            })
        };
        assert_eq!(SyncName::from_json(&json!("rec")), name("rec", "base"));
        assert_eq!(SyncName::from_json(&json!("rec::v1")), name("rec", "v1"));
        let object = json!({ "name": "rec", "variant": "v1" });
        assert_eq!(SyncName::from_json(&object), name("rec", "v1"));
        assert_eq!(
            SyncName::from_json(&json!({ "name": "rec" })),
            name("rec", "base")
        );
        assert_eq!(SyncName::from_json(&json!(4)), None);
        assert_eq!(
            SyncName::from_json(&json!({ "name": "rec", "variant": 4 })),
            None
        );
    }

    #[test]
    fn older_options_mean_the_same() {
        let trigger = |reset, empty_cache| Trigger { reset, empty_cache };
        let cases = [
            (json!(null), trigger(false, false)),
            (json!({ "reset": true }), trigger(true, false)),
            (
                json!({ "reset": true, "emptyCache": true }),
                trigger(true, true),
            ),
            (json!("incremental"), trigger(false, false)),
            (json!("full_refresh"), trigger(true, false)),
            (json!("full_refresh_and_clear_cache"), trigger(true, true)),
            (json!(true), trigger(true, false)),
        ];
        for (options, expected) in cases {
            assert_eq!(Trigger::from_options(&options), expected, "{options}");
        }
    }
}
