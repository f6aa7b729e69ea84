//! Changes settings of the environment.

use axum::{Json, extract::State};
use tenon_engine::environments::{self, WebhookSettingsPatch};

use super::get::Body;
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Object,
};

/// Longest webhook URL.
const MAX_URL_CHARS: usize = 2_048;

/// `PATCH /environment`: what is not given stays, an empty or null URL is removed.
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller<scope::WriteEnvironment>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let patch = checked(&body)?;
    let environment = environments::patch_webhooks(&app.engine, caller.environment, patch).await?;
    Ok(Json(Body::from(environment)))
}

fn checked(body: &JsonBody) -> Result<WebhookSettingsPatch, ApiError> {
    let input = body.input();
    let object = input.object();
    let mut patch = WebhookSettingsPatch::default();
    if let Some(settings) = object.optional("webhook_settings").object() {
        patch = WebhookSettingsPatch {
            primary_url: url(&settings, "primary_url"),
            secondary_url: url(&settings, "secondary_url"),
            on_sync_completion_always: settings.optional("on_sync_completion_always").flag(),
            on_auth_creation: settings.optional("on_auth_creation").flag(),
            on_auth_refresh_error: settings.optional("on_auth_refresh_error").flag(),
            on_sync_error: settings.optional("on_sync_error").flag(),
            on_async_action_completion: settings.optional("on_async_action_completion").flag(),
        };
        settings.strict();
    }
    object.strict();
    drop(object);
    input.finish()?;
    Ok(patch)
}

fn url(settings: &Object<'_>, name: &'static str) -> Option<Option<String>> {
    if settings.optional(name).raw()?.is_null() {
        return Some(None);
    }
    let text = settings
        .optional(name)
        .text()
        .max(MAX_URL_CHARS)
        .web_url_or_empty()
        .take();
    Some(Some(text).filter(|text| !text.is_empty()))
}
