//! One function.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{of_integration, one, only_kind, show};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /integrations/{unique_key}/functions/{name}?type=`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let kind = only_kind(&query)?;
    let key = params.integration_key("unique_key")?;
    let functions = of_integration(&app, caller.environment, key).await?;
    let function = one(functions, params.get("name"), kind)?;
    Ok(Json(json!({ "data": show::function(&function) })))
}
