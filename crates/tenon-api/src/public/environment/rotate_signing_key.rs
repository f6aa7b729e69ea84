//! Replaces the key that signs webhooks.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::environments;

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /environment/webhook-signing-key/rotate`
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller<scope::RotateSigningKey>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let key = environments::rotate_signing_key(&app.engine, caller.environment).await?;
    Ok(Json(json!({"data": {"webhook_signing_key": key.expose()}})))
}
