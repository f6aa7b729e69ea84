//! One provider, typed.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tenon_core::auth::AuthMode;

use crate::{
    Assertion, Fields, HookCall, Introspection, JwtToken, ProxySettings, Revocation, Signature,
    TokenExchange, TokenResponse, TokenStep, WebhookRouting, proxy::one_or_many,
};

/// What an external API needs to be connected and called (auth-and-proxy.md, 9). Texts are templates where the
/// specification says so; [`crate::template`] fills them.
#[derive(Clone, Debug, Deserialize)]
pub struct Provider {
    /// Name in the catalogue, for instance `zendesk`.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub categories: Vec<String>,
    pub auth_mode: AuthMode,
    #[serde(default)]
    pub auth_type: Option<String>,
    /// The entry that this one builds on; its keys are already merged in.
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default)]
    pub docs: Option<String>,
    #[serde(default)]
    pub docs_connect: Option<String>,
    #[serde(default)]
    pub setup_guide_url: Option<String>,

    // Forms
    /// Parameters of the end user.
    #[serde(default)]
    pub connection_config: Fields,
    /// Secrets of the end user.
    #[serde(default)]
    pub credentials: Fields,
    /// Settings of the owner of the integration.
    #[serde(default)]
    pub integration_config: Fields,
    /// Inputs that are used once and never stored.
    #[serde(default)]
    pub assertion_option: Fields,
    /// Names in the connection config that a post-connection script fills.
    #[serde(default)]
    pub connection_configuration: Vec<String>,
    /// `outbound`: the installation starts at the provider.
    #[serde(default)]
    pub installation: Option<String>,

    // OAuth: to the provider
    #[serde(default)]
    pub authorization_url: Option<String>,
    #[serde(default)]
    pub authorization_params: Map<String, Value>,
    #[serde(default)]
    pub authorization_method: AuthorizationMethod,
    /// Parts of the authorization URL that are written as they are: `scopes`, `base_url`.
    #[serde(default)]
    pub authorization_url_skip_encode: Vec<String>,
    #[serde(default)]
    pub authorization_url_skip_empty: bool,
    /// First-occurrence text replacements on the whole URL.
    #[serde(default)]
    pub authorization_url_replacements: IndexMap<String, String>,
    #[serde(default)]
    pub authorization_url_fragment: Option<String>,
    #[serde(default)]
    pub authorization_code_param_in_callback: Option<String>,
    #[serde(default)]
    pub authorization_code_param_in_webhook: Option<String>,
    #[serde(default)]
    pub scope_separator: Option<String>,
    #[serde(default)]
    pub default_scopes: Vec<String>,
    #[serde(default)]
    pub disable_pkce: bool,

    // OAuth: without a browser (RFC 8628)
    #[serde(default)]
    pub device_authorization_url: Option<String>,
    #[serde(default)]
    pub device_authorization_params: Map<String, Value>,
    #[serde(default)]
    pub device_authorization_method: DeviceAuthorizationMethod,

    // OAuth: who the provider is, and to whom its tokens belong
    /// Template: what `iss` must be in the callback (RFC 9207).
    #[serde(default)]
    pub issuer: Option<String>,
    /// Whether a callback without `iss` is refused: the provider always sends it.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Tokens are bound to a key of the connection (RFC 9449).
    #[serde(default)]
    pub dpop: bool,

    // OAuth: tokens
    #[serde(default)]
    pub token_url: Option<TokenUrl>,
    #[serde(default)]
    pub token_params: Map<String, Value>,
    #[serde(default)]
    pub token_headers: IndexMap<String, String>,
    #[serde(default)]
    pub token_request_method: TokenRequestMethod,
    #[serde(default)]
    pub token_request_auth_method: Option<TokenRequestAuthMethod>,
    #[serde(default)]
    pub body_format: Option<BodyFormat>,
    #[serde(default)]
    pub require_client_certificate: bool,
    #[serde(default)]
    pub alternate_access_token_response_path: Option<String>,
    /// `milliseconds` where `expires_in` is not in seconds.
    #[serde(default)]
    pub expires_in_unit: Option<String>,
    /// Seconds before expiry at which a token counts as stale.
    #[serde(default)]
    pub token_expiration_buffer: Option<u64>,
    #[serde(default)]
    pub refresh_url: Option<String>,
    /// `None` where the provider declares nothing: then the token params are looked at (auth-and-proxy.md, 7).
    #[serde(default)]
    pub refresh_params: Option<Map<String, Value>>,
    #[serde(default)]
    pub refresh_token_params: Option<Map<String, Value>>,
    #[serde(default)]
    pub refresh_token_headers: Option<IndexMap<String, String>>,
    /// Token requests of the provider's own kind.
    #[serde(default)]
    pub token_exchange: Option<TokenExchange>,
    /// How to learn when a token ends, where its answer does not say.
    #[serde(default)]
    pub introspection: Option<Introspection>,
    /// Paths of the token response that are kept in the connection config.
    #[serde(default)]
    pub token_response_metadata: Vec<String>,
    #[serde(default)]
    pub refresh_token_response_metadata: Vec<String>,
    /// Query names of the callback that are kept in the connection config.
    #[serde(default)]
    pub redirect_uri_metadata: Vec<String>,
    #[serde(default)]
    pub webhook_response_metadata: Vec<String>,

    // OAuth 1
    #[serde(default)]
    pub request_url: Option<String>,
    #[serde(default)]
    pub request_params: Map<String, Value>,
    #[serde(default)]
    pub request_http_method: Option<String>,
    #[serde(default)]
    pub signature_method: Option<String>,

    // MCP
    #[serde(default)]
    pub client_registration: Option<ClientRegistration>,
    #[serde(default)]
    pub registration_url: Option<String>,
    #[serde(default)]
    pub registration_params: Map<String, Value>,

    // Two-step and JWT
    #[serde(default)]
    pub token_response: Option<TokenResponse>,
    #[serde(default)]
    pub token_response_headers: Vec<String>,
    #[serde(default)]
    pub token_expires_in_ms: Option<u64>,
    #[serde(default)]
    pub additional_steps: Vec<TokenStep>,
    #[serde(default)]
    pub signature: Option<Signature>,
    #[serde(default)]
    pub token: Option<JwtToken>,
    #[serde(default)]
    pub assertion: Option<Assertion>,

    // Calls
    #[serde(default)]
    pub proxy: Option<ProxySettings>,

    // Webhooks and named scripts
    #[serde(default)]
    pub webhook_routing_script: Option<String>,
    /// A routing of the entry's own instead of a named one.
    #[serde(default, deserialize_with = "routing")]
    pub webhook_routing: Option<Arc<WebhookRouting>>,
    #[serde(default)]
    pub webhook_user_defined_secret: bool,
    #[serde(default, deserialize_with = "one_or_many")]
    pub webhook_allowed_query_params: Vec<String>,
    /// Calls that complete a new connection.
    #[serde(default)]
    pub post_connection: Vec<HookCall>,
    #[serde(default)]
    pub post_connection_script: Option<String>,
    #[serde(default)]
    pub credentials_verification_script: Option<String>,
    /// How tokens are revoked, instead of what this repository knows of the provider.
    #[serde(default, deserialize_with = "revocation")]
    pub revocation: Option<Arc<Revocation>>,
    #[serde(default)]
    pub pre_connection_deletion_script: Option<String>,

    /// The expanded entry as `GET /providers` returns it, without `name` and `logo_url`.
    #[serde(skip)]
    pub raw: Map<String, Value>,
}

