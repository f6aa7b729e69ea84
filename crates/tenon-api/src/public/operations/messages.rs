//! The lines of an operation.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::value::RawValue;
use tenon_store::messages::StoredMessage;

use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// Lines of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// A page of lines, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    messages: Vec<Shown>,
    /// Where to go on, also when nothing is there yet.
    next_cursor: String,
}

#[derive(Debug, Serialize)]
struct Shown {
    level: String,
    message: String,
    payload: Option<Box<RawValue>>,
    created_at: String,
}

impl From<StoredMessage> for Shown {
    fn from(line: StoredMessage) -> Self {
        Self {
            level: line.level,
            message: line.text,
            payload: line
                .payload
                .and_then(|text| RawValue::from_string(text).ok()),
            created_at: line.at.iso_millis(),
        }
    }
}

/// `GET /operations/{id}/messages?cursor&limit`
pub(super) async fn messages(
    State(app): State<App>,
    caller: Caller<scope::ReadOperations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    let (cursor, limit) = query.forwards(DEFAULT_LIMIT)?;
    let id = params.get("id").to_owned();
    let reader = app.engine.reader();
    let found = reader.find_operation(caller.environment, &id).await?;
    if found.is_none() {
        return Err(ApiError::not_found(format!("no operation `{id}`")));
    }
    let messages = app.engine.operations.messages().clone();
    let limit = usize::try_from(limit).unwrap_or(1);
    let read = tokio::task::spawn_blocking(move || messages.list(&id, cursor, limit));
    let lines = read
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::internal(&error))?;
    let next_cursor = lines.last().map_or(cursor, |line| line.pk);
    Ok(Json(Body {
        messages: lines.into_iter().map(Shown::from).collect(),
        next_cursor: next_cursor.to_string(),
    }))
}
