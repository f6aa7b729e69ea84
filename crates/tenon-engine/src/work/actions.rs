//! Actions: triggered and awaited, or queued with a result to fetch (scheduler.md, 4).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tenon_core::{
    function::RunFailure,
    names::{ConnectionId, EnvironmentPk, IntegrationKey, TaskPk},
};
use tenon_store::{
    StoreError,
    work::{
        subjects::{Subject, SubjectFunction},
        tasks::{TaskResult, TaskState},
    },
};
use uuid::Uuid;

use super::{
    enqueue::{Enqueue, TaskNames, enqueue},
    finish::Ended,
    inline::{self, Answer, Inline, input_or_empty},
    kind::{STOP_GRACE, TaskKind},
    payload::{Output, Payload},
};
use crate::Engine;

/// Longest wait for a place among the actions of an environment (functions.md, 4.3).
const WAIT_FOR_PLACE: Duration = Duration::from_secs(30);

/// Most asynchronous actions of an environment that may wait (scheduler.md, 7).
const MAX_WAITING: i64 = 10_000;

/// How often somebody who waits for another node's result looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One call of an action.
#[derive(Clone, Debug)]
pub struct ActionCall {
    pub environment: EnvironmentPk,
    pub integration: IntegrationKey,
    pub connection: ConnectionId,
    pub action: String,
    /// Null, false, 0 and the empty text reach the function as `{}` (functions.md, 4.2).
    pub input: Value,
    /// Only the first call with a key runs; later ones get its answer.
    pub idempotency_key: Option<String>,
}

/// The run that calls an action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within {
    pub operation: Option<String>,
    pub depth: u32,
}

/// Why an action gave no output.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("no connection `{connection}` for integration `{integration}`")]
    UnknownConnection {
        connection: ConnectionId,
        integration: IntegrationKey,
    },
    #[error("no action `{action}` for integration `{integration}`")]
    UnknownAction {
        action: String,
        integration: IntegrationKey,
    },
    #[error("the action `{action}` is disabled")]
    Disabled { action: String },
    #[error("an action with this idempotency key had another input")]
    KeyReused,
    #[error("too many actions of this environment are running or waiting")]
    TooMany,
    #[error("the action `{action}` failed: {}", failure.message)]
    Failed {
        action: String,
        failure: Box<RunFailure>,
    },
    #[error("the action was cut off before it ended: {0}")]
    Interrupted(String),
    #[error("store failed while running an action")]
    Store(#[from] StoreError),
}

/// What became of an asynchronous action.
#[derive(Debug)]
pub enum ActionResult {
    /// Unknown, or not yet ended.
    Pending,
    /// JSON text of the output.
    Output(Bytes),
    Failed(ActionError),
}

/// Runs an action and waits for its output (JSON text).
pub async fn trigger(engine: &Engine, call: ActionCall) -> Result<Bytes, ActionError> {
    trigger_within(engine, call, Within::default()).await
}

/// Runs an action for a function that waits for it. It takes no place of its own: the caller has one, and a caller that
/// waited for a second could wait for ever.
pub(crate) async fn trigger_within(
    engine: &Engine,
    call: ActionCall,
    within: Within,
) -> Result<Bytes, ActionError> {
    let (subject, function) = find(engine, &call).await?;
    let action = call.action.clone();
    let payload = Payload::Action {
        function: call.action,
        input: input_or_empty(call.input),
        asynchronous: false,
    };
    let connection = subject.connection;
    let key = call.idempotency_key.map(|key| row_key(&action, &key));
    if let Some(key) = &key
        && let Some(keyed) = engine.reader().find_keyed_task(connection, key).await?
    {
        return follow(engine, keyed, &payload, action).await;
    }
    let _place = match within.depth {
        0 => Some(place(engine, call.environment).await?),
        _ => None,
    };
    let inline = Inline {
        kind: TaskKind::Action,
        subject,
        function,
        payload: payload.clone(),
        idempotency_key: key.clone(),
        parent: within.operation,
        depth: within.depth,
    };
    // Boxed: an action may call an action.
    match Box::pin(inline::run(engine, inline)).await? {
        Answer::Ended(ended) => output(ended, action),
        Answer::KeyTaken => {
            let key = key.unwrap_or_default();
            let keyed = engine.reader().find_keyed_task(connection, &key).await?;
            let keyed = keyed.ok_or_else(|| {
                ActionError::Interrupted("the first call with this key is gone".to_owned())
            })?;
            follow(engine, keyed, &payload, action).await
        }
    }
}

