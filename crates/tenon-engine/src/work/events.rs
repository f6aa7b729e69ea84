//! What follows from a connection that appears, must prove itself, or goes away (scheduler.md, 3 and 6).

use tenon_core::names::{ConnectionPk, EnvironmentPk, IntegrationPk};
use tenon_store::{
    Reader, StoreError, Tx,
    work::{functions::FunctionRow, subjects::Subject},
};
use tracing::warn;

use super::{
    commands::{CreateSync, create_sync, drop_sync},
    enqueue::{Enqueue, TaskNames, enqueue},
    finish::{self, Ended},
    inline::{self, Answer, Inline},
    kind::TaskKind,
    payload::Payload,
};
use crate::Engine;

const CREATED: &str = "post-connection-creation";
const VALIDATE: &str = "validate-connection";
const DELETING: &str = "pre-connection-deletion";

/// The keys of a stored connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedConnectionRef {
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub connection: ConnectionPk,
}

/// A `validate-connection` function threw.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectionRejected {
    /// What the person who connects is shown.
    pub message: String,
}

/// Whether a connection is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    New,
    /// Authorised again: functions of its creation do not run, syncs are still looked after.
    Again,
}

/// Queues the `post-connection-creation` functions of a new connection and creates the syncs that it lacks, due now; in
/// the transaction that stores the connection, or, where [`needs_validation`] says so, in the one that confirms it.
pub async fn connection_created(
    tx: &Tx,
    engine: &Engine,
    connection: &SavedConnectionRef,
    arrival: Arrival,
) -> Result<(), StoreError> {
    let functions = tx.functions_of_integration(connection.integration).await?;
    if functions.is_empty() {
        return Ok(());
    }
    let Some(subject) = tx
        .subject_of_connection(connection.connection, "sync", "")
        .await?
    else {
        return Ok(());
    };
    if arrival == Arrival::New {
        for function in in_order(&functions, CREATED) {
            queue(tx, engine, &subject, &function).await?;
        }
    }
    for function in functions
        .iter()
        .filter(|one| one.kind == "sync" && one.enabled)
    {
        let existing = tx
            .find_sync(connection.connection, &function.name, "base")
            .await?;
        if existing.is_some() {
            continue;
        }
        let new = CreateSync {
            environment: connection.environment,
            connection: connection.connection,
            name: &function.name,
            variant: "base",
            runs: function.runs.as_deref().unwrap_or_default(),
            auto_start: function.auto_start,
        };
        create_sync(tx, engine, &new).await?;
    }
    Ok(())
}

async fn queue(
    tx: &Tx,
    engine: &Engine,
    subject: &Subject,
    function: &FunctionRow,
) -> Result<(), StoreError> {
    let new = Enqueue {
        kind: TaskKind::OnEvent,
        environment: subject.environment,
        connection: subject.connection,
        connection_id: &subject.connection_id,
        integration_key: &subject.integration_key,
        schedule: None,
        title: &function.name,
        function: &function.name,
        payload: &Payload::OnEvent {
            function: function.name.clone(),
            awaited: false,
        },
        retry_max: 0,
        idempotency_key: None,
        parent: None,
        begun_until: None,
    };
    let names = TaskNames::new(engine);
    enqueue(tx, engine, engine.clock.now(), &names, new)
        .await
        .map(|_| ())
}

/// Deletes syncs and schedules of a connection and cancels its tasks; in the transaction that deletes the connection.
pub async fn connection_deleted(
    tx: &Tx,
    engine: &Engine,
    connection: &SavedConnectionRef,
) -> Result<(), StoreError> {
    const REASON: &str = "the connection was deleted";
    let connection = connection.connection;
    for sync in tx.syncs_to_drop_of_connection(connection).await? {
        drop_sync(tx, engine, sync, REASON).await?;
    }
    for task in tx.open_tasks_of_connection(connection).await? {
        finish::cancel(tx, engine, task, REASON).await?;
    }
    tx.delete_checkpoints_of(connection).await
}

/// Deletes the functions of an integration; in the transaction that deletes it, after its connections.
pub async fn integration_deleted(
    tx: &Tx,
    engine: &Engine,
    integration: IntegrationPk,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    for function in tx.functions_of_integration(integration).await? {
        // No deployment brings them back: their integration is gone.
        tx.delete_function(function.pk, engine.ids.int(), now)
            .await?;
    }
    Ok(())
}

