//! Functions from source, without a project: compiled, tried out, deployed (cli.md, 4.1).
//!
//! A try and a deployment are jobs: rows that are looked at by id until they have ended. Code of outsiders is compiled on a
//! thread of its own and read and run only in workers.

mod host;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::{
    Timestamp,
    function::{
        BuildFailure, Built, Bundle, Cancel, Entry, FunctionKind, LogLevel, RunContext, RunOutcome,
        RunRequest, SourceCode,
    },
    names::{EnvironmentPk, FunctionPk, TaskPk},
};
use tenon_store::{
    StoreError,
    work::{
        jobs::{JobRow, NewJob},
        subjects::{Subject, SubjectFunction},
        tasks::TaskRow,
    },
};
use tracing::warn;

use self::host::RehearsalHost;
use super::{
    execute::already_stored,
    host::RunHost,
    inline::input_or_empty,
    kind::{STOP_GRACE, TaskKind},
    payload::Payload,
    run::ClaimedRun,
};
use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
};

/// Largest source that is compiled on the server: code that people write in one file is a tenth of it.
pub const SOURCE_BYTES: usize = 256 * 1024;

/// Jobs of one environment that run at a time.
const JOBS: i64 = 20;

/// Longest try: a caller looks at its end.
const LONGEST: Duration = tenon_core::limits::ACTION_RUN;

/// A function to try out.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub environment: EnvironmentPk,
    pub integration: String,
    pub kind: FunctionKind,
    pub code: String,
    pub connection: String,
    pub input: Value,
    pub metadata: Option<Value>,
    pub checkpoint: Option<Value>,
    pub last_sync_date: Option<Timestamp>,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error("no integration `{0}`")]
    UnknownIntegration(String),
    #[error("no connection `{0}`")]
    UnknownConnection(String),
    #[error("too many jobs are under way; wait for one to end")]
    TooMany,
    #[error("store failed while preparing a job")]
    Store(#[from] StoreError),
}

/// How a job stands.
#[derive(Clone, Debug)]
pub struct JobState {
    pub row: JobRow,
    /// What was asked for.
    pub request: Value,
    /// `{result, output, error, duration_ms, ...}` once it has ended.
    pub ended: Value,
}

/// How a job ended.
pub struct JobEnd {
    pub succeeded: bool,
    /// Members of the answer.
    pub members: Value,
}

/// Tries a function out in the background; returns the job.
pub async fn rehearse(engine: &Engine, rehearsal: Rehearsal) -> Result<JobRow, RehearsalError> {
    let reader = engine.reader();
    let unknown = || RehearsalError::UnknownIntegration(rehearsal.integration.clone());
    reader
        .find_integration(rehearsal.environment, &rehearsal.integration)
        .await?
        .ok_or_else(unknown)?;
    let subject = reader
        .subject_of_names(
            rehearsal.environment,
            &rehearsal.integration,
            &rehearsal.connection,
            rehearsal.kind.as_str(),
            "",
        )
        .await?
        .ok_or_else(|| RehearsalError::UnknownConnection(rehearsal.connection.clone()))?;
    let request = json!({
        "integration_id": rehearsal.integration,
        "function_type": rehearsal.kind.as_str(),
        "connection_id": rehearsal.connection,
    });
    let environment = rehearsal.environment;
    let inner = engine.clone();
    start(engine, environment, "dryrun", request, async move {
        run(&inner, subject, rehearsal).await
    })
    .await
}

/// Stores a job and does it in the background.
pub async fn start(
    engine: &Engine,
    environment: EnvironmentPk,
    kind: &'static str,
    request: Value,
    work: impl Future<Output = JobEnd> + Send + 'static,
) -> Result<JobRow, RehearsalError> {
    let now = engine.clock.now();
    let new = NewJob {
        id: engine.ids.uuid7().to_string(),
        environment,
        kind,
        request: request.to_string().into(),
        created_at: now,
    };
    let since = now.minus(LONGEST + STOP_GRACE);
    let row = engine
        .store
        .write(move |tx| async move {
            if tx.open_jobs(environment, since).await? >= JOBS {
                return Ok::<_, StoreError>(None);
            }
            tx.insert_job(&new).await.map(Some)
        })
        .await?
        .ok_or(RehearsalError::TooMany)?;
    let (inner, job) = (engine.clone(), row.clone());
    tokio::spawn(async move { perform(&inner, &job, work).await });
    Ok(row)
}

