//! What people do in the connect UI.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use serde_json::Value;
use tenon_core::{Timestamp, function::LogLevel};
use tenon_store::connect_sessions::ConnectSessionRow;

use crate::{ApiError, App, ErrorCode, body::JsonBody, caller::find_session};

const EVENTS: &[&str] = &[
    "open",
    "view:list",
    "view:integration",
    "view:unknown_error",
    "view:credentials_error",
    "view:success",
    "click:integration",
    "click:doc",
    "click:doc_section",
    "click:connect",
    "click:close",
    "click:finish",
    "click:outside",
    "popup:blocked_by_browser",
    "popup:closed_early",
];

/// How far the browser's clock may be off.
const TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// `POST /connect/telemetry`: a beacon, so the token is in the body. What happened becomes a line of the session's
/// operation.
pub(super) async fn collect(
    State(app): State<App>,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let session = session_of(&app, &body).await?;
    let event = checked(&body, app.engine.clock.now())?;
    if let Some(operation) = &session.operation_id {
        let text = format!("connect UI: {event}");
        app.engine
            .operations
            .message(session.environment, operation, LogLevel::Info, text, None);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn session_of(app: &App, body: &JsonBody) -> Result<ConnectSessionRow, ApiError> {
    let token = body.0.as_ref().and_then(|body| body.get("token")?.as_str());
    let Some(token) = token else {
        return Err(ApiError::old(
            StatusCode::UNAUTHORIZED,
            ErrorCode::MissingAuthHeader,
            "the token of the session is missing",
        ));
    };
    find_session(app, token).await
}

fn checked(body: &JsonBody, now: Timestamp) -> Result<&'static str, ApiError> {
    let input = body.input();
    let object = input.object();
    object.required("token").text().take();
    let event = object.required("event").one_of(EVENTS);
    let is_recent = |text: &str| {
        Timestamp::parse_iso(text)
            .is_some_and(|at| now.since(at) <= TOLERANCE && at.since(now) <= TOLERANCE)
    };
    object
        .required("timestamp")
        .text()
        .custom(is_recent, "the timestamp is not a recent instant")
        .take();
    if let Some(dimensions) = object.optional("dimensions").object() {
        let integration = dimensions.optional("integration");
        if !integration.raw().is_some_and(Value::is_null) {
            integration.text().max(255).take();
        }
        dimensions.strict();
    }
    object.strict();
    drop(object);
    input.finish()?;
    Ok(event.unwrap_or("open"))
}
