//! What command lines report about themselves: taken, not kept.

use axum::http::StatusCode;

use crate::{ApiError, body::JsonBody, query::Query};

/// `POST /cli/telemetry`
pub(super) async fn take(query: Query, body: JsonBody) -> Result<StatusCode, ApiError> {
    query.none()?;
    let input = body.input();
    let object = input.object();
    object.required("deviceId").text().uuid().take();
    object.required("event").text().min(1).max(255).take();
    object.optional("ephemeral").flag();
    drop(object);
    input.finish()?;
    Ok(StatusCode::NO_CONTENT)
}
