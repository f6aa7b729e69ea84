//! How the latest attempt of a session stands, and how long the session still runs.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_engine::auth::attempts;
use tenon_store::{connect_attempts::ConnectAttemptRow, connect_sessions::ConnectSessionRow};

use super::account_of;
use crate::{ApiError, App, caller::LateSessionCaller, query::Query};

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    /// Seconds; none are left once the session has run out. A number, since a browser's clock may be anywhere.
    expires_in: u64,
    /// What people quote when they ask for help.
    operation_id: Option<String>,
    attempt: Option<Attempt>,
}

#[derive(Debug, Serialize)]
struct Attempt {
    /// `pending`, `connected` or `failed`.
    state: String,
    operation_id: Option<String>,
    ws_client_id: Option<String>,
    provider_config_key: String,
    connection_id: String,
    /// What its owner knows the account by that was connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// Whether the application has heard how it ended.
    told: bool,
    started_at: String,
    ended_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

impl From<ConnectAttemptRow> for Attempt {
    fn from(row: ConnectAttemptRow) -> Self {
        Self {
            error: row.error_type.map(|kind| Failure {
                kind,
                message: row.error_message.unwrap_or_default(),
            }),
            account: None,
            told: row.told,
            state: row.state,
            operation_id: row.operation_id,
            ws_client_id: row.ws_client_id,
            provider_config_key: row.integration_key,
            connection_id: row.connection_id,
            started_at: row.started_at.iso_millis(),
            ended_at: row.ended_at.map(|at| at.iso_millis()),
        }
    }
}

/// `GET /connect/session/attempt`: answered for a while after the session ran out, too, because a flow that began in
/// time may end later.
pub(super) async fn get(
    State(app): State<App>,
    LateSessionCaller(session): LateSessionCaller,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    shown(&app, session).await
}

/// `POST /connect/session/attempt/told`: the page has told the application, which hears of each end once. The answer is
/// that of `GET`.
pub(super) async fn told(
    State(app): State<App>,
    LateSessionCaller(session): LateSessionCaller,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    attempts::told(&app.engine, &session).await?;
    shown(&app, session).await
}

async fn shown(app: &App, session: ConnectSessionRow) -> Result<Json<Body>, ApiError> {
    let attempt = attempts::latest(&app.engine, &session).await?;
    let mut attempt = attempt.map(Attempt::from);
    if let Some(attempt) = &mut attempt
        && attempt.state == "connected"
    {
        let (key, id) = (&attempt.provider_config_key, &attempt.connection_id);
        let reader = app.engine.reader();
        let found = reader.find_connection(session.environment, key, id).await?;
        attempt.account = match &found {
            Some(row) => account_of(app, row).await?,
            None => None,
        };
    }
    let left = session.expires_at.since(app.engine.clock.now());
    Ok(Json(Body {
        data: Data {
            expires_in: left.as_secs(),
            operation_id: session.operation_id,
            attempt,
        },
    }))
}
