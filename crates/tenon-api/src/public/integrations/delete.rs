//! Deletes an integration with all that hangs on it.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::integrations;

use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `DELETE /integrations/{unique_key}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::DeleteIntegrations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let key = params.integration_key("unique_key")?;
    integrations::delete(&app.engine, caller.environment, key).await?;
    Ok(Json(json!({"success": true})))
}
