//! Functions that subscribed to webhooks of a provider (webhooks.md, 2.1).

use serde_json::Value;
use tenon_core::names::{ConnectionPk, EnvironmentPk};
use tenon_store::{StoreError, Tx, work::functions::FunctionRow};

use super::{
    enqueue::{Enqueue, TaskNames, enqueue},
    kind::TaskKind,
    payload::Payload,
};
use crate::Engine;

/// The word that subscribes to everything.
const EVERYTHING: &str = "*";

/// One event for one connection.
pub(crate) struct Arrived<'a> {
    pub environment: EnvironmentPk,
    pub integration_key: &'a str,
    pub connection: ConnectionPk,
    pub connection_id: &'a str,
    pub payload: &'a Value,
    /// The operation of the request.
    pub operation: &'a str,
}

/// Whether a function wants events of this kind.
pub(crate) fn subscribes(function: &FunctionRow, kind: Option<&str>) -> bool {
    function.kind == "sync"
        && function.enabled
        && function
            .webhook_subscriptions
            .iter()
            .any(|subscription| subscription == EVERYTHING || Some(subscription.as_str()) == kind)
}

/// Queues a run of the function's `onWebhook`; false if the connection does not have the sync.
pub(crate) async fn arrived(
    tx: &Tx,
    engine: &Engine,
    function: &FunctionRow,
    arrived: &Arrived<'_>,
) -> Result<bool, StoreError> {
    if !tx.has_base_sync(arrived.connection, &function.name).await? {
        return Ok(false);
    }
    let payload = Payload::Webhook {
        function: function.name.clone(),
        payload: arrived.payload.clone(),
    };
    let new = Enqueue {
        kind: TaskKind::Webhook,
        environment: arrived.environment,
        connection: arrived.connection,
        connection_id: arrived.connection_id,
        integration_key: arrived.integration_key,
        schedule: None,
        title: &function.name,
        function: &function.name,
        payload: &payload,
        retry_max: 0,
        idempotency_key: None,
        parent: Some(arrived.operation.to_owned()),
        begun_until: None,
    };
    let names = TaskNames::new(engine);
    enqueue(tx, engine, engine.clock.now(), &names, new).await
}

/// Whether more webhook runs of an environment wait than anybody will miss.
pub(crate) fn waiting_group(environment: EnvironmentPk) -> (&'static str, String) {
    let kind = TaskKind::Webhook;
    (kind.as_str(), kind.group(environment))
}
