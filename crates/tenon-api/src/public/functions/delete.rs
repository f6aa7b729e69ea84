//! Deletes a function.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::work::deploy;

use super::{of_integration, one, the_kind};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `DELETE /integrations/{unique_key}/functions/{name}?type=`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let kind = the_kind(&query)?;
    let key = params.integration_key("unique_key")?;
    let functions = of_integration(&app, caller.environment, key).await?;
    let function = one(functions, params.get("name"), Some(kind))?;
    deploy::delete_function(&app.engine, &function).await?;
    Ok(Json(json!({ "success": true })))
}
