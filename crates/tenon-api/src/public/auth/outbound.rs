//! Installations that begin at the provider.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;
use tenon_engine::{
    auth::{entrance::EntranceError, waiting},
    connections::SettleError,
};

use super::{
    outcome::Connected,
    visitor::{refused, visitor},
};
use crate::{ApiError, App, ErrorCode, UriParams, caller::FlowCaller, query::Query};

/// `POST /auth/oauth-outbound/{key}`: for providers that say so. The connection waits for the webhook with the code.
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
) -> Result<Json<Connected>, ApiError> {
    let visitor = visitor(caller, &uri, &query)?;
    let entrance = visitor
        .enter(&app.engine, &[AuthMode::OAuth2])
        .await
        .map_err(refused)?;
    if entrance.provider.installation.as_deref() != Some("outbound") {
        return Err(refused(EntranceError::WrongMode {
            integration: entrance.integration.unique_key,
            mode: AuthMode::OAuth2,
        }));
    }
    match waiting::wait(&app.engine, &entrance).await {
        Ok(saved) => Ok(Json(saved.into())),
        Err(SettleError::Store(error)) => Err(error.into()),
        Err(SettleError::Rejected(error)) => Err(ApiError::bad_request(
            ErrorCode::ConnectionValidationFailed,
            &error,
        )),
    }
}
