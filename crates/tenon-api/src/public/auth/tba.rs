//! Tokens that were made at the provider, with the account as a parameter.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{ApiError, App, UriParams, body::JsonBody, caller::FlowCaller, query::Query};

/// `POST /auth/tba/{key}`
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |object| {
        object.required("token_id").text().min(1).max(4096).take();
        object
            .required("token_secret")
            .text()
            .min(1)
            .max(4096)
            .take();
        object
            .optional("oauth_client_id_override")
            .text()
            .max(4096)
            .get();
        object
            .optional("oauth_client_secret_override")
            .text()
            .max(4096)
            .get();
        object.strict();
    })?;
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::Tba, given).await
}
