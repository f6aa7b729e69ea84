//! A claimed task: what it is about, looked up once when it begins.

use std::sync::Arc;

use serde_json::Value;
use tenon_core::{
    Timestamp,
    function::{Bundle, Cancel, Entry, LogLevel, ModelCounts, RunContext, RunFailure, RunRequest},
    names::RunPk,
};
use tenon_store::{
    StoreError, Tx,
    work::{
        runs::NewRun,
        subjects::{Subject, SubjectFunction, SubjectSync},
        tasks::TaskRow,
    },
};

use super::{
    kind::TaskKind,
    payload::{Payload, failure},
};
use crate::{Engine, operations::OperationState, records::Writer};

/// The variable that sets the lowest level of log lines (functions.md, 2.7).
const LOG_LEVEL_VARIABLE: &str = "NANGO_LOGGER_LEVEL";

/// A task on its way.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedRun {
    pub task: TaskRow,
    pub kind: TaskKind,
    pub payload: Payload,
    pub subject: Subject,
    pub function: SubjectFunction,
    pub sync: Option<SyncRun>,
    pub log_level: LogLevel,
    pub started_at: Timestamp,
}

/// What only runs of syncs have.
#[derive(Clone, Debug)]
pub(crate) struct SyncRun {
    pub run: RunPk,
    pub sync: SubjectSync,
}

/// What a run left behind, whatever its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// Models of the version that ran.
    pub models: Option<Vec<String>>,
    /// Rows that this run changed.
    pub counts: ModelCounts,
    /// First and last checkpoint that the run knew, if it asked for one.
    pub checkpoints: Option<(Value, Value)>,
    /// Whether it may hold locks.
    pub locks: bool,
    /// Who wrote its records.
    pub writer: Option<Arc<Writer>>,
}

/// A task that cannot begin, and why.
pub(crate) struct Refused {
    pub task: TaskRow,
    pub failure: RunFailure,
}

/// Looks up what a claimed task is about and notes the run; in the transaction that claims it.
pub(crate) async fn begin(
    tx: &Tx,
    engine: &Engine,
    task: TaskRow,
    now: Timestamp,
) -> Result<Result<ClaimedRun, Box<Refused>>, StoreError> {
    let payload = Payload::read(&task)?;
    let (kind, subject) = match &payload {
        Payload::Sync { .. } => {
            let subject = match task.schedule {
                Some(schedule) => tx.subject_of_schedule(schedule).await?,
                None => None,
            };
            (TaskKind::Sync, subject)
        }
        Payload::Webhook { function, .. } => (
            TaskKind::Webhook,
            tx.subject_of_base_sync(task.connection, function).await?,
        ),
        Payload::Action { function, .. } => (
            TaskKind::Action,
            tx.subject_of_connection(task.connection, "action", function)
                .await?,
        ),
        Payload::OnEvent { function, .. } => (
            TaskKind::OnEvent,
            tx.subject_of_connection(task.connection, "on-event", function)
                .await?,
        ),
    };
    let refused = |task, failure| Ok(Err(Box::new(Refused { task, failure })));
    let Some(subject) = subject else {
        return refused(
            task,
            failure("not_found", "the connection or its sync is gone"),
        );
    };
    let Some(function) = subject.function.clone() else {
        return refused(task, failure("not_found", "the function is gone"));
    };
    if !function.enabled {
        let name = &function.name;
        let text = format!("`{name}` is disabled");
        return refused(task, failure("disabled_resource", text));
    }
    let sync = match &subject.sync {
        Some(sync) => {
            let run = tx.next_run_pk(subject.connection, engine.ids.int()).await?;
            let run = NewRun {
                pk: run,
                environment: task.environment,
                connection: task.connection,
                task: task.pk,
                sync: sync.pk,
                function: function.pk,
                sync_type: job_type(kind, &function, sync),
                operation: task.operation.clone(),
                started_at: now,
            };
            tx.insert_run(&run).await?;
            Some(SyncRun {
                run: run.pk,
                sync: sync.clone(),
            })
        }
        None => None,
    };
    engine
        .operations
        .set(tx, &task.operation, OperationState::Running, None)
        .await?;
    let level = tx
        .find_variable(task.environment, LOG_LEVEL_VARIABLE)
        .await?;
    Ok(Ok(ClaimedRun {
        kind,
        payload,
        subject,
        function,
        sync,
        log_level: level.map_or(LogLevel::Warn, |word| log_level(word.expose())),
        started_at: now,
        task,
    }))
}

