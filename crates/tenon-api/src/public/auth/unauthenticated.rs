//! Nothing at all: APIs that are open.

use axum::{Json, extract::State};
use serde_json::Map;
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted};
use crate::{ApiError, App, UriParams, caller::FlowCaller, query::Query};

/// `POST /auth/unauthenticated/{key}`; a body is not looked at.
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
) -> Result<Json<Connected>, ApiError> {
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::None, Map::new()).await
}
