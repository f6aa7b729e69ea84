//! Settings of the environment.

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use tenon_engine::{audit::SecretOf, environments};
use tenon_store::environments::EnvironmentRow;

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// What an environment shows of itself.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    name: String,
    uuid: String,
    webhook_signing_key: String,
    standard_webhooks_secret: String,
    webhook_settings: WebhookSettings,
    function_settings: FunctionSettings,
}

#[derive(Debug, Serialize)]
struct FunctionSettings {
    egress_mode: &'static str,
    egress_hosts: Vec<String>,
    token_mode: &'static str,
    record_validation: &'static str,
}

impl From<environments::FunctionSettings> for FunctionSettings {
    fn from(settings: environments::FunctionSettings) -> Self {
        Self {
            egress_mode: settings.egress.as_str(),
            egress_hosts: settings.egress_hosts,
            token_mode: settings.tokens.as_str(),
            record_validation: settings.validation.as_str(),
        }
    }
}

#[derive(Debug, Serialize)]
struct WebhookSettings {
    primary_url: Option<String>,
    secondary_url: Option<String>,
    on_sync_completion_always: bool,
    on_auth_creation: bool,
    on_auth_refresh_error: bool,
    on_sync_error: bool,
    on_async_action_completion: bool,
}

impl From<EnvironmentRow> for Body {
    fn from(environment: EnvironmentRow) -> Self {
        let signing_key = environment.webhook_signing_key.into_exposed();
        let webhooks = environment.webhooks;
        let functions = environments::FunctionSettings::from(&environment.functions);
        Self {
            data: Data {
                name: environment.name,
                uuid: environment.uuid,
                standard_webhooks_secret: format!("whsec_{}", STANDARD.encode(&signing_key)),
                webhook_signing_key: signing_key,
                webhook_settings: WebhookSettings {
                    primary_url: webhooks.primary_url,
                    secondary_url: webhooks.secondary_url,
                    on_sync_completion_always: webhooks.on_sync_completion_always,
                    on_auth_creation: webhooks.on_auth_creation,
                    on_auth_refresh_error: webhooks.on_auth_refresh_error,
                    on_sync_error: webhooks.on_sync_error,
                    on_async_action_completion: webhooks.on_async_action_completion,
                },
                function_settings: functions.into(),
            },
        }
    }
}

/// `GET /environment`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadEnvironment>,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let found = app
        .engine
        .reader()
        .find_environment(caller.environment)
        .await?;
    let environment = found.ok_or_else(|| ApiError::internal_text("a key without environment"))?;
    caller.read(&app, SecretOf::SigningKey);
    Ok(Json(Body::from(environment)))
}
