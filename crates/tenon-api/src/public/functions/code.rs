//! The source of a function, as it was deployed.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{of_integration, one, only_kind};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /integrations/{unique_key}/functions/{name}/code?type=`
pub(super) async fn code(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let kind = only_kind(&query)?;
    let key = params.integration_key("unique_key")?;
    let functions = of_integration(&app, caller.environment, key).await?;
    let function = one(functions, params.get("name"), kind)?;
    let code = app.engine.reader().function_code(function.pk).await?;
    Ok(Json(json!({ "type": function.kind, "code": code })))
}
