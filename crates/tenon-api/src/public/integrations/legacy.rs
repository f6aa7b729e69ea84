//! The older form of an integration, which old SDKs ask for.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::Secret;
use tenon_engine::{inbound, integrations::WEBHOOK_SECRET};
use tenon_store::integrations::IntegrationRow;

use crate::{
    ApiError, App, ErrorCode, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /config/{unique_key}?include_creds=`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadIntegrations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let key = params.get("unique_key");
    let found = app
        .engine
        .reader()
        .find_integration(caller.environment, key)
        .await?;
    let integration = found.ok_or_else(|| unknown(key, &caller.holder.environment_name))?;
    let (syncs, actions) = functions(&app, &integration).await?;
    let wanted = query.text("include_creds") == Some("true");
    if !wanted || !caller.has(scope::READ_INTEGRATION_CREDENTIALS) {
        return Ok(Json(json!({"config": {
            "unique_key": integration.unique_key,
            "provider": integration.provider,
            "syncs": syncs,
            "actions": actions,
        }})));
    }
    let url = inbound::address(&app.engine, &caller.holder.environment_uuid, &integration);
    let mut answer = full(&app, &integration, url).await?;
    answer["config"]["syncs"] = syncs.into();
    answer["config"]["actions"] = actions.into();
    Ok(Json(answer))
}

/// Deployed syncs and actions in short.
async fn functions(
    app: &App,
    integration: &IntegrationRow,
) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
    let deployed = app
        .engine
        .reader()
        .functions_of_integration(integration.pk)
        .await?;
    let (mut syncs, mut actions) = (Vec::new(), Vec::new());
    for function in deployed {
        let list = match function.kind.as_str() {
            "sync" => &mut syncs,
            "action" => &mut actions,
            _ => continue,
        };
        list.push(json!({"name": function.name, "created_at": function.created_at.iso_millis()}));
    }
    Ok((syncs, actions))
}

/// The refusal that older routes share.
pub(crate) fn unknown(key: &str, environment: &str) -> ApiError {
    let message = format!("there is no integration `{key}` in the environment `{environment}`");
    ApiError::old(
        StatusCode::BAD_REQUEST,
        ErrorCode::UnknownProviderConfig,
        message,
    )
    .payload(json!({"providerConfigKey": key, "environmentName": environment}))
}

async fn full(
    app: &App,
    integration: &IntegrationRow,
    webhook_url: Option<String>,
) -> Result<Value, ApiError> {
    let provider = app.engine.catalogue.find(&integration.provider);
    let secrets = &integration.secrets;
    let expose = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().clone());
    let custom = secrets.custom.expose();
    let user_defined = provider
        .as_ref()
        .is_some_and(|provider| provider.webhook_user_defined_secret);
    let connections = app
        .engine
        .reader()
        .list_connection_keys(integration.pk)
        .await?;
    Ok(json!({"config": {
        "unique_key": integration.unique_key,
        "provider": integration.provider,
        // An app id stands where other modes have a client id, its key where they have a client secret.
        "client_id": integration.client_id.as_ref().or(secrets.app_id.as_ref()),
        "client_secret": expose(&secrets.client_secret).or_else(|| expose(&secrets.private_key)),
        "custom": (!custom.is_empty()).then_some(custom),
        "scopes": integration.scopes,
        "app_link": integration.app_link,
        "auth_mode": provider.as_ref().map(|provider| provider.auth_mode),
        "created_at": integration.created_at.iso_millis(),
        "has_webhook": webhook_url.is_some(),
        "webhook_secret": custom.get(WEBHOOK_SECRET).filter(|_| user_defined),
        "webhook_url": webhook_url,
        "connections": connections.iter().map(|(_, id)| json!({"connection_id": id})).collect::<Vec<_>>(),
        "connection_count": connections.len(),
        "docs": provider.as_ref().and_then(|provider| provider.docs.clone()),
        "has_webhook_user_defined_secret": user_defined,
    }}))
}
