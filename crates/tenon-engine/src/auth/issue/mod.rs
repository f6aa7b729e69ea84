//! Getting credentials from a provider, mode by mode: at first and again (auth-and-proxy.md, 6).
//!
//! [`issue`] takes what a person gave, [`renew`] what is stored. Nothing here is stored or announced.

mod app;
pub mod aws;
mod bill;
mod client_credentials;
mod jwt;
mod oauth2;
mod signature;
mod two_step;
mod vars;
mod xml;

use serde_json::{Map, Value};
use tenon_core::{
    Timestamp,
    auth::{AuthMode, CredentialsJson},
};
use tenon_providers::Provider;
use tenon_store::integrations::IntegrationRow;

use super::request::TokenFailure;
use crate::Engine;

pub use app::INSTALLATION;
pub use oauth2::{CodeGrant, exchange, integration_client, redeem};
pub(crate) use vars::Vars;

/// Who asks whom for what.
#[derive(Clone, Copy)]
pub struct Party<'a> {
    pub engine: &'a Engine,
    pub provider: &'a Provider,
    pub integration: &'a IntegrationRow,
    pub connection_config: &'a Map<String, Value>,
}

/// Credentials as they came.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The shape clients read.
    pub credentials: CredentialsJson,
    /// Absent: never considered expired.
    pub expires_at: Option<Timestamp>,
    /// To be merged into the connection config.
    pub connection_config: Map<String, Value>,
}

impl Issued {
    fn new(credentials: CredentialsJson, expires_at: Option<Timestamp>) -> Self {
        Self {
            credentials,
            expires_at,
            connection_config: Map::new(),
        }
    }
}

/// Whether credentials of this mode can be obtained again without a person.
pub fn is_renewable(mode: AuthMode, credentials: &CredentialsJson) -> bool {
    match mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => credentials
            .get("refresh_token")
            .is_some_and(Value::is_string),
        AuthMode::OAuth2ClientCredentials
        | AuthMode::TwoStep
        | AuthMode::Jwt
        | AuthMode::Signature
        | AuthMode::Bill
        | AuthMode::AwsSigV4
        | AuthMode::App => true,
        AuthMode::OAuth1
        | AuthMode::ApiKey
        | AuthMode::Basic
        | AuthMode::Tba
        | AuthMode::Custom
        | AuthMode::AppStore
        | AuthMode::Tableau
        | AuthMode::InstallPlugin
        | AuthMode::None => false,
    }
}

/// Whether renewing asks the provider and spends something there, so that it must happen once. What is signed here is
/// not: two nodes may sign at the same time.
pub fn asks_provider(mode: AuthMode) -> bool {
    !matches!(mode, AuthMode::Jwt | AuthMode::Signature)
}

/// Gets credentials for what a person gave.
pub async fn issue(
    party: Party<'_>,
    mode: AuthMode,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    match mode {
        AuthMode::OAuth2ClientCredentials => client_credentials::issue(party, given).await,
        AuthMode::TwoStep => two_step::issue(party, given).await,
        AuthMode::Jwt => jwt::issue(party, given),
        AuthMode::Signature => signature::issue(party, given),
        AuthMode::Bill => bill::issue(party, given).await,
        AuthMode::App => app::issue(party, given).await,
        AuthMode::AwsSigV4 => aws::issue(party, given).await,
        AuthMode::OAuth1
        | AuthMode::OAuth2
        | AuthMode::ApiKey
        | AuthMode::Basic
        | AuthMode::Tba
        | AuthMode::Custom
        | AuthMode::AppStore
        | AuthMode::Tableau
        | AuthMode::McpOAuth2
        | AuthMode::McpOAuth2Generic
        | AuthMode::InstallPlugin
        | AuthMode::None => Err(TokenFailure::ours(
            "unsupported_auth_mode",
            format!("credentials of mode `{mode}` are not obtained this way"),
        )),
    }
}

/// Gets credentials again.
pub async fn renew(
    party: Party<'_>,
    mode: AuthMode,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    match mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            oauth2::renew(party, stored).await
        }
        AuthMode::TwoStep => two_step::renew(party, stored).await,
        other => issue(party, other, stored).await,
    }
}

/// A text among JSON members.
pub(super) fn text<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    object
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// A text that must be there.
pub(super) fn need<'v>(
    object: &'v Map<String, Value>,
    name: &str,
) -> Result<&'v str, TokenFailure> {
    text(object, name)
        .ok_or_else(|| TokenFailure::ours("missing_value", format!("`{name}` is missing")))
}
