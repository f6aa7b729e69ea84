//! All integrations, or those that a connect session allows.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::show::Shown;
use crate::{
    ApiError, App,
    caller::{ConnectCaller, scope},
    query::Query,
};

/// `GET /integrations`
pub(super) async fn list(
    State(app): State<App>,
    caller: ConnectCaller<scope::ListIntegrations>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let mut integrations = app
        .engine
        .reader()
        .list_integrations(caller.environment())
        .await?;
    let allowed = allowed(&caller);
    if !allowed.is_empty() {
        integrations.retain(|integration| allowed.contains(&integration.unique_key));
    }
    let shown: Vec<Shown> = integrations
        .iter()
        .map(|integration| Shown::of(&app, integration))
        .collect();
    Ok(Json(json!({"data": shown})))
}

/// Keys that the caller may see; none named means all.
fn allowed(caller: &ConnectCaller<scope::ListIntegrations>) -> Vec<String> {
    let ConnectCaller::Session(session) = caller else {
        return Vec::new();
    };
    let list = session.allowed_integrations.as_deref();
    list.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
