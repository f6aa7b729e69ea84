//! Changes an integration.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::integrations::{self, IntegrationPatch};

use super::{create::texts, credentials, show::Shown};
use crate::{
    ApiError, App, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Longest value of `integration_config` and `custom`.
const MAX_CONFIG_CHARS: usize = 8_192;

/// `PATCH /integrations/{unique_key}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller<scope::UpdateIntegrations>,
    params: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let key = params.integration_key("unique_key")?;
    let patch = checked(&body)?;
    let integration = integrations::update(&app.engine, caller.environment, key, patch).await?;
    Ok(Json(json!({"data": Shown::of(&app, &integration)})))
}

fn checked(body: &JsonBody) -> Result<IntegrationPatch, ApiError> {
    let input = body.input();
    let object = input.object();
    let patch = IntegrationPatch {
        unique_key: object.optional("unique_key").text().integration_key().get(),
        display_name: object.optional("display_name").text().min(1).max(255).get(),
        credentials: credentials::checked(object.optional("credentials")),
        forward_webhooks: object.optional("forward_webhooks").flag(),
        config: texts(object.optional("integration_config"), MAX_CONFIG_CHARS),
        custom: texts(object.optional("custom"), MAX_CONFIG_CHARS),
        own_callback: object.optional("own_callback_url").flag(),
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(patch)
}