async fn perform(engine: &Engine, job: &JobRow, work: impl Future<Output = JobEnd>) {
    let begun = job.clone();
    let marked = engine
        .store
        .write(move |tx| async move { tx.begin_job(&begun).await })
        .await;
    let started = engine.clock.monotonic();
    let end = match marked {
        Ok(()) => tokio::select! {
            end = work => end,
            () = engine.clock.sleep(LONGEST + STOP_GRACE) => failed("timeout", "it took too long", Value::Null),
        },
        Err(error) => failed("server_error", &said(&error), Value::Null),
    };
    let took = engine.clock.monotonic().saturating_sub(started);
    let mut members = end.members;
    members["duration_ms"] = json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let state = if end.succeeded { "success" } else { "failed" };
    let (job, now) = (job.clone(), engine.clock.now());
    let stored: Result<(), StoreError> = engine
        .store
        .write(move |tx| async move {
            let ended = members.to_string();
            tx.finish_job(&job, state, ended.as_bytes(), now).await
        })
        .await;
    if let Err(error) = stored {
        warn!(%error, "the end of a job could not be stored");
    }
}

fn said(error: &StoreError) -> String {
    warn!(%error, "a job could not begin");
    "the platform could not begin it; try again".to_owned()
}

/// The end of a job that failed.
pub fn failed(code: &str, message: &str, payload: Value) -> JobEnd {
    let mut error = json!({ "code": code, "message": message });
    if !payload.is_null() {
        error["payload"] = payload;
    }
    JobEnd {
        succeeded: false,
        members: json!({ "error": error }),
    }
}

/// A job by its id. One whose node died is told as failed when its time is over.
pub async fn find(
    engine: &Engine,
    environment: EnvironmentPk,
    kind: &str,
    id: &str,
) -> Result<Option<JobState>, StoreError> {
    let reader = engine.reader();
    let Some((mut row, request, ended)) = reader.find_job(environment, kind, id).await? else {
        return Ok(None);
    };
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
    let mut ended: Value = ended.as_deref().map(json).unwrap_or_default();
    let over = row.created_at.plus(LONGEST + STOP_GRACE + STOP_GRACE);
    if row.finished_at.is_none() && engine.clock.now() > over {
        "failed".clone_into(&mut row.state);
        ended = failed("timeout", "its node stopped before it ended", Value::Null).members;
    }
    Ok(Some(JobState {
        request: json(&request),
        row,
        ended,
    }))
}

/// The function built from source, or the end of a job that could not build it.
pub async fn built(engine: &Engine, source: SourceCode) -> Result<Built, JobEnd> {
    engine.runner.build(source).await.map_err(|failure| {
        let code = match failure {
            BuildFailure::Unavailable => "execution_environment_unavailable",
            BuildFailure::Rejected(_) => "compilation_error",
        };
        failed(code, &failure.to_string(), Value::Null)
    })
}

async fn run(engine: &Engine, subject: Subject, rehearsal: Rehearsal) -> JobEnd {
    let source = SourceCode {
        environment: rehearsal.environment,
        integration: rehearsal.integration.clone(),
        name: "dryrun".to_owned(),
        typescript: rehearsal.code.clone(),
    };
    let built = match built(engine, source).await {
        Ok(built) => built,
        Err(end) => return end,
    };
    if built.kind != rehearsal.kind {
        let message = format!(
            "the code is of a function of type `{}`, not `{}`",
            built.kind.as_str(),
            rehearsal.kind.as_str()
        );
        return failed("validation_error", &message, Value::Null);
    }
    let operation = match begin_operation(engine, &subject).await {
        Ok(operation) => operation,
        Err(error) => return failed("server_error", &said(&error), Value::Null),
    };
    let (request, real) = prepared(engine, subject, &rehearsal, &built, &operation);
    let host = Arc::new(RehearsalHost::new(
        real,
        rehearsal.metadata,
        rehearsal.checkpoint,
    ));
    let outcome = engine
        .runner
        .run(
            request,
            Arc::clone(&host) as Arc<dyn tenon_core::function::Host>,
        )
        .await;
    let mut end = match outcome {
        RunOutcome::Succeeded { output } => JobEnd {
            succeeded: true,
            members: json!({ "output": serde_json::from_slice::<Value>(&output).unwrap_or_default() }),
        },
        RunOutcome::Failed(failure) => failed(
            "dryrun_error",
            &failure.message,
            json!({ "type": failure.kind, "payload": failure.payload }),
        ),
        RunOutcome::Crashed { detail } => failed("dryrun_error", &detail, Value::Null),
    };
    end.members["result"] = host.result();
    close_operation(engine, &operation, &end).await;
    end
}

