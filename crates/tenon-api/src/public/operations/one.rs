//! One operation.

use axum::{Json, extract::State};

use super::Shown;
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /operations/{id}`
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller<scope::ReadOperations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Shown>, ApiError> {
    query.none()?;
    let id = params.get("id");
    let found = app
        .engine
        .reader()
        .find_operation(caller.environment, id)
        .await?;
    let row = found.ok_or_else(|| ApiError::not_found(format!("no operation `{id}`")))?;
    Ok(Json(Shown::from(row)))
}
