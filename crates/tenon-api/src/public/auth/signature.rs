//! User name and password that sign every token.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{ApiError, App, UriParams, body::JsonBody, caller::FlowCaller, query::Query};

/// `POST /auth/signature/{key}`
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |object| {
        object.required("username").text().min(1).max(4096).take();
        object.required("password").text().min(1).max(4096).take();
        object.required("type").one_of(&["SIGNATURE"]);
        object.strict();
    })?;
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::Signature, given).await
}
