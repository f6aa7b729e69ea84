//! Ready-made functions for a provider.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{name_of, unknown};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /providers/{provider}/templates`: this server ships no functions of its own, so the list is empty.
pub(super) async fn list(
    State(app): State<App>,
    _caller: Caller<scope::ListIntegrations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let name = name_of(&params)?;
    app.engine
        .catalogue
        .find(name)
        .ok_or_else(|| unknown(name))?;
    Ok(Json(json!({"data": []})))
}
