//! Actions: run and awaited, or queued with a result to fetch (scheduler.md, 4).

mod result;
mod trigger;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::header;
use tenon_engine::work::actions::{self, ActionError};

use crate::{ApiError, App};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        // Another method on this path is a look at a result whose id is no UUID, as in the reference.
        .route(
            "/action/trigger",
            post(trigger::trigger).get(result::get_trigger),
        )
        .route("/action/{id}", get(result::get))
}

/// An output, passed on as it is.
pub(super) fn output(json: Bytes) -> Response {
    let kind = "application/json; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], json).into_response()
}

/// An error of an action: its code and payload are the function's own.
pub(super) fn refusal(error: &ActionError) -> Response {
    if let ActionError::Store(_) = error {
        return ApiError::internal(error).into_response();
    }
    let (status, body) = actions::answer(error);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}
