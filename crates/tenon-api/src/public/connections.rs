//! Connections of the caller's environment. Every route has a twin under the older name `/connection`.

mod delete;
mod get;
mod health;
mod import;
mod labels;
mod legacy;
mod list;
mod metadata;
mod patch;
mod show;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use tenon_engine::{
    auth::refresh::{CredentialsError, RefreshError},
    connections::{ChangeError, SettleError},
};

pub(crate) use labels::{end_user, organization, tags, webhook_url};
pub(crate) use patch::integration_of;

use crate::{ApiError, App, ErrorCode};

pub(crate) fn routes() -> Router<App> {
    let metadata = post(metadata::set).patch(metadata::merge);
    let one = get(get::get).patch(patch::patch).delete(delete::delete);
    Router::new()
        .route("/connections", get(list::list).post(import::import))
        .route("/connections/metadata", metadata.clone())
        .route("/connections/{connection_id}", one.clone())
        .route("/connections/{connection_id}/health", get(health::get))
        .route("/connection", get(list::list).post(legacy::import))
        .route("/connection/metadata", metadata)
        .route("/connection/{connection_id}", one)
        .route(
            "/connection/{connection_id}/metadata",
            post(legacy::set_metadata).patch(legacy::merge_metadata),
        )
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        match &error {
            CredentialsError::UnknownIntegration(_) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::UnknownProviderConfig,
                &error,
            ),
            CredentialsError::UnknownConnection { .. } => Self::not_found(&error),
            CredentialsError::UnknownProvider(_) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::UnknownProviderTemplate,
                &error,
            ),
            CredentialsError::Refresh { source, .. } => refused(source),
            CredentialsError::Store(_) => Self::internal(&error),
        }
    }
}

/// Credentials that did not come back: the status tells why (auth-and-proxy.md, 3.3).
pub(crate) fn refused(error: &RefreshError) -> ApiError {
    let (status, _) = error.wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    ApiError::new(status, ErrorCode::InvalidCredentials, error)
}

impl From<SettleError> for ApiError {
    fn from(error: SettleError) -> Self {
        match &error {
            SettleError::Rejected(_) => {
                Self::bad_request(ErrorCode::ConnectionValidationFailed, &error)
            }
            SettleError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match &error {
            ChangeError::UnknownIntegration(_) => {
                Self::bad_request(ErrorCode::UnknownProviderConfig, &error)
            }
            ChangeError::UnknownConnection { .. } => Self::not_found(&error),
            ChangeError::Store(_) => Self::internal(&error),
        }
    }
}
