//! What command-line tools report about themselves.

use axum::{Router, http::StatusCode, routing::post};

use crate::{ApiError, App, body::JsonBody};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/cli/telemetry", post(telemetry))
}

/// `POST /cli/telemetry`: published command lines send it without a key and wait for the answer. Nothing is kept.
pub async fn telemetry(body: JsonBody) -> Result<StatusCode, ApiError> {
    let input = body.input();
    let object = input.object();
    object.required("deviceId").text().uuid().take();
    object.required("event").text().min(1).max(255).take();
    object.optional("ephemeral").flag();
    drop(object);
    input.finish()?;
    Ok(StatusCode::NO_CONTENT)
}