/// `INCREMENTAL` only where the function says so and has run before (scheduler.md, 3).
fn job_type(kind: TaskKind, function: &SubjectFunction, sync: &SubjectSync) -> &'static str {
    if kind == TaskKind::Webhook {
        return "WEBHOOK";
    }
    let incremental = function.sync_type.as_deref() == Some("incremental");
    if incremental && sync.last_sync_at.is_some() {
        "INCREMENTAL"
    } else {
        "INITIAL"
    }
}

pub(crate) fn log_level(word: &str) -> LogLevel {
    match word.to_ascii_lowercase().as_str() {
        "debug" | "verbose" | "silly" => LogLevel::Debug,
        "info" | "http" => LogLevel::Info,
        "error" => LogLevel::Error,
        "off" => LogLevel::Off,
        _ => LogLevel::Warn,
    }
}

impl ClaimedRun {
    /// What the runtime is asked to do.
    pub(crate) fn request(&self, bundle: Arc<str>, cancel: Cancel) -> RunRequest {
        let (entry, empty_cache) = match &self.payload {
            Payload::Sync { empty_cache } => (Entry::Sync, *empty_cache),
            Payload::Action { input, .. } => (
                Entry::Action {
                    input: input.clone(),
                },
                false,
            ),
            Payload::Webhook { payload, .. } => (
                Entry::Webhook {
                    payload: payload.clone(),
                },
                false,
            ),
            Payload::OnEvent { .. } => (Entry::OnEvent, false),
        };
        let sync = self.sync.as_ref();
        RunRequest {
            environment: self.subject.environment,
            kind: self.kind.function_kind(),
            bundle: Bundle {
                hash: self.function.bundle_hash.clone(),
                javascript: bundle,
            },
            entry,
            context: RunContext {
                connection_id: self.subject.connection_id.clone(),
                provider_config_key: self.subject.integration_key.clone(),
                provider: self.subject.provider.clone(),
                environment_id: self.subject.environment.0,
                environment_name: self.subject.environment_name.clone(),
                // There is one account per installation.
                account_id: 1,
                activity_log_id: self.task.operation.clone(),
                function: self.function.name.clone(),
                variant: sync.map_or_else(|| "base".to_owned(), |sync| sync.sync.variant.clone()),
                sync_id: sync.map(|sync| sync.sync.id.clone()),
                sync_job_id: sync.map(|sync| sync.run.0),
                nango_connection_id: Some(self.subject.connection.0),
                last_sync_date: sync.and_then(|sync| sync.sync.last_sync_at),
                models: self.function.models.clone(),
                log_level: self.log_level,
                track_deletes: self.function.track_deletes,
                empty_cache,
                ..RunContext::default()
            },
            limits: self.kind.limits(),
            cancel,
        }
    }

    /// Key of the function's checkpoint on its connection (functions.md, 2.10).
    pub(crate) fn checkpoint_key(&self) -> String {
        let variant = self.sync.as_ref().map(|sync| sync.sync.variant.as_str());
        checkpoint_key(self.kind.as_str(), &self.function.name, variant)
    }
}

/// `<type>:<function>[:<variant>]`.
pub(crate) fn checkpoint_key(kind: &str, function: &str, variant: Option<&str>) -> String {
    match variant {
        Some(variant) if variant != "base" => format!("{kind}:{function}:{variant}"),
        _ => format!("{kind}:{function}"),
    }
}

/// The JavaScript of a function, from memory if it ran lately.
pub(crate) async fn javascript(
    engine: &Engine,
    function: &SubjectFunction,
) -> Result<Arc<str>, StoreError> {
    let hash = &function.bundle_hash;
    if let Some(javascript) = engine.work.bundle(hash) {
        return Ok(javascript);
    }
    let javascript =
        engine
            .reader()
            .find_bundle(hash)
            .await?
            .ok_or_else(|| StoreError::Corrupt {
                table: "bundle",
                column: "hash",
                row: hash.clone(),
            })?;
    engine.work.keep_bundle(hash, &javascript);
    Ok(javascript)
}
