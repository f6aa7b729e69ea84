//! Roles that are assumed at a cloud provider.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{ApiError, App, UriParams, body::JsonBody, caller::FlowCaller, query::Query};

/// `POST /auth/aws-sigv4/{key}`
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |object| {
        object.required("role_arn").text().min(1).max(2048).take();
        object.optional("region").text().max(64).get();
        object.optional("type").one_of(&["AWS_SIGV4"]);
        object.strict();
    })?;
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::AwsSigV4, given).await
}
