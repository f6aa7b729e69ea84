//! Changes settings of the environment.

use axum::{Json, extract::State};
use tenon_engine::environments::{
    self, EgressMode, FunctionSettingsPatch, MAX_EGRESS_HOSTS, TokenMode, Validation,
    WebhookSettingsPatch,
};

use super::get::Body;
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Object,
};

/// Longest name of a host.
const MAX_HOST_CHARS: usize = 253;

/// What is expected of a host.
const HOST_RULE: &str = "be `host`, `host:port` or `*.domain`";

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
    let (webhooks, functions) = checked(&body)?;
    let environment =
        environments::patch_settings(&app.engine, caller.environment, webhooks, functions).await?;
    Ok(Json(Body::from(environment)))
}

fn checked(body: &JsonBody) -> Result<(WebhookSettingsPatch, FunctionSettingsPatch), ApiError> {
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
    let mut functions = FunctionSettingsPatch::default();
    if let Some(settings) = object.optional("function_settings").object() {
        functions = function_settings(&settings);
        settings.strict();
    }
    object.strict();
    drop(object);
    input.finish()?;
    Ok((patch, functions))
}

fn function_settings(settings: &Object<'_>) -> FunctionSettingsPatch {
    let egress = settings.optional("egress_mode");
    let tokens = settings.optional("token_mode");
    let validation = settings.optional("record_validation");
    let hosts = settings.optional("egress_hosts").items(MAX_EGRESS_HOSTS);
    FunctionSettingsPatch {
        egress: egress
            .one_of(&["open", "provider-only"])
            .map(EgressMode::parse),
        egress_hosts: hosts.map(|items| {
            items.texts(|text| text.min(1).max(MAX_HOST_CHARS).matches(is_host, HOST_RULE))
        }),
        tokens: tokens
            .one_of(&["visible", "host-only"])
            .map(TokenMode::parse),
        validation: validation
            .one_of(&["off", "warn", "quarantine"])
            .map(Validation::parse),
    }
}

/// `host`, `host:port` or `*.domain`.
fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (bare, None),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty()
        && host.chars().all(named)
        && !host.starts_with('.')
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|_| bare == text))
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
