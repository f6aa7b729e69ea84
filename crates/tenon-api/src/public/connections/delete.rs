//! Deletes a connection.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::connections::{self, ChangeError};

use super::patch::integration_of;
use crate::{
    ApiError, App, ErrorCode, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `DELETE /connections/{connection_id}?provider_config_key=`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::DeleteConnections>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let integration = integration_of(&query)?;
    let id = uri.connection_id("connection_id")?;
    connections::delete(&app.engine, caller.environment, &integration, id)
        .await
        .map_err(|error| match error {
            ChangeError::UnknownConnection { .. } | ChangeError::UnknownIntegration(_) => {
                ApiError::bare(StatusCode::BAD_REQUEST, ErrorCode::UnknownConnection)
            }
            ChangeError::Store(_) => error.into(),
        })?;
    Ok(Json(json!({"success": true})))
}
