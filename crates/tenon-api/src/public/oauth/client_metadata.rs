//! The document that says who we are, for servers that take a URL as client id.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tenon_engine::auth::mcp::document;

use crate::{ApiError, App, ErrorCode, UriParams};

/// How long servers may remember it.
const CACHED: &str = "public, max-age=300";

/// `GET /oauth/client-metadata/{environment}/{key}`. Where a client has no such document, the code is the one that the
/// reference gives (recorded conversation, `oauth/client metadata`).
pub(super) async fn get(State(app): State<App>, uri: UriParams) -> Result<Response, ApiError> {
    let (environment, key) = (uri.get("environment"), uri.integration_key("key")?);
    let found = document::find(&app.engine, environment, key).await?;
    let document =
        found.ok_or_else(|| ApiError::bare(StatusCode::NOT_FOUND, ErrorCode::FeatureDisabled))?;
    Ok(([(header::CACHE_CONTROL, CACHED)], Json(document)).into_response())
}
