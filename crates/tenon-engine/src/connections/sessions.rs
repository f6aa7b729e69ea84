//! Connect sessions: made by the app's backend, used by the browser (auth-and-proxy.md, 4).

use std::time::Duration;

use serde_json::Value;
use tenon_core::{
    Secret, Timestamp,
    names::{ConnectSessionPk, ConnectionPk, EnvironmentPk},
};
use tenon_store::{StoreError, connect_sessions::ConnectSessionRow};

use crate::{
    Engine,
    auth::flow,
    operations::{NewOperation, OperationKind},
};

/// How long a session token works.
pub const SESSION_TTL: Duration = Duration::from_secs(30 * 60);

/// Prefix of session tokens; published SDKs look for it.
const PREFIX: &str = "nango_connect_session_";

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// A session to open. JSON members have the shapes of the request.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    pub end_user: Option<Value>,
    pub organization: Option<Value>,
    /// What connections get, end user's tags included.
    pub tags: Option<Value>,
    pub allowed_integrations: Option<Value>,
    pub integrations_config_defaults: Option<Value>,
    pub overrides: Option<Value>,
    pub webhook_url_override: Option<String>,
    /// Set for a reconnect session.
    pub connection: Option<ConnectionPk>,
    /// Whether it may list, reconnect and delete the connections of its end user.
    pub manage_connections: bool,
    /// Whether it asks for the settings of syncs; `None`: as the environment says.
    pub ask_settings: Option<bool>,
}

/// A session that was opened.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    pub token: Secret,
    pub connect_link: Secret,
    pub expires_at: Timestamp,
}

/// Opens a session.
pub async fn open(
    engine: &Engine,
    environment: EnvironmentPk,
    environment_name: &str,
    new: NewSession,
) -> Result<OpenedSession, StoreError> {
    let now = engine.clock.now();
    let token = Secret::new(format!("{PREFIX}{}", engine.ids.hex(TOKEN_BYTES)));
    let expires_at = now.plus(SESSION_TTL);
    let lookup = lookup(engine, token.expose());
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    let mut row = ConnectSessionRow {
        pk: ConnectSessionPk(engine.ids.int()),
        environment,
        environment_name: environment_name.to_owned(),
        environment_uuid: String::new(),
        end_user: text(new.end_user),
        organization: text(new.organization),
        tags: text(new.tags),
        allowed_integrations: text(new.allowed_integrations),
        integrations_config_defaults: text(new.integrations_config_defaults),
        overrides: text(new.overrides),
        webhook_url_override: new.webhook_url_override,
        connection: new.connection,
        operation_id: None,
        created_at: now,
        expires_at,
        manage_connections: new.manage_connections,
        ask_settings: new.ask_settings,
    };
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move {
            let operation = NewOperation::new(environment, OperationKind::Auth, "connect session");
            row.operation_id = Some(inner.operations.start(&tx, operation).await?);
            tx.insert_connect_session(&row, lookup).await
        })
        .await?;
    let link = format!(
        "{}/?session_token={}",
        engine.settings.connect_url,
        token.expose()
    );
    Ok(OpenedSession {
        token,
        connect_link: Secret::new(link),
        expires_at,
    })
}

/// The running session of a token.
pub async fn find(engine: &Engine, token: &str) -> Result<Option<ConnectSessionRow>, StoreError> {
    engine
        .reader()
        .find_connect_session(lookup(engine, token), engine.clock.now())
        .await
}

/// The session of a token, also for a while after it ran out: a flow that began in time may still be under way, and its
/// page wants to know how it ended.
pub async fn find_with_afterglow(
    engine: &Engine,
    token: &str,
) -> Result<Option<ConnectSessionRow>, StoreError> {
    let since = engine.clock.now().minus(flow::TTL);
    engine
        .reader()
        .find_connect_session(lookup(engine, token), since)
        .await
}

/// Ends a session.
pub async fn end(engine: &Engine, session: ConnectSessionPk) -> Result<bool, StoreError> {
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move { tx.end_connect_session(session, now).await })
        .await
}

fn lookup(engine: &Engine, token: &str) -> [u8; 32] {
    engine.store.index_hash("connect_session", token.as_bytes())
}