/// Whether the integration has `validate-connection` functions: the caller then stores the connection, awaits
/// [`validate_connection`], and only afterwards confirms it with [`connection_created`] and the auth webhook.
pub async fn needs_validation(tx: &Tx, integration: IntegrationPk) -> Result<bool, StoreError> {
    let functions = tx.functions_of_integration(integration).await?;
    Ok(of_event(&functions, VALIDATE).next().is_some())
}

/// Runs the `validate-connection` functions one after another. A rejected new connection is to be removed for good, a
/// rejected reconnection is kept and marked as failed; both are the caller's job.
pub async fn validate_connection(
    engine: &Engine,
    connection: &SavedConnectionRef,
) -> Result<(), ConnectionRejected> {
    let unable = |error: StoreError| {
        warn!(%error, "a connection could not be validated");
        ConnectionRejected {
            message: "The connection could not be validated; please try again".to_owned(),
        }
    };
    let functions = ordered(&engine.reader(), connection.integration, VALIDATE)
        .await
        .map_err(unable)?;
    for function in functions {
        let ended = run(engine, connection, &function).await.map_err(unable)?;
        if let Some(message) = refusal(ended) {
            return Err(ConnectionRejected { message });
        }
    }
    Ok(())
}

/// Why a `validate-connection` function said no: what it threw, in the order of scheduler.md, 6.
fn refusal(ended: Option<Ended>) -> Option<String> {
    let failure = match ended? {
        Ended::Succeeded(_) | Ended::Interrupted => return None,
        Ended::Failed(failure) => failure,
        Ended::Crashed(_) | Ended::Lost | Ended::Expired | Ended::Cancelled(_) => {
            return Some("The connection could not be validated; please try again".to_owned());
        }
    };
    let said = |name: &str| failure.payload.get(name)?.as_str().map(str::to_owned);
    let message = said("message").or_else(|| said("error"));
    Some(message.unwrap_or_else(|| "Connection failed validation".to_owned()))
}

/// Runs the `pre-connection-deletion` functions one after another; what they throw is logged and stops nothing.
/// Outside any transaction, before the connection is deleted.
pub async fn before_connection_deletion(engine: &Engine, connection: &SavedConnectionRef) {
    let functions = ordered(&engine.reader(), connection.integration, DELETING).await;
    let functions = functions.unwrap_or_else(|error| {
        warn!(%error, "functions before a deletion could not be read");
        Vec::new()
    });
    for function in functions {
        if let Err(error) = run(engine, connection, &function).await {
            warn!(%error, function = %function.name, "a function before a deletion did not run");
        }
    }
}

fn of_event<'a>(
    functions: &'a [FunctionRow],
    event: &'a str,
) -> impl Iterator<Item = &'a FunctionRow> {
    functions.iter().filter(move |function| {
        function.kind == "on-event" && function.enabled && function.event.as_deref() == Some(event)
    })
}

fn in_order(functions: &[FunctionRow], event: &str) -> Vec<FunctionRow> {
    let mut functions: Vec<FunctionRow> = of_event(functions, event).cloned().collect();
    functions.sort_by_key(|function| function.pk);
    functions
}

/// Functions of an event, in the order in which they were stored.
async fn ordered(
    reader: &Reader,
    integration: IntegrationPk,
    event: &str,
) -> Result<Vec<FunctionRow>, StoreError> {
    let functions = reader.functions_of_integration(integration).await?;
    Ok(in_order(&functions, event))
}

/// Runs a function and waits for it; nothing if it or the connection is gone.
async fn run(
    engine: &Engine,
    connection: &SavedConnectionRef,
    function: &FunctionRow,
) -> Result<Option<Ended>, StoreError> {
    let subject = engine
        .reader()
        .subject_of_connection(connection.connection, "on-event", &function.name)
        .await?;
    let Some(subject) = subject else {
        return Ok(None);
    };
    let Some(function) = subject.function.clone() else {
        return Ok(None);
    };
    let inline = Inline {
        kind: TaskKind::OnEvent,
        payload: Payload::OnEvent {
            function: function.name.clone(),
            awaited: true,
        },
        subject,
        function,
        idempotency_key: None,
        parent: None,
        depth: 0,
    };
    Ok(match inline::run(engine, inline).await? {
        Answer::Ended(ended) => Some(ended),
        Answer::KeyTaken => None,
    })
}
