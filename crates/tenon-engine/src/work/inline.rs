//! Functions that somebody waits for: run by the caller's node at once, while their task joins the next group commit.

use std::sync::{Arc, atomic::AtomicBool};

use serde_json::Value;
use tenon_core::Timestamp;
use tenon_store::{
    StoreError,
    work::{
        subjects::{Subject, SubjectFunction},
        tasks::TaskRow,
    },
};
use tokio::sync::{oneshot, watch};

use super::{
    enqueue::{Enqueue, TaskNames, enqueue},
    execute::{Around, execute, store_end},
    finish::Ended,
    host::Stored,
    kind::{STOP_GRACE, TaskKind},
    payload::Payload,
    run::{ClaimedRun, log_level},
};
use crate::Engine;

/// A function to run now.
pub(crate) struct Inline {
    pub kind: TaskKind,
    pub subject: Subject,
    pub function: SubjectFunction,
    pub payload: Payload,
    pub idempotency_key: Option<String>,
    pub parent: Option<String>,
    pub depth: u32,
}

/// How it ended.
pub(crate) enum Answer {
    Ended(Ended),
    /// Another call with the same key was first.
    KeyTaken,
}

/// Runs a function and waits for its end. A caller that goes away cancels nothing.
pub(crate) async fn run(engine: &Engine, inline: Inline) -> Result<Answer, StoreError> {
    let (sender, receiver) = oneshot::channel();
    let inner = engine.clone();
    tokio::spawn(async move { begin(inner, inline, sender).await });
    // The sender goes without a word only if the task panicked.
    receiver.await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(
            "the run ended without an answer".to_owned(),
        ))
    })
}

async fn begin(
    engine: Engine,
    inline: Inline,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
) {
    let now = engine.clock.now();
    let keyed = inline.idempotency_key.is_some();
    let run = match claimed(&engine, &inline, now).await {
        Ok(run) => run,
        Err(error) => {
            let _gone = answer.send(Err(error));
            return;
        }
    };
    let task = run.task.clone();
    let (sender, stored) = watch::channel(Stored::NotYet);
    let around = Around {
        stored,
        interrupt: Arc::new(AtomicBool::new(false)),
        depth: inline.depth,
    };
    let storing = async {
        let written = store(&engine, inline, run.task.clone(), now).await;
        let state = match written {
            Ok(true) => Stored::Yes,
            Ok(false) | Err(_) => Stored::Failed,
        };
        sender.send_replace(state);
        written
    };
    let (written, (ended, left)) = if keyed {
        // Only whoever has the key may run, so the row comes first.
        match storing.await {
            Ok(true) => (Ok(true), execute(&engine, run, around).await),
            other => {
                let _gone = answer.send(other.map(|_| Answer::KeyTaken));
                return;
            }
        }
    } else {
        tokio::join!(storing, execute(&engine, run.clone(), around))
    };
    match written {
        Ok(_) if keyed => {
            // The same key must get the same answer from now on, whatever happens to us.
            store_end(&engine, &task, &left, &ended).await;
            let _gone = answer.send(Ok(Answer::Ended(ended)));
        }
        Ok(_) => {
            let _gone = answer.send(Ok(Answer::Ended(ended.clone())));
            store_end(&engine, &task, &left, &ended).await;
        }
        Err(error) => {
            let _gone = answer.send(Err(error));
        }
    }
}

async fn claimed(
    engine: &Engine,
    inline: &Inline,
    now: Timestamp,
) -> Result<ClaimedRun, StoreError> {
    let names = TaskNames::new(engine);
    let level = engine
        .reader()
        .find_variable(inline.subject.environment, "NANGO_LOGGER_LEVEL")
        .await?;
    Ok(ClaimedRun {
        task: TaskRow {
            pk: names.task,
            id: names.id,
            environment: inline.subject.environment,
            connection: inline.subject.connection,
            schedule: None,
            kind: inline.kind.as_str().to_owned(),
            payload: inline.payload.to_bytes(),
            retry_max: 0,
            retry_count: 0,
            fence: 1,
            attempt: 1,
            operation: names.operation,
            created_at: now,
        },
        kind: inline.kind,
        payload: inline.payload.clone(),
        subject: inline.subject.clone(),
        function: inline.function.clone(),
        sync: None,
        log_level: level.map_or_else(Default::default, |word| log_level(word.expose())),
        started_at: now,
    })
}

/// Stores the row of a task that runs already. Its lease covers the whole run: nodes without workers, which extend
/// leases, run actions too.
async fn store(
    engine: &Engine,
    inline: Inline,
    task: TaskRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move {
            let names = TaskNames {
                task: task.pk,
                id: task.id,
                operation: task.operation,
            };
            let lease = inline.kind.run_limit() + STOP_GRACE + STOP_GRACE;
            let new = Enqueue {
                kind: inline.kind,
                environment: inline.subject.environment,
                connection: inline.subject.connection,
                connection_id: &inline.subject.connection_id,
                integration_key: &inline.subject.integration_key,
                schedule: None,
                title: &inline.function.name,
                function: &inline.function.name,
                payload: &inline.payload,
                retry_max: 0,
                idempotency_key: inline.idempotency_key,
                parent: inline.parent,
                begun_until: Some(now.plus(lease)),
            };
            enqueue(&tx, &inner, now, &names, new).await
        })
        .await
}

/// What reaches a function that was called without a real input (functions.md, 4.2).
pub(crate) fn input_or_empty(input: Value) -> Value {
    let empty = match &input {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    };
    if empty {
        Value::Object(serde_json::Map::new())
    } else {
        input
    }
}
