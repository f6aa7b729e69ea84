//! Operations, newest first.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_core::{Timestamp, limits};
use tenon_store::operations::OperationRow;

use super::Shown;
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// Operations of a page unless the caller says otherwise.
const DEFAULT_LIMIT: i64 = 50;

/// A page of operations.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    operations: Vec<Shown>,
    /// Where older ones begin; null where there are none.
    next_cursor: Option<String>,
}

/// `GET /operations?cursor&limit`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadOperations>,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    let (place, limit) = checked(&query)?;
    let (before, before_id) = place.unwrap_or((Timestamp::from_micros(i64::MAX), String::new()));
    let rows = app
        .engine
        .reader()
        .list_operations(caller.environment, before, &before_id, limit)
        .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows.last().filter(|_| is_full).map(cursor);
    Ok(Json(Body {
        operations: rows.into_iter().map(Shown::from).collect(),
        next_cursor,
    }))
}

fn cursor(row: &OperationRow) -> String {
    format!("{}.{}", row.created_at.micros(), row.id)
}

/// Where the page begins.
type Place = Option<(Timestamp, String)>;

fn checked(query: &Query) -> Result<(Place, i64), ApiError> {
    let input = query.input();
    let object = input.object();
    let cursor = object.optional("cursor").text().get();
    let limit = object.optional("limit").integer_text(1, limits::PAGE);
    let place = cursor.as_deref().map(|text| {
        let (micros, id) = text.split_once('.')?;
        Some((Timestamp::from_micros(micros.parse().ok()?), id.to_owned()))
    });
    if place == Some(None) {
        input.issue(
            "invalid_value",
            vec!["cursor".to_owned()],
            "must be the `next_cursor` of an earlier page",
        );
    }
    object.strict();
    drop(object);
    input.finish()?;
    Ok((place.flatten(), limit.unwrap_or(DEFAULT_LIMIT)))
}
