//! User name, password, organization and developer key that open a session.

use axum::{Json, extract::State};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{ApiError, App, UriParams, body::JsonBody, caller::FlowCaller, query::Query};

/// `POST /auth/bill/{key}`
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |object| {
        for name in ["username", "password", "organization_id", "dev_key"] {
            object.required(name).text().min(1).max(4096).take();
        }
        object.optional("type").one_of(&["BILL"]);
        object.strict();
    })?;
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    posted.connect(AuthMode::Bill, given).await
}
