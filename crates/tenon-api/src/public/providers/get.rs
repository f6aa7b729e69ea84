//! One provider.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{name_of, shown, unknown};
use crate::{
    ApiError, App, UriParams,
    caller::{ConnectCaller, scope},
    query::Query,
};

/// `GET /providers/{provider}`
pub(super) async fn get(
    State(app): State<App>,
    _caller: ConnectCaller<scope::ListIntegrations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let name = name_of(&params)?;
    let provider = app
        .engine
        .catalogue
        .find(name)
        .ok_or_else(|| unknown(name))?;
    Ok(Json(json!({"data": shown(&app, &provider)})))
}
