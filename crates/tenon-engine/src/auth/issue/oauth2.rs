//! Authorization code and refresh token.

use serde_json::{Map, Value};
use tenon_core::{Secret, auth::CredentialsJson};

use super::{Issued, Party, Vars, text};
use crate::auth::{
    dpop, mcp,
    oauth2::{
        Client,
        token::{self, CodeExchange},
    },
    request::{TokenFailure, TokenRequest},
};

/// A code that came back, with what belongs to it.
#[derive(Clone, Debug)]
pub struct CodeGrant<'a> {
    pub exchange: CodeExchange<'a>,
    /// The app of the end user's own, instead of the integration's.
    pub client_override: Option<&'a Client>,
    /// A refresh token that was given beforehand and wins over the provider's.
    pub refresh_token_override: Option<&'a str>,
}

/// Turns a code into credentials.
pub async fn exchange(party: Party<'_>, grant: &CodeGrant<'_>) -> Result<Issued, TokenFailure> {
    let served = mcp::served(&party)?;
    let party = Party {
        provider: served.as_ref().unwrap_or(party.provider),
        ..party
    };
    let client = match grant.client_override {
        Some(client) => client.clone(),
        None => integration_client(&party)?,
    };
    let vars = Vars::new(&party);
    let request = vars
        .with(|context| token::code_exchange(party.provider, &client, &grant.exchange, context))?;
    let mut issued = redeem(party, request).await?;
    let credentials = &mut issued.credentials;
    if let Some(own) = grant.client_override {
        credentials.insert("config_override".to_owned(), config_override(own));
    }
    if let Some(refresh_token) = grant.refresh_token_override {
        credentials.insert("refresh_token".to_owned(), refresh_token.into());
    }
    Ok(issued)
}

/// Sends a request that brings the first token of a grant, whichever the grant is.
pub async fn redeem(party: Party<'_>, request: TokenRequest) -> Result<Issued, TokenFailure> {
    let (answer, key) = dpop::send(party, request, None).await?;
    let answer = answer.object()?;
    let metadata = token::metadata(&party.provider.token_response_metadata, &answer);
    let token = token::read(party.provider, answer, party.engine.clock.now())?;
    let expires_at = token.expires_at;
    let mut credentials = token.into_credentials(None);
    dpop::keep(&mut credentials, key);
    Ok(Issued {
        credentials,
        expires_at,
        connection_config: metadata,
    })
}

/// Turns a refresh token into credentials.
pub(super) async fn renew(
    party: Party<'_>,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    let refresh_token = text(stored, "refresh_token").ok_or_else(|| {
        TokenFailure::ours(
            "missing_refresh_token",
            "the connection has no refresh token",
        )
    })?;
    let served = mcp::served(&party)?;
    let party = Party {
        provider: served.as_ref().unwrap_or(party.provider),
        ..party
    };
    let client = match stored_client(stored) {
        Some(client) => client,
        None => integration_client(&party)?,
    };
    let vars = Vars::new(&party);
    let request =
        vars.with(|context| token::refresh(party.provider, &client, refresh_token, context))?;
    let (answer, key) = dpop::send(party, request, Some(stored)).await?;
    let answer = answer.object()?;
    let metadata = token::metadata(&party.provider.refresh_token_response_metadata, &answer);
    let mut token = token::read(party.provider, answer, party.engine.clock.now())?;
    if party.connection_config.get("overrideTokenRefresh") == Some(&Value::Bool(true)) {
        token.refresh_token = None;
    }
    let expires_at = token.expires_at;
    let mut credentials = token.into_credentials(Some(stored));
    dpop::keep(&mut credentials, key);
    Ok(Issued {
        credentials,
        expires_at,
        connection_config: metadata,
    })
}

/// The app that the owner of the integration registered.
pub fn integration_client(party: &Party<'_>) -> Result<Client, TokenFailure> {
    let id = party.integration.client_id.clone().ok_or_else(|| {
        TokenFailure::ours("missing_client_id", "the integration has no client id")
    })?;
    Ok(Client {
        id,
        secret: party.integration.secrets.client_secret.clone(),
    })
}

fn stored_client(stored: &CredentialsJson) -> Option<Client> {
    let own = stored.get("config_override")?.as_object()?;
    Some(Client {
        id: text(own, "client_id")?.to_owned(),
        secret: text(own, "client_secret").map(|secret| Secret::new(secret.to_owned())),
    })
}

fn config_override(client: &Client) -> Value {
    let mut own = Map::new();
    own.insert("client_id".to_owned(), client.id.as_str().into());
    if let Some(secret) = &client.secret {
        own.insert("client_secret".to_owned(), secret.expose().as_str().into());
    }
    Value::Object(own)
}
