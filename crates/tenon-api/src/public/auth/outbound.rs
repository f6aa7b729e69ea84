//! Installations that begin at the provider.

use axum::extract::State;
use tenon_core::auth::AuthMode;
use tenon_engine::auth::entrance::EntranceError;

use super::visitor::{refused, visitor};
use crate::{ApiError, App, ErrorCode, UriParams, caller::FlowCaller, query::Query};

/// `POST /auth/oauth-outbound/{key}`: for providers that say so. Their webhook, which would bring the code, is not
/// understood yet, so none is connected.
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
) -> Result<(), ApiError> {
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
    let message = "installations that begin at the provider are not supported yet";
    Err(ApiError::bad_request(ErrorCode::InvalidAuthMode, message))
}