impl Provider {
    /// The token URL for this auth mode's own kind.
    pub fn token_url(&self) -> Option<&str> {
        match self.token_url.as_ref()? {
            TokenUrl::One(url) => Some(url),
            TokenUrl::ByKind(urls) => urls
                .get("OAUTH2")
                .or_else(|| urls.values().next())
                .map(String::as_str),
        }
    }

    /// The token URL of a kind, where a provider has several (`OAUTH2`, `APP`).
    pub fn token_url_of(&self, kind: &str) -> Option<&str> {
        match self.token_url.as_ref()? {
            TokenUrl::One(url) => Some(url),
            TokenUrl::ByKind(urls) => urls.get(kind).map(String::as_str),
        }
    }

    /// What joins scopes in the authorization URL; a space unless the provider says otherwise.
    pub fn scope_separator(&self) -> &str {
        self.scope_separator.as_deref().unwrap_or(" ")
    }

    /// The template of the API's address.
    pub fn base_url(&self) -> Option<&str> {
        self.proxy.as_ref().map(|proxy| proxy.base_url.as_str())
    }

    /// Whether webhooks of this provider can be routed.
    pub const fn takes_webhooks(&self) -> bool {
        self.webhook_routing_script.is_some() || self.webhook_routing.is_some()
    }

    /// Whether substituted values are put into URLs as they are.
    pub fn writes_base_url_unencoded(&self) -> bool {
        self.authorization_url_skip_encode
            .iter()
            .any(|part| part == "base_url")
    }
}

fn routing<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<WebhookRouting>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(Arc::new))
}

fn revocation<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<Revocation>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(Arc::new))
}

/// Where tokens come from: one address, or one for each kind of token.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum TokenUrl {
    One(String),
    ByKind(IndexMap<String, String>),
}

/// Where the client id and secret go in a token request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizationMethod {
    #[default]
    Body,
    Header,
}

/// How a client proves itself when it asks for a device code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceAuthorizationMethod {
    /// As in token requests.
    #[default]
    Client,
    /// By its id alone.
    None,
}

/// How a client proves itself at the token endpoint, when not in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRequestAuthMethod {
    Basic,
    Custom,
    PrivateKeyJwt,
}

/// Method of a token request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenRequestMethod {
    #[default]
    Post,
    Get,
}

/// How the body of a token request is written. Which one holds when nothing is said depends on the auth mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    Form,
    Json,
    Xml,
    Query,
}

/// How an MCP server learns about this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientRegistration {
    Dynamic,
    Static,
    Cimd,
}
