//! Actions: triggered and awaited, or queued with a result to fetch (scheduler.md, 4).

use bytes::Bytes;
use serde_json::Value;
use tenon_core::{
    function::RunFailure,
    names::{ConnectionId, EnvironmentPk, IntegrationKey},
};
use tenon_store::StoreError;
use uuid::Uuid;

use crate::Engine;

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
    #[error("action `{action}` is disabled")]
    Disabled { action: String },
    #[error("an action with this idempotency key had another input")]
    KeyReused,
    #[error("action failed: {}", .0.message)]
    Failed(RunFailure),
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
    Failed(RunFailure),
}

/// Runs an action and waits for its output (JSON text).
pub async fn trigger(_engine: &Engine, _call: ActionCall) -> Result<Bytes, ActionError> {
    unimplemented!()
}

/// Queues an action; the id fetches its result.
pub async fn trigger_async(
    _engine: &Engine,
    _call: ActionCall,
    _max_retries: u32,
) -> Result<Uuid, ActionError> {
    unimplemented!()
}

/// Result of an asynchronous action.
pub async fn result(
    _engine: &Engine,
    _environment: EnvironmentPk,
    _id: Uuid,
) -> Result<ActionResult, StoreError> {
    unimplemented!()
}
