//! The end of every flow: connection, follow-ups, operation, webhook and the frame for the page, in one commit.

use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::AuthMode,
    names::{ConnectionId, EnvironmentPk},
};
use tenon_store::{
    StoreError, Tx, connect_sessions::ConnectSessionRow, integrations::IntegrationRow,
};

use super::{
    attempts,
    entrance::SessionLabels,
    issue::Issued,
    sockets::{self, FlowResult},
};
use crate::{
    Engine,
    connections::{
        self, AuthFailure, AuthOperation, NewConnection, SavedConnection, SettleError,
        announce_failure,
    },
    operations::{NewOperation, OperationKind, OperationState},
};

/// A flow that is about to end.
#[derive(Clone)]
pub(super) struct Flow {
    pub environment: EnvironmentPk,
    pub integration: IntegrationRow,
    pub mode: AuthMode,
    pub connection_id: ConnectionId,
    /// Already with what the provider and the callback added.
    pub connection_config: Map<String, Value>,
    pub session: Option<ConnectSessionRow>,
    /// What a new connection starts with; an existing one keeps its own.
    pub first_metadata: Option<Map<String, Value>>,
    pub ws_client_id: Option<String>,
    /// The device flow that ends with this one.
    pub device_flow: Option<String>,
    pub operation_id: Option<String>,
    /// Whether the connection still waits for something.
    pub is_pending: bool,
}

impl Flow {
    fn connection(&self, issued: &Issued) -> NewConnection {
        let mut connection_config = issued.connection_config.clone();
        for (name, value) in &self.connection_config {
            // An empty value of the person leaves room for what the provider says.
            if value.as_str() != Some("") || !connection_config.contains_key(name) {
                connection_config.insert(name.clone(), value.clone());
            }
        }
        let new = NewConnection {
            environment: self.environment,
            integration: self.integration.pk,
            integration_key: self.integration.unique_key.clone(),
            provider: self.integration.provider.clone(),
            auth_mode: self.mode,
            connection_id: Some(self.connection_id.clone()),
            credentials: Secret::new(issued.credentials.clone()),
            connection_config: Some(connection_config),
            metadata: None,
            tags: None,
            end_user: None,
            webhook_url_override: None,
            by_session: false,
            operation_id: self.operation_id.clone(),
        };
        match &self.session {
            Some(session) => SessionLabels::of(session).label(new),
            None => new,
        }
    }
}

/// Stores the connection and tells the page. Where functions have to agree first, the page hears afterwards.
pub(super) async fn connect(
    engine: &Engine,
    flow: &Flow,
    issued: &Issued,
) -> Result<SavedConnection, SettleError> {
    let saved = match save(engine, flow, issued).await {
        // Somebody else created the same connection between our look and our write: now it is an override.
        Err(error) if error.is_unique_violation() => save(engine, flow, issued).await?,
        other => other?,
    };
    if !saved.needs_validation {
        return Ok(saved);
    }
    let settled = connections::settle(engine, &saved).await;
    let message = match &settled {
        Ok(()) => None,
        Err(SettleError::Rejected(error)) => Some(error.message.clone()),
        Err(SettleError::Store(_)) => Some("the connection could not be stored".to_owned()),
    };
    publish(engine, flow, message).await?;
    settled.map(|()| saved)
}

async fn save(
    engine: &Engine,
    flow: &Flow,
    issued: &Issued,
) -> Result<SavedConnection, StoreError> {
    let (inner, flow, issued) = (engine.clone(), flow.clone(), issued.clone());
    engine
        .store
        .write(move |tx| async move {
            let mut new = flow.connection(&issued);
            if let Some(metadata) = flow.first_metadata.clone() {
                let id = flow.connection_id.as_str();
                let existing = tx
                    .find_connection_to_change(flow.integration.pk, id)
                    .await?;
                new.metadata = existing.is_none().then_some(metadata);
            }
            let saved = connections::save(&tx, &inner, new).await?;
            if !saved.needs_validation {
                let connected = FlowResult::Connected {
                    is_pending: flow.is_pending,
                };
                tell(&tx, &inner, &flow, connected).await?;
            }
            Ok(saved)
        })
        .await
}

