//! Trying records again, after the schema or the function was mended.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_core::names::EnvironmentPk;
use tenon_engine::{records, records::QuarantineFilter};

use super::filter;
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /quarantine/retry`: the syncs of these records run now and save what fits by then.
pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller<scope::WriteRecords>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let filter = checked(&body, caller.environment)?;
    let count = records::retry_quarantined(&app.engine, filter).await?;
    Ok(Json(json!({ "retried": count })))
}

fn checked(body: &JsonBody, environment: EnvironmentPk) -> Result<QuarantineFilter, ApiError> {
    let input = body.input();
    let object = input.object();
    let mut filter = filter(&object, environment);
    let id = object.optional("id");
    let text = id.clone().text().max(20).get();
    object.strict();
    filter.pk = match text.as_deref().map(str::parse) {
        None => None,
        Some(Ok(pk)) => Some(pk),
        Some(Err(_)) => {
            id.issue("invalid_format", "Invalid id");
            None
        }
    };
    drop((id, object));
    input.finish()?;
    Ok(filter)
}
