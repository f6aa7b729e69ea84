//! Deployments, the newest first.

use axum::{Json, extract::State};
use serde::Serialize;

use super::show::Shown;
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// A page of deployments.
#[derive(Debug, Serialize)]
pub(super) struct List {
    deployments: Vec<Shown>,
    /// Null on the last page.
    next_cursor: Option<String>,
}

/// `GET /deployments?limit=&cursor=`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    query: Query,
) -> Result<Json<List>, ApiError> {
    let (limit, before) = checked(&query)?;
    let rows = app
        .engine
        .reader()
        .list_deployments(caller.environment, before, limit)
        .await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = rows.last().map(|row| row.pk.to_string());
    Ok(Json(List {
        next_cursor: last.filter(|_| full),
        deployments: rows.into_iter().map(Shown::from).collect(),
    }))
}

fn checked(query: &Query) -> Result<(i64, i64), ApiError> {
    let input = query.input();
    let object = input.object();
    let limit = object.optional("limit").integer_text(1, MAX_LIMIT);
    let before = object.optional("cursor").integer_text(0, i64::MAX);
    object.strict();
    drop(object);
    input.finish()?;
    Ok((limit.unwrap_or(DEFAULT_LIMIT), before.unwrap_or(i64::MAX)))
}