/// Ends a flow that led to a connection which is there already: nothing about it changes.
pub(super) async fn reuse(
    engine: &Engine,
    flow: &Flow,
    existing: &ConnectionId,
) -> Result<(), StoreError> {
    let (inner, flow, id) = (engine.clone(), flow.clone(), existing.clone());
    engine
        .store
        .write(move |tx| async move {
            if let Some(log) = &flow.operation_id {
                inner
                    .operations
                    .set(&tx, log, OperationState::Success, None)
                    .await?;
            }
            let Some(socket) = &flow.ws_client_id else {
                return Ok(());
            };
            let connected = FlowResult::Connected { is_pending: false };
            let key = &flow.integration.unique_key;
            sockets::publish(&tx, &inner, socket, key, id.as_str(), connected).await
        })
        .await
}

async fn publish(engine: &Engine, flow: &Flow, error: Option<String>) -> Result<(), StoreError> {
    let (inner, flow) = (engine.clone(), flow.clone());
    engine
        .store
        .write(move |tx| async move {
            let result = match &error {
                None => FlowResult::Connected { is_pending: false },
                Some(message) => FlowResult::Failed {
                    kind: "connection_validation_failed",
                    message,
                },
            };
            tell(&tx, &inner, &flow, result).await
        })
        .await
}

/// Tells whoever waits how the flow ended: the page behind the socket, the program that asks for its device flow, and
/// the page that asks later.
async fn tell(
    tx: &Tx,
    engine: &Engine,
    flow: &Flow,
    result: FlowResult<'_>,
) -> Result<(), StoreError> {
    if let Some(id) = &flow.device_flow {
        let (state, error) = match &result {
            FlowResult::Connected { .. } => ("connected", None),
            FlowResult::Failed {
                kind: "access_denied",
                message,
            } => ("denied", Some(*message)),
            FlowResult::Failed { message, .. } => ("failed", Some(*message)),
        };
        tx.end_device_flow(id, state, error).await?;
    }
    match result {
        FlowResult::Connected { .. } => attempts::connected(tx, engine, flow).await?,
        FlowResult::Failed { kind, message } => {
            attempts::failed(tx, engine, flow, kind, message).await?;
        }
    }
    let Some(socket) = &flow.ws_client_id else {
        return Ok(());
    };
    let key = &flow.integration.unique_key;
    sockets::publish(tx, engine, socket, key, flow.connection_id.as_str(), result).await
}

/// What is told about a flow that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// `error_type` for the page.
    pub kind: &'static str,
    /// `error.type` of the webhook.
    pub webhook_type: String,
    pub message: String,
}

/// Ends a flow that brought no connection: operation, webhook and frame.
pub(super) async fn give_up(
    engine: &Engine,
    flow: &Flow,
    failure: Failure,
) -> Result<(), StoreError> {
    let (inner, flow) = (engine.clone(), flow.clone());
    engine
        .store
        .write(move |tx| async move {
            let (key, id) = (
                flow.integration.unique_key.as_str(),
                flow.connection_id.as_str(),
            );
            let log = match &flow.operation_id {
                Some(log) => log.clone(),
                None => {
                    let new = NewOperation::new(flow.environment, OperationKind::Auth, "connect");
                    inner
                        .operations
                        .start(&tx, new.about(key, id, None))
                        .await?
                }
            };
            let reason = Some(failure.message.as_str());
            inner
                .operations
                .set(&tx, &log, OperationState::Failed, reason)
                .await?;
            let announced = AuthFailure {
                environment: flow.environment,
                connection_id: id,
                integration_key: key,
                provider: &flow.integration.provider,
                auth_mode: flow.mode.as_str(),
                operation: AuthOperation::Creation,
                tags: None,
                end_user: None,
                error: (&failure.webhook_type, &failure.message),
                log: Some(&log),
                connection: None,
            };
            announce_failure(&tx, &inner, &announced).await?;
            let result = FlowResult::Failed {
                kind: failure.kind,
                message: &failure.message,
            };
            tell(&tx, &inner, &flow, result).await
        })
        .await
}
