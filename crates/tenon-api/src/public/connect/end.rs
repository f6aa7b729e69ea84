//! Ends a session.

use axum::{extract::State, http::StatusCode};
use tenon_engine::connections::sessions;

use crate::{ApiError, App, caller::SessionCaller, query::Query};

/// `DELETE /connect/session`
pub(super) async fn end(
    State(app): State<App>,
    SessionCaller(session): SessionCaller,
    query: Query,
) -> Result<StatusCode, ApiError> {
    query.none()?;
    sessions::end(&app.engine, session.pk).await?;
    Ok(StatusCode::NO_CONTENT)
}
