//! Authorization code and refresh token.

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{Secret, Timestamp, auth::CredentialsJson};
use tenon_providers::{Provider, RenewedBy, TokenExchange};

use super::{
    Issued, Party, Vars,
    declared::{self, Answered},
    second, text,
};
use crate::auth::{
    dpop::{self, DpopKey},
    mcp,
    oauth2::{
        Client,
        token::{self, CodeExchange, Token},
    },
    request::{TokenFailure, TokenRequest},
};

/// A code that came back, with what belongs to it.
#[derive(Clone, Debug)]
pub struct CodeGrant<'a> {
    pub exchange: CodeExchange<'a>,
    /// The flow's state, which some providers want to see again.
    pub state: &'a str,
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
    let declared = party.provider.token_exchange.as_ref();
    let mut issued = match declared.filter(|declared| !declared.code.is_empty()) {
        Some(declared) => {
            let vars = code_vars(&party, &client, grant);
            let url = party.provider.token_url().unwrap_or_default();
            let answered = declared::ask(&party, &client, &declared.code, url, vars).await?;
            first(&party, &answered)?
        }
        None => {
            let vars = Vars::new(&party);
            let request = vars.with(|context| {
                token::code_exchange(party.provider, &client, &grant.exchange, context)
            })?;
            redeem(party, request).await?
        }
    };
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
    let mut issued = first(&party, &Answered::usual(answer.object()?))?;
    dpop::keep(&mut issued.credentials, key);
    Ok(issued)
}

/// The first token of a grant.
fn first(party: &Party<'_>, answered: &Answered) -> Result<Issued, TokenFailure> {
    let (provider, now) = (party.provider, party.engine.clock.now());
    let metadata = token::metadata(&provider.token_response_metadata, &answered.raw);
    let token = read(provider, answered, None, false, now)?;
    let expires_at = second::earliest(provider, &token, now);
    let mut credentials = token.into_credentials(None);
    set_end(&mut credentials, expires_at);
    Ok(Issued {
        credentials,
        expires_at,
        connection_config: metadata,
    })
}

fn code_vars(party: &Party<'_>, client: &Client, grant: &CodeGrant<'_>) -> Vars {
    let mut vars = declared::vars(party, client);
    vars.value("code", grant.exchange.code);
    vars.value("redirectUri", grant.exchange.redirect_uri);
    vars.value("redirectHost", declared::host(grant.exchange.redirect_uri));
    vars.value("state", grant.state);
    if let Some(verifier) = grant.exchange.code_verifier {
        vars.value("codeVerifier", verifier);
    }
    vars
}

/// Whether a token of this provider can be renewed with what is stored.
pub(super) fn is_renewable(provider: &Provider, stored: &CredentialsJson) -> bool {
    let has = |name: &str| text(stored, name).is_some();
    match renewed_by(provider) {
        RenewedBy::RefreshToken => has("refresh_token"),
        // Without a token there has been no authorization yet.
        RenewedBy::AccessToken | RenewedBy::Client => has("access_token"),
    }
}

fn renewed_by(provider: &Provider) -> RenewedBy {
    let declared = provider.token_exchange.as_ref();
    declared.map_or_else(RenewedBy::default, |declared| declared.renewed_by)
}

