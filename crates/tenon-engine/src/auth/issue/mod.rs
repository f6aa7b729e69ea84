//! Getting credentials from a provider, mode by mode: at first and again (auth-and-proxy.md, 6).
//!
//! [`issue`] takes what a person gave, [`renew`] what is stored. Nothing here is stored or announced.

mod app;
pub mod aws;
mod bill;
mod client_credentials;
mod complete;
pub mod custom;
mod declared;
mod jwt;
mod oauth2;
mod second;
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
pub(super) use complete::{ask_about, is_unknown};
pub use complete::{asks_about, complete, imported};
pub(crate) use custom::USER;
pub(crate) use declared::holds;
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
pub fn is_renewable(provider: &Provider, mode: AuthMode, credentials: &CredentialsJson) -> bool {
    match mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            oauth2::is_renewable(provider, credentials)
        }
        AuthMode::Custom => custom::is_renewable(credentials),
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
    let mut issued = complete::renewed(party, obtain_again(party, mode, stored).await?).await?;
    // What was kept beside the old credentials and has not been renewed with them stays.
    for (name, value) in stored
        .get(KEPT)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if kept(&issued.credentials, name).is_none() {
            keep(&mut issued.credentials, name, value.clone());
        }
    }
    Ok(issued)
}

async fn obtain_again(
    party: Party<'_>,
    mode: AuthMode,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    match mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            oauth2::renew(party, stored).await
        }
        AuthMode::TwoStep => two_step::renew(party, stored).await,
        AuthMode::Custom => custom::renew(party, stored).await,
        other => issue(party, other, stored).await,
    }
}

/// The member of stored credentials that clients see as a part of the connection config: tokens of other kinds, which must
/// not stand there in clear.
pub(crate) const KEPT: &str = "connection_config";

/// Keeps something secret for the connection config.
pub(crate) fn keep(credentials: &mut CredentialsJson, name: &str, value: Value) {
    let kept = credentials
        .entry(KEPT)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(kept) = kept.as_object_mut() {
        kept.insert(name.to_owned(), value);
    }
}

/// What was kept under a name.
pub(crate) fn kept<'c>(credentials: &'c CredentialsJson, name: &str) -> Option<&'c Value> {
    credentials.get(KEPT)?.get(name)
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
