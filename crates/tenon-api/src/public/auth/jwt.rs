//! What a token is signed with.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{ApiError, App, UriParams, body::JsonBody, caller::FlowCaller, query::Query};

/// `POST /auth/jwt/{key}`; the provider says which members are used.
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |_| ())?;
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::Jwt, given).await
}