/// Turns what is stored into new credentials.
pub(super) async fn renew(
    party: Party<'_>,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    let served = mcp::served(&party)?;
    let party = Party {
        provider: served.as_ref().unwrap_or(party.provider),
        ..party
    };
    let client = client_of(&party, stored)?;
    let (provider, now) = (party.provider, party.engine.clock.now());
    let refresh_token = text(stored, "refresh_token");
    if refresh_token.is_none() && renewed_by(provider) == RenewedBy::RefreshToken {
        return Err(TokenFailure::ours(
            "missing_refresh_token",
            "the connection has no refresh token",
        ));
    }
    let (answered, key) = ask_again(&party, &client, stored, refresh_token).await?;
    let metadata = token::metadata(&provider.refresh_token_response_metadata, &answered.raw);
    let kept = text(stored, "access_token");
    let mut token = read(provider, &answered, kept, true, now)?;
    if party.connection_config.get("overrideTokenRefresh") == Some(&Value::Bool(true)) {
        token.refresh_token = None;
    }
    second::renew(&party, &client, stored, &mut token).await;
    let expires_at = second::earliest(provider, &token, now);
    let mut credentials = token.into_credentials(Some(stored));
    set_end(&mut credentials, expires_at);
    dpop::keep(&mut credentials, key);
    Ok(Issued {
        credentials,
        expires_at,
        connection_config: metadata,
    })
}

/// Asks for a new token; `refresh_token` is whose turn it is.
pub(super) async fn ask_again(
    party: &Party<'_>,
    client: &Client,
    stored: &CredentialsJson,
    refresh_token: Option<&str>,
) -> Result<(Answered, Option<DpopKey>), TokenFailure> {
    let provider = party.provider;
    let declared = provider.token_exchange.as_ref();
    if let Some(declared) = declared.filter(|declared| !declared.refresh.is_empty()) {
        let mut vars = declared::vars(party, client);
        if let Some(refresh_token) = refresh_token {
            vars.value("refreshToken", refresh_token);
        }
        declared::known(&mut vars, "accessToken", stored, "access_token");
        let callback = callback_host(party).await;
        vars.value("redirectHost", callback);
        let url = token::refresh_url(provider);
        let answered = declared::ask(party, client, &declared.refresh, url, vars).await?;
        return Ok((answered, None));
    }
    let refresh_token = refresh_token.unwrap_or_default();
    let vars = Vars::new(party);
    let request = vars.with(|context| token::refresh(provider, client, refresh_token, context))?;
    let (answer, key) = dpop::send(*party, request, Some(stored)).await?;
    Ok((Answered::usual(answer.object()?), key))
}

/// Of two tokens, the first that ends counts.
fn set_end(credentials: &mut CredentialsJson, expires_at: Option<Timestamp>) {
    if let Some(end) = expires_at {
        credentials.insert("expires_at".to_owned(), end.iso_millis().into());
    }
}

/// Where browsers of this environment come back to.
async fn callback_host(party: &Party<'_>) -> String {
    let environment = party
        .engine
        .reader()
        .find_environment(party.integration.environment)
        .await;
    let own = environment
        .ok()
        .flatten()
        .and_then(|environment| environment.callback_url);
    declared::host(&crate::auth::flow::callback_url(
        party.engine,
        own.as_deref(),
    ))
}

/// Reads a token out of answers, as the provider declares them.
pub(super) fn read(
    provider: &Provider,
    answered: &Answered,
    kept: Option<&str>,
    is_refresh: bool,
    now: Timestamp,
) -> Result<Token, TokenFailure> {
    let Some(declared) = &provider.token_exchange else {
        return token::read(provider, answered.raw.clone(), now);
    };
    let answer = match &declared.refresh_answer {
        Some(answer) if is_refresh => answer,
        _ => &declared.answer,
    };
    let normal = answered.normal(answer, kept)?;
    let token = token::read(provider, normal, now)?;
    Ok(Token {
        raw: answered.raw.clone(),
        expires_at: token.expires_at.or_else(|| end_of_life(declared, now)),
        ..token
    })
}

fn end_of_life(declared: &TokenExchange, now: Timestamp) -> Option<Timestamp> {
    let lifetime = Duration::from_secs(declared.lifetime_s?);
    Some(now.plus(lifetime))
}

/// The app that stored credentials belong to.
pub(super) fn client_of(
    party: &Party<'_>,
    stored: &CredentialsJson,
) -> Result<Client, TokenFailure> {
    match stored_client(stored) {
        Some(client) => Ok(client),
        None => integration_client(party),
    }
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
