//! An end user authorises a connection again.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::Value;
use tenon_engine::connections::own;

use super::own_connection;
use crate::{
    ApiError, App, UriParams, caller::SessionCaller, public::connect::opened, query::Query,
};

/// `POST /connect/connections/{connection_id}/reconnect?provider_config_key=`: a session for this connection only, which
/// may not manage others.
pub(in crate::public::connect) async fn create(
    State(app): State<App>,
    SessionCaller(session): SessionCaller,
    uri: UriParams,
    query: Query,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let row = own_connection(&app, &session, &uri, &query).await?;
    let opened_session = own::open_reconnect(&app.engine, &session, &row).await?;
    Ok((StatusCode::CREATED, Json(opened(&opened_session))))
}
