//! An integration as clients read it (auth-and-proxy.md, 3.2).

use serde::Serialize;
use serde_json::{Value, json};
use tenon_core::auth::AuthMode;
use tenon_engine::integrations;
use tenon_store::integrations::IntegrationRow;

use crate::{App, public::providers};

/// The public form of an integration.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    unique_key: String,
    provider: String,
    display_name: String,
    logo: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preconfigured_credentials: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Value>,
    forward_webhooks: bool,
    /// Only where the integration has one of its own: clients of the reference do not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    own_callback_url: Option<bool>,
    created_at: String,
    updated_at: String,
}

impl Shown {
    /// Without what must be asked for.
    pub(super) fn of(app: &App, integration: &IntegrationRow) -> Self {
        let provider = app.engine.catalogue.find(&integration.provider);
        let display_name = integration.display_name.clone().or_else(|| {
            provider
                .as_ref()
                .map(|provider| provider.display_name.clone())
        });
        // Values that the owner has set already: the end user is not asked for them.
        let preset = provider.as_ref().map_or_else(Vec::new, |provider| {
            let config = integration.full_config();
            let names = provider.credentials.keys();
            names
                .filter(|name| config.contains_key(*name))
                .cloned()
                .collect()
        });
        Self {
            unique_key: integration.unique_key.clone(),
            provider: integration.provider.clone(),
            display_name: display_name.unwrap_or_else(|| integration.provider.clone()),
            logo: providers::logo_url(app, &integration.provider),
            preconfigured_credentials: preset,
            webhook_url: None,
            credentials: None,
            forward_webhooks: integration.forward_webhooks,
            own_callback_url: integration.own_callback.then_some(true),
            created_at: integration.created_at.iso_millis(),
            updated_at: integration.updated_at.iso_millis(),
        }
    }

    /// Adds where the provider is to send webhooks; null where it cannot be routed.
    pub(super) fn with_webhook_url(mut self, url: Option<String>) -> Self {
        self.webhook_url = Some(json!(url));
        self
    }

    /// Adds the owner's credentials; null where the auth mode has none.
    pub(super) fn with_credentials(mut self, app: &App, integration: &IntegrationRow) -> Self {
        let mode = app
            .engine
            .catalogue
            .find(&integration.provider)
            .map_or(AuthMode::None, |provider| provider.auth_mode);
        self.credentials = Some(json!(integrations::shown_credentials(mode, integration)));
        self
    }

    /// Says that the key may not see credentials.
    pub(super) fn with_hidden_credentials(mut self) -> Self {
        self.credentials = Some(json!({}));
        self
    }
}
