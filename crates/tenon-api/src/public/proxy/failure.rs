//! What the caller sees when there is no answer to pass on (auth-and-proxy.md, 10.4 and 10.5).

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tenon_engine::{
    auth::refresh::{CredentialsError, RefreshError},
    proxy::ProxyError,
};

use crate::{ApiError, ErrorCode};

/// A failure of the proxy: our envelope, or the bare object for a provider that did not answer.
#[derive(Debug)]
pub(super) enum Failure {
    Api(ApiError),
    NoAnswer {
        method: String,
        code: &'static str,
        message: String,
    },
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Api(error) => error.into_response(),
            Self::NoAnswer {
                method,
                code,
                message,
            } => {
                let body = json!({"message": message, "code": code, "method": method});
                (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
            }
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Self {
        let bad = |code| Self::Api(ApiError::bad_request(code, &error));
        match &error {
            ProxyError::Credentials(source) => Self::Api(credentials(source)),
            ProxyError::MissingApiUrl(_) | ProxyError::InvalidBaseUrl(_) => {
                bad(ErrorCode::MissingApiUrl)
            }
            ProxyError::NotAllowed(_) => bad(ErrorCode::BaseUrlOverrideNotAllowed),
            ProxyError::InvalidQueryParams => bad(ErrorCode::InvalidQueryParams),
            ProxyError::InvalidCertificate(_) => bad(ErrorCode::InvalidCertificateOrKeyFormat),
            ProxyError::UnsupportedAuth(_) => bad(ErrorCode::UnsupportedAuth),
            ProxyError::Header(_) => bad(ErrorCode::InvalidHeaders),
            ProxyError::Body(_) => bad(ErrorCode::InvalidBody),
            ProxyError::NoAnswer { method, source } => Self::NoAnswer {
                method: method.as_str().to_ascii_lowercase(),
                code: source.code(),
                message: source.to_string(),
            },
        }
    }
}

fn credentials(error: &CredentialsError) -> ApiError {
    match error {
        CredentialsError::UnknownIntegration(_) => ApiError::new(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownProviderConfig,
            error,
        ),
        CredentialsError::UnknownConnection { .. } => {
            ApiError::bad_request(ErrorCode::ServerError, error)
        }
        CredentialsError::UnknownProvider(_) => {
            ApiError::bad_request(ErrorCode::UnknownProvider, error)
        }
        CredentialsError::Refresh { source, .. } => {
            let (status, _) = source.wire();
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let code = match source {
                RefreshError::BackOff { .. } => ErrorCode::ConnectionRefreshBackoff,
                RefreshError::Exhausted
                | RefreshError::OutcomeLost
                | RefreshError::Provider { .. }
                | RefreshError::Busy => ErrorCode::ServerError,
            };
            ApiError::new(status, code, source)
        }
        CredentialsError::Store(_) => ApiError::internal(error),
    }
}
