//! Tries a function out: it really reads, and writes nothing.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::{Timestamp, function::FunctionKind, names::EnvironmentPk};
use tenon_engine::work::rehearsal::{self, JobState, Rehearsal, RehearsalError};
use tenon_store::work::jobs::JobRow;

use super::compile::source;
use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

const TYPES: &[&str] = &["action", "sync"];

/// `POST /functions/dryruns`
pub(super) async fn begin(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let rehearsal = checked(&body, caller.environment)?;
    let job = rehearsal::rehearse(&app.engine, rehearsal).await?;
    Ok((StatusCode::ACCEPTED, Json(begun(&job))))
}

/// `GET /functions/dryruns/{id}`
pub(super) async fn look(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let found =
        rehearsal::find(&app.engine, caller.environment, "dryrun", params.get("id")).await?;
    let job = found.ok_or_else(|| {
        let message = format!("no dry run `{}`", params.get("id"));
        ApiError::new(StatusCode::NOT_FOUND, ErrorCode::DryrunNotFound, message)
    })?;
    Ok(Json(shown(&job)))
}

fn checked(body: &JsonBody, environment: EnvironmentPk) -> Result<Rehearsal, ApiError> {
    let input = body.input();
    let object = input.object();
    let integration = object.required("integration_id");
    let integration = integration.text().integration_key().take();
    let kind = match object.required("function_type").one_of(TYPES) {
        Some("sync") => FunctionKind::Sync,
        _ => FunctionKind::Action,
    };
    let code = source(object.required("code"));
    let connection = object.required("connection_id");
    let connection = connection.text().min(1).connection_id().take();
    let value = |name| object.optional(name).raw().cloned();
    let (input_value, metadata, checkpoint) =
        (value("input"), value("metadata"), value("checkpoint"));
    for name in ["metadata", "checkpoint"] {
        object.optional(name).any_object();
    }
    let last_sync_date = date(object.optional("last_sync_date"));
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Rehearsal {
        environment,
        integration,
        kind,
        code,
        connection,
        input: input_value.unwrap_or_default(),
        metadata,
        checkpoint,
        last_sync_date,
    })
}

fn date(field: Field<'_>) -> Option<Timestamp> {
    let whole = field.clone();
    let text = field.text().get()?;
    let day = || Timestamp::parse_iso(&format!("{text}T00:00:00Z"));
    let date = Timestamp::parse_iso(&text).or_else(day);
    if date.is_none() {
        whole.issue("invalid_format", "Invalid ISO datetime");
    }
    date
}

/// A job that was just begun.
pub(super) fn begun(job: &JobRow) -> Value {
    json!({
        "id": job.id,
        "status": job.state,
        "created_at": job.created_at.iso_millis(),
    })
}

/// A job with what was asked for and what came of it.
pub(super) fn shown(job: &JobState) -> Value {
    let mut shown = begun(&job.row);
    let members = [&job.request, &job.ended];
    for (name, value) in members.into_iter().filter_map(Value::as_object).flatten() {
        shown[name] = value.clone();
    }
    if let Some(at) = job.row.finished_at {
        shown["completed_at"] = json!(at.iso_millis());
    }
    shown
}

impl From<RehearsalError> for ApiError {
    fn from(error: RehearsalError) -> Self {
        match &error {
            RehearsalError::UnknownIntegration(_) => Self::new(
                StatusCode::NOT_FOUND,
                ErrorCode::IntegrationNotFound,
                &error,
            ),
            RehearsalError::UnknownConnection(_) => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::ConnectionNotFound, &error)
            }
            RehearsalError::TooMany => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TooManyRequest,
                &error,
            ),
            RehearsalError::Store(_) => Self::internal(&error),
        }
    }
}
