//! What both ways of opening a session have in common (auth-and-proxy.md, 4.1 and 4.2).

use axum::http::StatusCode;
use serde_json::{Map, Value};
use tenon_core::names::EnvironmentPk;
use tenon_engine::connections::tags::{self, EndUser};

use crate::{
    ApiError, App, ErrorCode, Issue,
    public::connections::{end_user, organization, tags as tags_of, webhook_url},
    validate::{Field, Object, is_web_url},
};

/// Most integrations that a session names.
const MAX_INTEGRATIONS: usize = 1_000;

/// The checked members that both requests share.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) end_user: Option<EndUser>,
    pub(super) tags: Option<Map<String, Value>>,
    pub(super) defaults: Option<Map<String, Value>>,
    pub(super) overrides: Option<Map<String, Value>>,
    pub(super) webhook_url_override: Option<String>,
    /// Ours: whether the session may list, reconnect and delete the connections of its end user.
    pub(super) manage_connections: Option<bool>,
    /// Ours: whether it asks for the settings of syncs.
    pub(super) ask_settings: Option<bool>,
}

impl Common {
    /// Reads them; whether an end user is demanded is up to the caller.
    pub(super) fn checked(object: &Object<'_>, demand_end_user: bool) -> Self {
        let field = if demand_end_user {
            object.required("end_user")
        } else {
            object.optional("end_user")
        };
        let mut end_user = end_user(field);
        let organization = organization(object);
        if let Some(user) = &mut end_user {
            user.organization = organization;
        }
        let tags = tags_of(object.optional("tags"));
        let mut defaults = config_defaults(object.optional("integrations_config_defaults"));
        let overrides = overrides(object.optional("overrides"));
        let given_url = webhook_url(object.optional("webhook_url_override"));
        let hoisted = defaults.as_mut().and_then(take_webhook_url);
        Self {
            end_user,
            tags,
            defaults,
            overrides,
            webhook_url_override: given_url.or(hoisted),
            manage_connections: object.optional("manage_connections").flag(),
            ask_settings: object.optional("ask_settings").flag(),
        }
    }

    /// Tags of the connections to come; `None` if nothing was said about them.
    pub(super) fn merged_tags(&self) -> Option<Value> {
        let said = self.end_user.is_some() || self.tags.is_some();
        said.then(|| Value::Object(tags::merged(self.end_user.as_ref(), self.tags.as_ref())))
    }

    /// Refuses integrations that do not exist, and what this server does not offer.
    pub(super) async fn check_names(
        &self,
        app: &App,
        environment: EnvironmentPk,
        allowed: &[String],
    ) -> Result<(), ApiError> {
        let existing: Vec<String> = app
            .engine
            .reader()
            .list_integrations(environment)
            .await?
            .into_iter()
            .map(|integration| integration.unique_key)
            .collect();
        let mut issues = Vec::new();
        for (index, key) in allowed.iter().enumerate() {
            unknown(
                &existing,
                key,
                &["allowed_integrations", &index.to_string()],
                &mut issues,
            );
        }
        for key in self.defaults.iter().flat_map(Map::keys) {
            unknown(
                &existing,
                key,
                &["integrations_config_defaults", key],
                &mut issues,
            );
        }
        for key in self.overrides.iter().flat_map(Map::keys) {
            unknown(&existing, key, &["overrides", key], &mut issues);
        }
        if !issues.is_empty() {
            return Err(ApiError::invalid(ErrorCode::InvalidBody, issues));
        }
        if self
            .overrides
            .as_ref()
            .is_some_and(|overrides| !overrides.is_empty())
        {
            // The reference offers this on paid plans only and answers 403 wherever there is none.
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Forbidden,
                "overriding documentation links is not available on this server",
            ));
        }
        Ok(())
    }
}

fn unknown(existing: &[String], key: &str, path: &[&str], issues: &mut Vec<Issue>) {
    if !existing.iter().any(|name| name == key) {
        issues.push(Issue::custom(
            path,
            format!("there is no integration `{key}`"),
        ));
    }
}

/// Settings by integration, which win over what the browser sends.
fn config_defaults(field: Field<'_>) -> Option<Map<String, Value>> {
    let whole = field.clone();
    let object = field.object()?;
    if object.map().is_some_and(|map| map.len() > MAX_INTEGRATIONS) {
        whole.issue("too_big", "too many integrations");
    }
    for (_, entry) in object.entries() {
        let Some(entry) = entry.object() else {
            continue;
        };
        entry.optional("user_scopes").text().take();
        if let Some(params) = entry.optional("authorization_params").object() {
            for (_, value) in params.entries() {
                value.text().take();
            }
        }
        if let Some(config) = entry.optional("connection_config").object() {
            config.optional("oauth_scopes_override").text().take();
            config
                .optional("webhook_url")
                .text()
                .matches(
                    |text| text.is_empty() || is_web_url(text),
                    "be an http or https URL",
                )
                .take();
        }
        entry.strict();
    }
    object.map().cloned()
}

fn overrides(field: Field<'_>) -> Option<Map<String, Value>> {
    let object = field.object()?;
    for (_, entry) in object.entries() {
        let Some(entry) = entry.object() else {
            continue;
        };
        entry.optional("docs_connect").text().url().take();
        entry.strict();
    }
    object.map().cloned()
}

/// An older place for the webhook URL: taken out of the settings, so that it cannot reach a connection's config.
fn take_webhook_url(defaults: &mut Map<String, Value>) -> Option<String> {
    let mut found = None;
    for entry in defaults.values_mut() {
        let config = entry
            .get_mut("connection_config")
            .and_then(Value::as_object_mut);
        let url = config.and_then(|config| config.shift_remove("webhook_url"));
        found = found.or_else(|| url.and_then(|url| url.as_str().map(str::to_owned)));
    }
    found
}

/// A list of integration keys.
pub(super) fn integration_keys(field: Field<'_>) -> Option<Vec<String>> {
    let items = field.items(MAX_INTEGRATIONS)?;
    Some(items.texts(|text| text))
}
