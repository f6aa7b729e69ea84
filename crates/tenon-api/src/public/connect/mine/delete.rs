//! An end user takes a connection back.

use axum::{extract::State, http::StatusCode};
use tenon_engine::connections;

use super::own_connection;
use crate::{ApiError, App, UriParams, caller::SessionCaller, query::Query};

/// `DELETE /connect/connections/{connection_id}?provider_config_key=`
pub(in crate::public::connect) async fn delete(
    State(app): State<App>,
    SessionCaller(session): SessionCaller,
    uri: UriParams,
    query: Query,
) -> Result<StatusCode, ApiError> {
    let row = own_connection(&app, &session, &uri, &query).await?;
    let (key, id) = (&row.integration_key, &row.connection_id);
    connections::delete(&app.engine, session.environment, key, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
