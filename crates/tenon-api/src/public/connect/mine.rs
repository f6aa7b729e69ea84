//! Connections of the end user that a session was opened for (docs/reference/connect-ui.md).

pub(super) mod delete;
pub(super) mod list;
pub(super) mod reconnect;

use axum::http::StatusCode;
use tenon_engine::connections::own::OwnConnections;
use tenon_store::{connect_sessions::ConnectSessionRow, connections::ConnectionRow};

use crate::{
    ApiError, App, ErrorCode, UriParams, public::connections::integration_of, query::Query,
};

/// What a session may see; 403 if it was not opened for this.
fn own(session: &ConnectSessionRow) -> Result<OwnConnections, ApiError> {
    OwnConnections::of(session).ok_or_else(|| {
        forbidden("this session was not opened with `manage_connections` for an end user")
    })
}

/// The connection of the route; 403 whether it is somebody else's or does not exist.
async fn own_connection(
    app: &App,
    session: &ConnectSessionRow,
    uri: &UriParams,
    query: &Query,
) -> Result<ConnectionRow, ApiError> {
    let own = own(session)?;
    let integration = integration_of(query)?;
    let id = uri.connection_id("connection_id")?;
    let found = own.find(&app.engine, &integration, id).await?;
    found.ok_or_else(|| forbidden("this is no connection of the session's end user"))
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
}
