//! Compiles a function.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::function::BuildFailure;
use tenon_engine::work::rehearsal;

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

/// `POST /functions/compile`
pub(super) async fn compile(
    State(app): State<App>,
    _caller: Caller<scope::Deploy>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let code = checked(&body)?;
    let javascript = app.engine.runner.compile(code).await?;
    Ok(Json(json!({
        "bundle_size_bytes": javascript.len(),
        "bundled_js": javascript,
        "compiled_at": app.engine.clock.now().iso_millis(),
    })))
}

fn checked(body: &JsonBody) -> Result<String, ApiError> {
    let input = body.input();
    let object = input.object();
    let code = source(object.required("code"));
    object.strict();
    drop(object);
    input.finish()?;
    Ok(code)
}

/// Source of a function, of a size that is compiled here.
pub(super) fn source(field: Field<'_>) -> String {
    let whole = field.clone();
    let code = field.text().min(1).take();
    if code.len() > rehearsal::SOURCE_BYTES {
        let message = format!(
            "at most {} bytes are compiled here",
            rehearsal::SOURCE_BYTES
        );
        whole.issue("too_big", message);
    }
    code
}

impl From<BuildFailure> for ApiError {
    fn from(failure: BuildFailure) -> Self {
        match failure {
            BuildFailure::Unavailable => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::ExecutionEnvironmentUnavailable,
                &failure,
            ),
            BuildFailure::Rejected(_) => Self::bad_request(ErrorCode::CompilationError, &failure),
        }
    }
}
