//! Configures a provider.

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};
use tenon_engine::integrations::{self, NewIntegration};

use super::{credentials, refused_at_creation, show::Shown};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

/// Longest value of `integration_config`.
const MAX_CONFIG_CHARS: usize = 8_192;

/// `POST /integrations`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::CreateIntegrations>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let new = checked(&body)?;
    let integration = integrations::create(&app.engine, caller.environment, new)
        .await
        .map_err(refused_at_creation)?;
    Ok(Json(json!({"data": Shown::of(&app, &integration)})))
}

fn checked(body: &JsonBody) -> Result<NewIntegration, ApiError> {
    let input = body.input();
    let object = input.object();
    let new = NewIntegration {
        provider: object.required("provider").text().provider_name().take(),
        unique_key: object
            .required("unique_key")
            .text()
            .integration_key()
            .take(),
        display_name: object.optional("display_name").text().min(1).max(255).get(),
        forward_webhooks: object.optional("forward_webhooks").flag().unwrap_or(true),
        credentials: credentials::checked(object.optional("credentials")),
        config: texts(object.optional("integration_config"), MAX_CONFIG_CHARS),
        custom: texts(object.optional("custom"), MAX_CONFIG_CHARS),
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(new)
}

/// An object of texts.
pub(super) fn texts(field: Field<'_>, max_chars: usize) -> Option<Map<String, Value>> {
    let object = field.object()?;
    for (_, value) in object.entries() {
        value.text().max(max_chars).take();
    }
    object.map().cloned()
}
