//! A page of records in the order of their changes.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tenon_core::{
    Timestamp,
    cursor::{Cursor, MAX_CURSOR_CHARS},
    limits::RECORDS_PAGE,
};
use tenon_engine::records::{self, ListQuery, Page, RecordAction, RecordsError};

use super::place::{ConnectionNames, ModelName};
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

/// Records of a page, unless the caller wants another number.
const DEFAULT_LIMIT: i64 = 100;

/// How far back `modified_after` may reach.
const LOOK_BACK: Duration = Duration::from_secs(365 * 24 * 3600);

/// Most ids in one request.
const MAX_IDS: usize = 100;

const MAX_ID_CHARS: usize = 256;

/// `GET /records`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadRecords>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let (model, wanted) = checked(&query, app.engine.clock.now())?;
    let names = ConnectionNames::from_headers(&headers)?;
    let key = names.model(&app, caller.environment, &model).await?;
    let wanted = ListQuery {
        model: key.model,
        ..wanted
    };
    let page = records::list(&app.engine, key.environment, key.connection, wanted).await?;
    Ok(answer(page))
}

fn checked(query: &Query, now: Timestamp) -> Result<(ModelName, ListQuery), ApiError> {
    let input = query.input();
    let object = input.object();
    let model = ModelName::checked(&object);
    let modified_after = instant(object.optional("modified_after"), now);
    let delta = instant(object.optional("delta"), now);
    let limit = object
        .optional("limit")
        .integer_text(1, i64::try_from(RECORDS_PAGE).unwrap_or(i64::MAX));
    let after = cursor(object.optional("cursor"));
    let actions = actions(object.optional("filter"));
    let ids = ids(object.optional("ids"));
    object.strict();
    drop(object);
    input.finish()?;
    let wanted = ListQuery {
        after,
        modified_after: delta.or(modified_after),
        limit: usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(1),
        actions,
        ids,
        ..ListQuery::default()
    };
    Ok((model, wanted))
}

/// An instant in UTC, written with `Z`, within the last 12 months.
fn instant(field: Field<'_>, now: Timestamp) -> Option<Timestamp> {
    let oldest = now.minus(LOOK_BACK);
    let is_recent = |text: &str| {
        let day = || Timestamp::parse_iso(&format!("{text}T00:00:00Z"));
        let instant = Timestamp::parse_iso(text).or_else(day);
        instant.is_some_and(|instant| instant >= oldest)
    };
    let text = field.clone().text().get()?;
    let instant = Timestamp::parse_iso(&text).filter(|_| text.ends_with('Z'));
    if instant.is_none() {
        field.issue("invalid_format", "Invalid ISO datetime");
    }
    if !is_recent(&text) {
        field.issue("custom", "must be within the last 12 months");
    }
    instant
}

/// Unlike the reference's, a cursor that cannot be read is the caller's fault.
fn cursor(field: Field<'_>) -> Option<Cursor> {
    let text = field.clone().text().min(1).max(MAX_CURSOR_CHARS).get()?;
    let cursor = Cursor::decode(&text);
    if cursor.is_none() && !text.is_empty() && text.len() <= MAX_CURSOR_CHARS {
        field.issue("invalid_format", "Invalid cursor");
    }
    cursor
}

/// `added,updated,deleted` in any case. Several mean any of them.
fn actions(field: Field<'_>) -> Vec<RecordAction> {
    let Some(text) = field.clone().text().get() else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    for (place, word) in text.split(',').enumerate() {
        match word.to_ascii_lowercase().as_str() {
            "added" => actions.push(RecordAction::Added),
            "updated" => actions.push(RecordAction::Updated),
            "deleted" => actions.push(RecordAction::Deleted),
            _ => field.issue_within(
                "invalid_value",
                &place.to_string(),
                "Invalid option: expected one of \"added\"|\"updated\"|\"deleted\"",
            ),
        }
    }
    actions
}

/// One id or a list of them.
fn ids(field: Field<'_>) -> Vec<String> {
    let given: Option<Vec<&str>> = match field.raw() {
        None => return Vec::new(),
        Some(Value::String(id)) => Some(vec![id]),
        Some(Value::Array(ids)) => ids.iter().map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => None,
    };
    let fits = |id: &&str| (1..=MAX_ID_CHARS).contains(&id.chars().count());
    match given {
        Some(ids) if ids.len() <= MAX_IDS && ids.iter().all(fits) => {
            ids.into_iter().map(str::to_owned).collect()
        }
        _ => {
            field.issue("invalid_union", "Invalid input");
            Vec::new()
        }
    }
}

/// The records are JSON texts already; nothing is parsed.
fn answer(page: Page) -> Response {
    let size: usize = page.records.iter().map(|record| record.len() + 1).sum();
    let mut body = Vec::with_capacity(size + 200);
    match page.next_cursor {
        // A cursor is base64, which needs no escapes.
        Some(cursor) => {
            body.extend_from_slice(b"{\"next_cursor\":\"");
            body.extend_from_slice(cursor.as_bytes());
            body.push(b'"');
        }
        None => body.extend_from_slice(b"{\"next_cursor\":null"),
    }
    body.extend_from_slice(b",\"records\":[");
    for (place, record) in page.records.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.extend_from_slice(b"]}");
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    ([(header::CONTENT_TYPE, json)], body).into_response()
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        match &error {
            // Only runs write, and they are told in their own way.
            RecordsError::LeaseLost
            | RecordsError::NotTracked { .. }
            | RecordsError::NotAnObject { .. }
            | RecordsError::QuarantineFull { .. }
            | RecordsError::Store(_) => Self::internal(&error),
        }
    }
}
