//! One integration.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::{audit::SecretOf, inbound, integrations::IntegrationError};

use super::show::Shown;
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

const INCLUDES: &[&str] = &["webhook", "credentials"];

/// `GET /integrations/{unique_key}?include=`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadIntegrations>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let include = checked(&query)?;
    let key = params.integration_key("unique_key")?;
    let found = app
        .engine
        .reader()
        .find_integration(caller.environment, key)
        .await?;
    let integration = found.ok_or_else(|| IntegrationError::Unknown(key.to_owned()))?;
    let mut shown = Shown::of(&app, &integration);
    if include.contains(&"webhook") {
        shown = shown.with_webhook_url(inbound::address(
            &app.engine,
            &caller.holder.environment_uuid,
            &integration,
        ));
    }
    if include.contains(&"credentials") {
        shown = if caller.has(scope::READ_INTEGRATION_CREDENTIALS) {
            caller.read(&app, SecretOf::Integration(integration.pk));
            shown.with_credentials(&app, &integration)
        } else {
            shown.with_hidden_credentials()
        };
    }
    Ok(Json(json!({"data": shown})))
}

fn checked(query: &Query) -> Result<Vec<&'static str>, ApiError> {
    let input = query.input();
    let object = input.object();
    let include = includes(&object.optional("include"));
    object.strict();
    drop(object);
    input.finish()?;
    Ok(include)
}

/// One word or several.
fn includes(field: &Field<'_>) -> Vec<&'static str> {
    let given = match field.raw() {
        None => return Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    };
    let known: Option<Vec<&'static str>> = given
        .into_iter()
        .map(|word| {
            INCLUDES
                .iter()
                .find(|known| word.as_str() == Some(known))
                .copied()
        })
        .collect();
    known.unwrap_or_else(|| {
        field.issue("invalid_union", "Invalid input");
        Vec::new()
    })
}