/// Queues an action; the id fetches its result.
pub async fn trigger_async(
    engine: &Engine,
    call: ActionCall,
    max_retries: u32,
) -> Result<Uuid, ActionError> {
    let (subject, function) = find(engine, &call).await?;
    let names = TaskNames::new(engine);
    let key = call
        .idempotency_key
        .map(|key| row_key(&function.name, &key));
    let payload = Payload::Action {
        function: call.action,
        input: input_or_empty(call.input),
        asynchronous: true,
    };
    let inner = engine.clone();
    let id = engine
        .store
        .write(move |tx| async move {
            let group = TaskKind::Action.group(subject.environment);
            let waiting = tx
                .waiting_tasks(TaskKind::Action.as_str(), &group, MAX_WAITING)
                .await?;
            if waiting >= MAX_WAITING {
                return Err(ActionError::TooMany);
            }
            let new = Enqueue {
                kind: TaskKind::Action,
                environment: subject.environment,
                connection: subject.connection,
                connection_id: &subject.connection_id,
                integration_key: &subject.integration_key,
                schedule: None,
                title: &function.name,
                function: &function.name,
                payload: &payload,
                retry_max: i64::from(max_retries),
                idempotency_key: key.clone(),
                parent: None,
                begun_until: None,
            };
            if enqueue(&tx, &inner, inner.clock.now(), &names, new).await? {
                return Ok(names.id);
            }
            let keyed = tx
                .find_keyed_task(subject.connection, &key.unwrap_or_default())
                .await?
                .ok_or(StoreError::Missing {
                    statement: "task that has the key",
                })?;
            if keyed.payload != payload.to_bytes() {
                return Err(ActionError::KeyReused);
            }
            Ok(keyed.id)
        })
        .await?;
    id.parse().map_err(|_| {
        ActionError::Store(StoreError::Corrupt {
            table: "task",
            column: "id",
            row: id,
        })
    })
}

/// Result of an asynchronous action.
pub async fn result(
    engine: &Engine,
    environment: EnvironmentPk,
    id: Uuid,
) -> Result<ActionResult, StoreError> {
    let found = engine
        .reader()
        .find_action_result(environment, &id.to_string())
        .await?;
    let Some(output) = found.as_ref().and_then(ended) else {
        return Ok(ActionResult::Pending);
    };
    Ok(match output {
        Ok(Output::Value(json)) => ActionResult::Output(json),
        Ok(Output::Failure(failure)) => ActionResult::Failed(ActionError::Failed {
            action: id.to_string(),
            failure: Box::new(failure),
        }),
        Err(reason) => ActionResult::Failed(ActionError::Interrupted(reason)),
    })
}

/// HTTP status and body of an error (functions.md, 3): for callers over HTTP, and for functions, which see the answer
/// that the SDK would have got.
pub fn answer(error: &ActionError) -> (u16, Value) {
    let plain = |status: u16, code: &str| {
        let body = json!({ "error": { "code": code, "message": error.to_string() } });
        (status, body)
    };
    match error {
        ActionError::UnknownConnection { .. } => plain(400, "unknown_connection"),
        ActionError::UnknownAction { .. } => plain(404, "not_found"),
        ActionError::Disabled { .. } => plain(404, "disabled_resource"),
        ActionError::KeyReused => plain(409, "idempotency_key_reused"),
        ActionError::TooMany => plain(429, "too_many_request"),
        ActionError::Interrupted(_) => plain(500, "action_script_failure"),
        ActionError::Store(_) => plain(500, "internal_server_error"),
        ActionError::Failed { failure, .. } if failure.kind == "script_http_error" => {
            http_failure(failure)
        }
        ActionError::Failed { failure, .. } => {
            let mut body = Map::new();
            body.insert("message".to_owned(), json!(error.to_string()));
            body.insert("code".to_owned(), json!(failure.kind));
            body.insert("payload".to_owned(), failure.payload.clone());
            if let Some(additional) = &failure.additional_properties {
                let additional = Value::Object(additional.clone());
                body.insert("additional_properties".to_owned(), additional);
            }
            let status = match failure.kind.as_str() {
                "script_api_rate_limit_error" => 424,
                _ => failure.status,
            };
            (status, json!({ "error": body }))
        }
    }
}

