//! The `auth` webhook (webhooks.md, 1.3).

use serde_json::{Map, Value, json};
use tenon_core::names::{ConnectionPk, EnvironmentPk};
use tenon_store::{StoreError, Tx};

use super::{save::AuthOperation, tags::EndUser};
use crate::{
    Engine,
    delivery::{self, DeliveryKind, Outgoing},
};

/// What happened to whose connection.
pub(super) struct AuthEvent<'a> {
    pub environment: EnvironmentPk,
    pub connection: Option<ConnectionPk>,
    pub connection_id: &'a str,
    pub integration_key: &'a str,
    pub provider: &'a str,
    pub auth_mode: &'a str,
    pub operation: AuthOperation,
    pub tags: Option<&'a Value>,
    /// Set if the connection came from a session with an end user.
    pub session_end_user: Option<&'a EndUser>,
    pub error: Option<(&'a str, &'a str)>,
    pub log: Option<&'a str>,
}

/// A connect flow that failed before a connection was stored.
#[derive(Clone, Debug)]
pub struct AuthFailure<'a> {
    pub environment: EnvironmentPk,
    /// The connection that was to be created, or to be authorised again.
    pub connection_id: &'a str,
    pub integration_key: &'a str,
    pub provider: &'a str,
    pub auth_mode: &'a str,
    pub operation: AuthOperation,
    pub tags: Option<&'a Value>,
    pub end_user: Option<&'a EndUser>,
    /// Error type and description.
    pub error: (&'a str, &'a str),
    pub log: Option<&'a str>,
    pub connection: Option<ConnectionPk>,
}

/// Tells the app that a flow failed, or that a refresh did, if it wants to know.
pub async fn announce_failure(
    tx: &Tx,
    engine: &Engine,
    failure: &AuthFailure<'_>,
) -> Result<(), StoreError> {
    let event = AuthEvent {
        environment: failure.environment,
        connection: failure.connection,
        connection_id: failure.connection_id,
        integration_key: failure.integration_key,
        provider: failure.provider,
        auth_mode: failure.auth_mode,
        operation: failure.operation,
        tags: failure.tags,
        session_end_user: failure.end_user,
        error: Some(failure.error),
        log: failure.log,
    };
    announce(tx, engine, &event).await
}

/// Enqueues the webhook if the environment wants it.
pub(super) async fn announce(
    tx: &Tx,
    engine: &Engine,
    event: &AuthEvent<'_>,
) -> Result<(), StoreError> {
    let Some(environment) = tx.find_environment(event.environment).await? else {
        return Ok(());
    };
    let wanted = match event.operation {
        AuthOperation::Creation => environment.webhooks.on_auth_creation,
        AuthOperation::Override => true,
        AuthOperation::Refresh => environment.webhooks.on_auth_refresh_error,
    };
    if !wanted {
        return Ok(());
    }
    let outgoing = Outgoing {
        operation: event.log.map(str::to_owned),
        ..Outgoing::new(
            event.environment,
            event.connection,
            DeliveryKind::Auth,
            event.body(&environment.name),
        )
    };
    delivery::enqueue(tx, engine, outgoing).await.map(|_| ())
}

impl AuthEvent<'_> {
    fn body(&self, environment: &str) -> Value {
        let mut body = json!({
            "from": "nango",
            "type": "auth",
            "connectionId": self.connection_id,
            "providerConfigKey": self.integration_key,
            "authMode": self.auth_mode,
            "provider": self.provider,
            "environment": environment,
            "operation": self.operation.as_str(),
            "success": self.error.is_none(),
        });
        if let Some(tags) = self.tags {
            body["tags"] = tags.clone();
        }
        if let Some(user) = self.session_end_user {
            body["endUser"] = end_user(user);
        }
        if let Some((kind, description)) = self.error {
            body["error"] = json!({"type": kind, "description": description});
        }
        body
    }
}

fn end_user(user: &EndUser) -> Value {
    let mut body = Map::new();
    body.insert("endUserId".to_owned(), user.id.as_str().into());
    if let Some(email) = &user.email {
        body.insert("endUserEmail".to_owned(), email.as_str().into());
    }
    if let Some(organization) = &user.organization {
        body.insert("organizationId".to_owned(), organization.id.as_str().into());
    }
    body.insert(
        "tags".to_owned(),
        Value::Object(user.tags.clone().unwrap_or_default()),
    );
    Value::Object(body)
}
