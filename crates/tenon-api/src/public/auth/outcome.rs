//! How a posted flow ends on the wire.

use axum::{Json, http::StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenon_core::auth::AuthMode;
use tenon_engine::{
    auth::{
        direct::{self, DirectError},
        request::TokenFailure,
    },
    connections::SavedConnection,
};

use super::visitor::{refused, visitor};
use crate::{
    ApiError, App, ErrorCode, Issue, UriParams, body::JsonBody, caller::FlowCaller, query::Query,
    validate::Object,
};

/// The answer to a flow that connected.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected {
    connection_id: String,
    provider_config_key: String,
}

impl From<SavedConnection> for Connected {
    fn from(saved: SavedConnection) -> Self {
        Self {
            connection_id: saved.connection.connection_id,
            provider_config_key: saved.connection.integration_key,
        }
    }
}

/// The members of a body that has to be an object, after the checks of the route.
pub(super) fn members(
    body: &JsonBody,
    check: impl FnOnce(&Object<'_>),
) -> Result<Map<String, Value>, ApiError> {
    let input = body.input();
    let object = input.object();
    check(&object);
    let members = object.map().cloned().unwrap_or_default();
    drop(object);
    input.finish()?;
    Ok(members)
}

/// A request to an auth route, body already checked.
pub(super) struct Posted {
    pub app: App,
    pub caller: FlowCaller,
    pub uri: UriParams,
    pub query: Query,
}

impl Posted {
    /// Connects with what the body said.
    pub(super) async fn connect(
        self,
        mode: AuthMode,
        given: Map<String, Value>,
    ) -> Result<Json<Connected>, ApiError> {
        let visitor = visitor(self.caller, &self.uri, &self.query)?;
        let engine = self.app.engine.clone();
        // The caller may go away while the provider is asked; what it gave us is stored all the same.
        let connecting =
            tokio::spawn(async move { direct::connect(&engine, visitor, mode, given).await });
        match connecting.await {
            Ok(Ok(saved)) => Ok(Json(saved.into())),
            Ok(Err(error)) => Err(failed(error, mode)),
            Err(_) => Err(ApiError::internal_text("a flow panicked")),
        }
    }
}

fn failed(error: DirectError, mode: AuthMode) -> ApiError {
    match error {
        DirectError::Entrance(error) => refused(error),
        DirectError::Missing(name) => {
            let issue = Issue::custom(&["params", name], format!("`{name}` is missing"));
            ApiError::invalid(ErrorCode::InvalidQueryParams, vec![issue])
        }
        DirectError::Token(failure) => no_token(&failure, mode),
        DirectError::TestFailed(_) => {
            ApiError::bad_request(ErrorCode::ConnectionTestFailed, &error)
        }
        DirectError::Rejected(error) => {
            ApiError::bad_request(ErrorCode::ConnectionValidationFailed, &error)
        }
        DirectError::Store(error) => error.into(),
    }
}

/// The provider gave no token: the code of the mode, and what the provider said.
fn no_token(failure: &TokenFailure, mode: AuthMode) -> ApiError {
    let code = match (mode, failure.cause.as_str()) {
        (AuthMode::OAuth2ClientCredentials, _) => ErrorCode::ClientCredentialsFetchError,
        (AuthMode::TwoStep, "invalid_two_step_credentials") => ErrorCode::InvalidTwoStepCredentials,
        (AuthMode::TwoStep, _) => ErrorCode::TwoStepCredentialsFetchError,
        (_, "unsupported_signature_protocol") => ErrorCode::UnsupportedSignatureProtocol,
        (AuthMode::Jwt | AuthMode::Signature, _) => ErrorCode::SignatureTokenGenerationError,
        (AuthMode::AwsSigV4, cause) => aws_code(cause),
        (_, _) => ErrorCode::RequestTokenExternalError,
    };
    let payload = match (mode, &failure.body) {
        (AuthMode::OAuth2ClientCredentials, Some(body)) => {
            let said: Value = serde_json::from_str(body).unwrap_or_else(|_| body.as_str().into());
            json!({ "provider_error_payload": said }).to_string()
        }
        (_, _) => failure.reason.clone(),
    };
    let status = match code {
        ErrorCode::AwsSigv4StsRequestFailed => StatusCode::BAD_GATEWAY,
        _ => StatusCode::BAD_REQUEST,
    };
    ApiError::old(status, code, failure).payload(payload.into())
}

fn aws_code(cause: &str) -> ErrorCode {
    match cause {
        "missing_aws_sigv4_config" => ErrorCode::MissingAwsSigv4Config,
        "missing_aws_sigv4_service" => ErrorCode::MissingAwsSigv4Service,
        "missing_aws_sigv4_sts_endpoint" => ErrorCode::MissingAwsSigv4StsEndpoint,
        "missing_aws_sigv4_builtin_credentials" => ErrorCode::MissingAwsSigv4BuiltinCredentials,
        "missing_aws_sigv4_region" => ErrorCode::MissingAwsSigv4Region,
        "missing_aws_sigv4_role_arn" => ErrorCode::MissingAwsSigv4RoleArn,
        "invalid_aws_sigv4_config" => ErrorCode::InvalidAwsSigv4Config,
        _ => ErrorCode::AwsSigv4StsRequestFailed,
    }
}
