//! Dropping payloads that the app has read.

use axum::{Json, extract::State, http::HeaderMap};
use serde::Serialize;
use tenon_core::{
    cursor::{Cursor, MAX_CURSOR_CHARS},
    limits::RECORDS_PAGE,
};
use tenon_engine::records;

use super::place::{ConnectionNames, ModelName};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Records that one call prunes, unless the caller wants another number.
const DEFAULT_LIMIT: i64 = 1_000;

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    count: u64,
    has_more: bool,
}

struct Params {
    model: ModelName,
    until: Cursor,
    limit: usize,
}

/// `PATCH /records/prune`
pub(super) async fn prune(
    State(app): State<App>,
    caller: Caller<scope::WriteRecords>,
    headers: HeaderMap,
    query: Query,
    body: JsonBody,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let names = ConnectionNames::from_headers(&headers)?;
    let params = checked(&body)?;
    let key = names.model(&app, caller.environment, &params.model).await?;
    let pruned = records::prune(&app.engine, key, params.until, params.limit).await?;
    Ok(Json(Body {
        count: pruned.count,
        has_more: pruned.has_more,
    }))
}

fn checked(body: &JsonBody) -> Result<Params, ApiError> {
    let input = body.input();
    let object = input.object();
    let model = ModelName::checked(&object);
    let field = object.required("until_cursor");
    let text = field.clone().text().min(1).max(MAX_CURSOR_CHARS).take();
    let limit = object
        .optional("limit")
        .integer(1, i64::try_from(RECORDS_PAGE).unwrap_or(i64::MAX));
    object.strict();
    let until = Cursor::decode(&text);
    if until.is_none() && input.is_clean() {
        field.issue("invalid_format", "Invalid cursor");
    }
    drop((field, object));
    input.finish()?;
    let Some(until) = until else {
        return Err(ApiError::invalid_body("`until_cursor` cannot be read"));
    };
    Ok(Params {
        model,
        until,
        limit: usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(1),
    })
}
