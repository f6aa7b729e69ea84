//! Once more.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::delivery;

use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /webhooks/deliveries/{id}/replay`: sends it again under the same `webhook-id`, whatever became of it before.
pub(super) async fn replay(
    State(app): State<App>,
    caller: Caller<scope::ReplayWebhooks>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let id = uri.get("id");
    if !delivery::replay(&app.engine, caller.environment, id).await? {
        return Err(ApiError::not_found(format!("no delivery `{id}`")));
    }
    Ok(Json(json!({"success": true})))
}
