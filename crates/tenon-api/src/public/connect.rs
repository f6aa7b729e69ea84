//! Connect sessions: opened by the app's backend, read by the connect UI.

mod asked;
mod attempt;
mod create;
mod defaults;
mod end;
mod get;
mod mine;
mod reconnect;
mod telemetry;

use axum::{
    Router,
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use tenon_core::account::account_name;
use tenon_engine::connections::sessions::OpenedSession;
use tenon_store::{StoreError, connections::ConnectionRow};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/connect/sessions", post(create::create))
        .route("/connect/sessions/reconnect", post(reconnect::create))
        .route("/connect/session", get(get::get).delete(end::end))
        .route("/connect/session/attempt", get(attempt::get))
        .route("/connect/session/attempt/told", post(attempt::told))
        .route("/connect/settings/{integration}", get(asked::get))
        .route("/connect/connections", get(mine::list::list))
        .route(
            "/connect/connections/{connection_id}",
            delete(mine::delete::delete),
        )
        .route(
            "/connect/connections/{connection_id}/reconnect",
            post(mine::reconnect::create),
        )
        .route("/connect/telemetry", post(telemetry::collect))
}

/// What the owner of a connection knows its account by, as far as the provider or the form told it.
async fn account_of(app: &App, row: &ConnectionRow) -> Result<Option<String>, StoreError> {
    let credentials = match app.engine.reader().open_credentials(row).await {
        Ok(credentials) => credentials,
        // Damaged credentials must not hide a connection from the person who could mend it.
        Err(StoreError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let config = serde_json::from_str(&row.connection_config).unwrap_or_default();
    Ok(account_name(&credentials, &config))
}

/// The answer to an opened session.
fn opened(session: &OpenedSession) -> Value {
    json!({"data": {
        "token": session.token.expose(),
        "connect_link": session.connect_link.expose(),
        "expires_at": session.expires_at.iso_millis(),
    }})
}
