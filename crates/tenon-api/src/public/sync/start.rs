//! Starts schedules.

use axum::{Json, extract::State};
use serde_json::Value;
use tenon_engine::work::commands;

use super::{selection, success};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /sync/start`
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller<scope::ExecuteSyncs>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let selection = selection::checked(&body, caller.environment)?;
    commands::start(&app.engine, &selection).await?;
    Ok(success())
}
