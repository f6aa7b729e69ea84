//! Credentials as templates and signatures see them.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::{AuthMode, CredentialsJson},
};
use tenon_providers::{Provider, template::Scope};

use crate::{
    auth::{
        dpop::{self, DpopKey},
        refresh::ConnectionWithCredentials,
    },
    egress::ClientIdentity,
};

/// Everything that authorises a request.
#[derive(Clone, Copy)]
pub(super) struct Auth<'a> {
    pub(super) mode: AuthMode,
    pub(super) credentials: &'a CredentialsJson,
    pub(super) connection_config: &'a Map<String, Value>,
    /// Values of the provider's `integration_config`.
    pub(super) integration_config: &'a Map<String, Value>,
    pub(super) client_id: Option<&'a str>,
    pub(super) client_secret: Option<&'a str>,
    /// What the token is bound to.
    pub(super) dpop_key: Option<&'a DpopKey>,
}

impl<'a> Auth<'a> {
    /// Of a stored connection.
    pub(super) fn of(
        connection: &'a ConnectionWithCredentials,
        integration_config: &'a Map<String, Value>,
    ) -> Self {
        Self {
            mode: connection.auth_mode,
            credentials: connection.credentials.expose(),
            connection_config: &connection.connection_config,
            integration_config,
            client_id: connection.client_id.as_deref(),
            client_secret: connection
                .client_secret
                .as_ref()
                .map(|secret| secret.expose().as_str()),
            dpop_key: connection
                .dpop_key
                .as_ref()
                .filter(|_| dpop::is_bound(connection.credentials.expose())),
        }
    }

    /// A text member of the credentials.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.credentials.get(name).and_then(Value::as_str)
    }

    /// Client id and secret: the connection's own pair wins.
    pub(super) fn client(&self) -> (Option<&'a str>, Option<&'a str>) {
        let own = |name| {
            self.credentials
                .get("config_override")
                .and_then(|own| own.get(name))
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        (
            own("client_id").or(self.client_id),
            own("client_secret").or(self.client_secret),
        )
    }

    /// What `${accessToken}` is.
    pub(super) fn access_token(&self) -> Option<&'a str> {
        match self.mode {
            AuthMode::OAuth2
            | AuthMode::McpOAuth2
            | AuthMode::McpOAuth2Generic
            | AuthMode::App
            | AuthMode::Custom => self
                .text("access_token")
                .or_else(|| self.credentials.get("app")?.get("access_token")?.as_str()),
            AuthMode::OAuth2ClientCredentials
            | AuthMode::TwoStep
            | AuthMode::Jwt
            | AuthMode::Signature
            | AuthMode::AppStore
            | AuthMode::Tableau => self.text("token"),
            AuthMode::Bill => self.text("session_id"),
            AuthMode::OAuth1
            | AuthMode::ApiKey
            | AuthMode::Basic
            | AuthMode::Tba
            | AuthMode::AwsSigV4
            | AuthMode::InstallPlugin
            | AuthMode::None => None,
        }
    }

    /// Names that templates of this connection may use (section 8).
    pub(super) fn scope(&self) -> Scope<'a> {
        let mut scope = Scope::new()
            .with_members(self.credentials)
            .with_object("integrationConfig", self.integration_config)
            .with_object("credentials", self.credentials)
            .with_object("connectionConfig", self.connection_config);
        if let Some(token) = self.access_token() {
            scope = scope.with_value("accessToken", token);
        }
        let (client_id, client_secret) = self.client();
        if let Some(client_id) = client_id {
            scope = scope.with_value("clientId", client_id);
        }
        if let Some(client_secret) = client_secret {
            scope = scope.with_value("clientSecret", client_secret);
        }
        scope
    }

    /// The `Authorization` header that the mode has by itself (table in section 6); signatures come later.
    pub(super) fn default_authorization(&self, provider: &Provider) -> Option<String> {
        match self.mode {
            AuthMode::Basic | AuthMode::InstallPlugin => {
                let user = self.text("username").unwrap_or_default();
                let password = self.text("password").unwrap_or_default();
                Some(format!(
                    "Basic {}",
                    STANDARD.encode(format!("{user}:{password}"))
                ))
            }
            AuthMode::TwoStep if places_token_itself(provider) => None,
            AuthMode::OAuth2
            | AuthMode::McpOAuth2
            | AuthMode::McpOAuth2Generic
            | AuthMode::App
            | AuthMode::Custom
            | AuthMode::OAuth2ClientCredentials
            | AuthMode::TwoStep
            | AuthMode::Jwt
            | AuthMode::Signature
            | AuthMode::AppStore
            | AuthMode::Tableau => Some(format!("Bearer {}", self.access_token()?)),
            AuthMode::OAuth1
            | AuthMode::ApiKey
            | AuthMode::Tba
            | AuthMode::Bill
            | AuthMode::AwsSigV4
            | AuthMode::None => None,
        }
    }

    /// Headers of modes that have more than one (BILL sends its session and developer key).
    pub(super) fn default_headers(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        if self.mode != AuthMode::Bill {
            return Vec::new();
        }
        [("sessionid", "session_id"), ("devkey", "dev_key")]
            .into_iter()
            .filter_map(|(header, member)| Some((header, Cow::Borrowed(self.text(member)?))))
            .collect()
    }

    /// The client certificate of providers that demand one.
    pub(super) fn identity(&self, provider: &Provider) -> Option<ClientIdentity> {
        if !provider.require_client_certificate {
            return None;
        }
        Some(ClientIdentity {
            certificate: self.text("client_certificate")?.to_owned(),
            key: Secret::new(self.text("client_private_key")?.to_owned()),
        })
    }
}

/// Whether a two-step provider says itself where the token goes.
fn places_token_itself(provider: &Provider) -> bool {
    let Some(proxy) = &provider.proxy else {
        return false;
    };
    let uses_token = |template: &String| template.contains("accessToken}");
    proxy.headers.values().any(uses_token)
        || proxy.query.values().any(uses_token)
        || proxy.headers.iter().any(|(name, template)| {
            name.eq_ignore_ascii_case("cookie") && template.contains("credentials._cookies")
        })
}
