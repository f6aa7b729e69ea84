//! Pauses schedules and cancels what runs for them.

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

/// `POST /sync/pause`
pub(super) async fn pause(
    State(app): State<App>,
    caller: Caller<scope::ExecuteSyncs>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let selection = selection::checked(&body, caller.environment)?;
    commands::pause(&app.engine, &selection).await?;
    Ok(success())
}
