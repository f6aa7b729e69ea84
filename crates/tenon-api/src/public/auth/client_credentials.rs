//! OAuth 2.0 client credentials of the end user.

use axum::{Json, extract::State, http::StatusCode};
use tenon_core::auth::AuthMode;

use super::outcome::{Connected, Posted, members};
use crate::{
    ApiError, App, ErrorCode, UriParams, body::JsonBody, caller::FlowCaller, query::Query,
};

/// `POST /oauth2/auth/{key}`; this route speaks the older form of errors.
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Connected>, ApiError> {
    let given = members(&body, |object| {
        for name in [
            "client_id",
            "client_secret",
            "client_certificate",
            "client_private_key",
        ] {
            object.optional(name).text().max(64 * 1024).get();
        }
    })?;
    let has = |name: &str| {
        given
            .get(name)
            .and_then(|value| value.as_str())
            .is_some_and(|text| !text.is_empty())
    };
    if !has("client_id") {
        return Err(old(
            ErrorCode::MissingClientId,
            "Missing param 'oauth_client_id'.",
        ));
    }
    if !has("client_secret") && !has("client_private_key") {
        return Err(old(
            ErrorCode::MissingClientSecret,
            "Missing param 'oauth_client_secret'.",
        ));
    }
    let posted = Posted {
        app,
        caller,
        uri,
        query,
    };
    let connected = posted
        .connect(AuthMode::OAuth2ClientCredentials, given)
        .await;
    connected.map_err(|error| match error.code {
        "invalid_auth_mode" => old(
            ErrorCode::InvalidAuthMode,
            "the integration is not authorised by client credentials",
        ),
        "unknown_provider_config" => old(
            ErrorCode::UnknownProviderConfig,
            "there is no integration of this name",
        ),
        _ => error,
    })
}

fn old(code: ErrorCode, message: &str) -> ApiError {
    ApiError::old(StatusCode::BAD_REQUEST, code, message)
}
