//! The document that says who we are, for servers that take a URL as client id.

use axum::http::StatusCode;

use crate::{ApiError, ErrorCode};

/// `GET /oauth/client-metadata/{environment}/{key}`: no client of ours identifies itself by a document yet.
pub(super) async fn get() -> ApiError {
    ApiError::bare(StatusCode::NOT_FOUND, ErrorCode::FeatureDisabled)
}