/// The provider's answer made the action fail: 424, with that answer inside.
fn http_failure(failure: &RunFailure) -> (u16, Value) {
    let upstream = failure
        .additional_properties
        .as_ref()
        .and_then(|additional| additional.get("upstream_response"));
    let body = json!({ "error": {
        "payload": failure.payload,
        "code": failure.kind,
        "upstream": upstream,
    } });
    (424, body)
}

async fn find(
    engine: &Engine,
    call: &ActionCall,
) -> Result<(Subject, SubjectFunction), ActionError> {
    let subject = engine
        .reader()
        .subject_of_names(
            call.environment,
            call.integration.as_str(),
            call.connection.as_str(),
            "action",
            &call.action,
        )
        .await?
        .ok_or_else(|| ActionError::UnknownConnection {
            connection: call.connection.clone(),
            integration: call.integration.clone(),
        })?;
    let Some(function) = subject.function.clone() else {
        return Err(ActionError::UnknownAction {
            action: call.action.clone(),
            integration: call.integration.clone(),
        });
    };
    if !function.enabled {
        return Err(ActionError::Disabled {
            action: call.action.clone(),
        });
    }
    Ok((subject, function))
}

async fn place(
    engine: &Engine,
    environment: EnvironmentPk,
) -> Result<tokio::sync::OwnedSemaphorePermit, ActionError> {
    let places = engine.work.action_places(environment);
    if let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() {
        return Ok(place);
    }
    tokio::select! {
        place = places.acquire_owned() => place.map_err(|_| ActionError::TooMany),
        () = engine.clock.sleep(WAIT_FOR_PLACE) => Err(ActionError::TooMany),
    }
}

/// Idempotency keys belong to one action of one connection.
fn row_key(action: &str, key: &str) -> String {
    format!("{action}\n{key}")
}

fn output(ended: Ended, action: String) -> Result<Bytes, ActionError> {
    match ended {
        Ended::Succeeded(output) => Ok(output),
        Ended::Failed(failure) => Err(ActionError::Failed {
            action,
            failure: Box::new(failure),
        }),
        Ended::Crashed(detail) => Err(ActionError::Interrupted(detail)),
        Ended::Interrupted | Ended::Lost | Ended::Expired | Ended::Cancelled(_) => {
            Err(ActionError::Interrupted("it was stopped".to_owned()))
        }
    }
}

/// The answer of the first call with a key, as soon as there is one.
async fn follow(
    engine: &Engine,
    keyed: tenon_store::work::tasks::KeyedTask,
    payload: &Payload,
    action: String,
) -> Result<Bytes, ActionError> {
    if keyed.payload != payload.to_bytes() {
        return Err(ActionError::KeyReused);
    }
    match wait(engine, keyed.result).await? {
        Ok(Output::Value(json)) => Ok(json),
        Ok(Output::Failure(failure)) => Err(ActionError::Failed {
            action,
            failure: Box::new(failure),
        }),
        Err(reason) => Err(ActionError::Interrupted(reason)),
    }
}

async fn wait(engine: &Engine, first: TaskResult) -> Result<Result<Output, String>, StoreError> {
    let task: TaskPk = first.pk;
    if let Some(output) = ended(&first) {
        return Ok(output);
    }
    let limit = engine
        .clock
        .now()
        .plus(TaskKind::Action.run_limit() + STOP_GRACE);
    while engine.clock.now() < limit {
        let finished = engine.signals.finished.notified();
        tokio::pin!(finished);
        finished.as_mut().enable();
        match engine.reader().find_task_result(task).await? {
            None => return Ok(Err("its result was removed".to_owned())),
            Some(result) => {
                if let Some(output) = ended(&result) {
                    return Ok(output);
                }
            }
        }
        tokio::select! {
            () = finished => {}
            () = engine.clock.sleep(LOOK_AGAIN) => {}
        }
    }
    Ok(Err("it did not end in time".to_owned()))
}

/// The output of a task that has ended, or why it has none.
fn ended(result: &TaskResult) -> Option<Result<Output, String>> {
    let without = match result.state {
        TaskState::Created | TaskState::Started => return None,
        TaskState::Succeeded | TaskState::Failed | TaskState::Expired => "its result was lost",
        TaskState::Cancelled => "it was cancelled",
    };
    let output = result.output.as_deref().and_then(Output::read);
    Some(output.ok_or_else(|| without.to_owned()))
}