async fn begin_operation(engine: &Engine, subject: &Subject) -> Result<String, StoreError> {
    let operation = NewOperation::new(subject.environment, OperationKind::Action, "dry run").about(
        &subject.integration_key,
        &subject.connection_id,
        Some(subject.connection),
    );
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move { inner.operations.start(&tx, operation).await })
        .await
}

async fn close_operation(engine: &Engine, operation: &str, end: &JobEnd) {
    let (inner, operation) = (engine.clone(), operation.to_owned());
    let state = if end.succeeded {
        OperationState::Success
    } else {
        OperationState::Failed
    };
    let error = end.members["error"]["message"].as_str().map(str::to_owned);
    let closed: Result<(), StoreError> = engine
        .store
        .write(move |tx| async move {
            inner
                .operations
                .set(&tx, &operation, state, error.as_deref())
                .await
        })
        .await;
    if let Err(error) = closed {
        warn!(%error, "the operation of a dry run could not be closed");
    }
}

/// A run that has no task: its host never lets it write.
fn prepared(
    engine: &Engine,
    subject: Subject,
    rehearsal: &Rehearsal,
    built: &Built,
    operation: &str,
) -> (RunRequest, RunHost) {
    let now = engine.clock.now();
    let bundle = Bundle::new(built.javascript.as_str());
    let is_sync = rehearsal.kind == FunctionKind::Sync;
    let kind = if is_sync {
        TaskKind::Sync
    } else {
        TaskKind::Action
    };
    let input = input_or_empty(rehearsal.input.clone());
    let payload = Payload::Action {
        function: "dryrun".to_owned(),
        input: Value::Null,
        asynchronous: false,
    };
    let function = SubjectFunction {
        pk: FunctionPk(0),
        kind: rehearsal.kind.as_str().to_owned(),
        name: "dryrun".to_owned(),
        version: String::new(),
        bundle_hash: bundle.hash.clone(),
        models: built.models.clone(),
        features: Vec::new(),
        sync_type: None,
        track_deletes: false,
        enabled: true,
        sdk_version: None,
    };
    let task = TaskRow {
        pk: TaskPk(engine.ids.int()),
        id: operation.to_owned(),
        environment: subject.environment,
        connection: subject.connection,
        schedule: None,
        kind: kind.as_str().to_owned(),
        payload: payload.to_bytes(),
        retry_max: 0,
        retry_count: 0,
        fence: 0,
        attempt: 1,
        operation: operation.to_owned(),
        created_at: now,
    };
    let cancel = Cancel::default();
    let mut limits = kind.limits();
    limits.run = LONGEST;
    let request = RunRequest {
        environment: subject.environment,
        kind: rehearsal.kind,
        bundle,
        entry: if is_sync {
            Entry::Sync
        } else {
            Entry::Action { input }
        },
        context: RunContext {
            connection_id: subject.connection_id.clone(),
            provider_config_key: subject.integration_key.clone(),
            provider: subject.provider.clone(),
            environment_id: subject.environment.0,
            environment_name: subject.environment_name.clone(),
            account_id: 1,
            activity_log_id: operation.to_owned(),
            function: "dryrun".to_owned(),
            variant: "base".to_owned(),
            nango_connection_id: Some(subject.connection.0),
            last_sync_date: rehearsal.last_sync_date,
            models: built.models.clone(),
            log_level: LogLevel::Debug,
            ..RunContext::default()
        },
        limits,
        cancel: cancel.clone(),
    };
    let run = ClaimedRun {
        task,
        kind,
        payload,
        subject,
        function,
        sync: None,
        log_level: LogLevel::Debug,
        started_at: now,
    };
    let real = RunHost::new(
        engine.clone(),
        run,
        cancel,
        already_stored(),
        Arc::new(AtomicBool::new(false)),
        0,
    );
    (request, real)
}
