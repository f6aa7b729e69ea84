//! Deploys.

use axum::{Json, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use tenon_engine::work::deploy;

use super::{body, cli_version};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /sync/deploy`
pub(super) async fn apply(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    cli_version::check(&headers)?;
    query.none()?;
    let deployment = body::checked(&body, caller.environment, body::Door::Deploy)?;
    let deployed = deploy::apply(&app.engine, deployment).await?;
    let list = deployed
        .into_iter()
        .map(|one| {
            json!({
                "name": one.name,
                "models": one.models,
                "version": one.version,
                "providerConfigKey": one.integration,
                "type": one.kind,
            })
        })
        .collect();
    Ok(Json(Value::Array(list)))
}
