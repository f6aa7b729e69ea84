//! Failures of ours: logged once with their causes, shown as an id to ask about.

use std::any::Any;

use axum::{
    Json,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tracing::error;

use crate::{ApiError, App, ErrorCode, error::InternalCause};

/// Gives every failure of ours a support id.
pub(super) fn explain(app: &App, method: &Method, uri: &Uri, mut response: Response) -> Response {
    let Some(InternalCause(cause)) = response.extensions_mut().remove() else {
        return response;
    };
    let id = app.engine.ids.uuid4();
    error!(support.id = %id, %method, path = uri.path(), "request failed: {cause}");
    let status = response.status();
    let (code, message) = if status == StatusCode::INTERNAL_SERVER_ERROR {
        (
            ErrorCode::GenericErrorSupport,
            "something went wrong on our side",
        )
    } else {
        (
            ErrorCode::ServiceUnavailable,
            "the service cannot store anything just now, try again soon",
        )
    };
    let body = json!({"error": {
        "message": format!("{message}; ask the operator about {id}"),
        "code": code.as_str(),
        "payload": id.to_string(),
    }});
    let kept = response.headers().clone();
    let mut answer = (status, Json(body)).into_response();
    for (name, value) in &kept {
        if !matches!(name.as_str(), "content-length" | "content-type") {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer
}

/// What a panic turns into.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError::internal_text(format!("a handler panicked: {what}")).into_response()
}
