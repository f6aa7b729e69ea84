//! Putting tasks into the queue.

use std::sync::Arc;

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, SchedulePk, TaskPk},
};
use tenon_store::{StoreError, Tx, work::tasks::NewTask};

use super::{kind::TaskKind, payload::Payload};
use crate::{
    Engine,
    operations::{NewOperation, OperationState},
};

/// A task about to be stored.
pub(crate) struct Enqueue<'a> {
    pub kind: TaskKind,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub connection_id: &'a str,
    pub integration_key: &'a str,
    pub schedule: Option<SchedulePk>,
    /// Name of the function, with its variant if it has one.
    pub title: &'a str,
    pub function: &'a str,
    pub payload: &'a Payload,
    pub retry_max: i64,
    pub idempotency_key: Option<String>,
    pub parent: Option<String>,
    /// The creator runs it itself, under fence 1, with a lease until then.
    pub begun_until: Option<Timestamp>,
}

/// The names of a task before it is stored.
#[derive(Clone, Debug)]
pub(crate) struct TaskNames {
    pub task: TaskPk,
    pub id: String,
    pub operation: String,
}

impl TaskNames {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            task: TaskPk(engine.ids.int()),
            id: engine.ids.uuid7().to_string(),
            operation: engine.ids.uuid7().to_string(),
        }
    }
}

/// Stores a task and its operation; wakes the workers after the commit. False if the idempotency key is taken.
pub(crate) async fn enqueue(
    tx: &Tx,
    engine: &Engine,
    now: Timestamp,
    names: &TaskNames,
    new: Enqueue<'_>,
) -> Result<bool, StoreError> {
    let waits = new.begun_until.is_none();
    let row = NewTask {
        pk: names.task,
        id: names.id.clone(),
        environment: new.environment,
        connection: new.connection,
        schedule: new.schedule,
        kind: new.kind.as_str(),
        group_key: new.kind.group(new.environment),
        payload: new.payload.to_bytes(),
        retry_max: new.retry_max,
        idempotency_key: new.idempotency_key,
        operation: names.operation.clone(),
        created_at: now,
        start_by: now.plus(new.kind.start_within()),
        begun_by: new
            .begun_until
            .map(|until| (engine.settings.node.clone(), until)),
    };
    if !tx.insert_task(&row).await? {
        return Ok(false);
    }
    let title = format!("{} `{}`", new.kind.as_str(), new.title);
    let operation = NewOperation {
        state: if waits {
            OperationState::Waiting
        } else {
            OperationState::Running
        },
        function: Some(new.function.to_owned()),
        parent: new.parent,
        ..NewOperation::new(new.environment, new.kind.operation_kind(), title)
    }
    .about(new.integration_key, new.connection_id, Some(new.connection));
    engine
        .operations
        .start_as(tx, &names.operation, operation)
        .await?;
    if waits {
        wake_workers(tx, engine);
    }
    Ok(true)
}

/// Wakes the loops once the transaction is through.
pub(crate) fn wake_workers(tx: &Tx, engine: &Engine) {
    let signals = Arc::clone(&engine.signals);
    tx.after_commit(move || signals.work.notify_waiters());
}

/// Wakes those who wait for a result once the transaction is through.
pub(crate) fn wake_waiters(tx: &Tx, engine: &Engine) {
    let signals = Arc::clone(&engine.signals);
    tx.after_commit(move || signals.finished.notify_waiters());
}
