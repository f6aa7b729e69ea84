//! What new credentials still lack: when they end, what the provider knows about the account, tokens for other resources.

use serde_json::{Map, Value};
use tenon_core::{
    Timestamp,
    auth::{AuthMode, CredentialsJson},
};
use tenon_providers::{Companion, Introspection, Provider};

use super::{
    Issued, Party, Vars,
    declared::{self, Answered},
    keep, oauth2, text,
};
use crate::{
    auth::{
        oauth2::{Client, expiry, token},
        request::TokenFailure,
    },
    connections,
    proxy::{self, Candidate},
};

/// Completes credentials of a new connection. `connection_config` of the party is what the connection will have besides.
pub async fn complete(
    party: Party<'_>,
    mode: AuthMode,
    mut issued: Issued,
) -> Result<Issued, TokenFailure> {
    let learned = ask_about(party, mode, &issued).await;
    issued.connection_config.extend(learned);
    add_to(party, issued).await
}

/// Completes credentials that the app has already and brings as they are. A token that has run out teaches nothing:
/// the provider is asked once it is renewed.
pub async fn imported(party: Party<'_>, mode: AuthMode, credentials: CredentialsJson) -> Issued {
    let expires_at = connections::expiry::expires_at(&credentials);
    let mut issued = Issued::new(credentials, expires_at);
    if expires_at.is_some_and(|end| end <= party.engine.clock.now()) {
        return issued;
    }
    issued.connection_config = ask_about(party, mode, &issued).await;
    match add_to(party, issued.clone()).await {
        Ok(whole) => whole,
        Err(failure) => {
            let name = &party.provider.name;
            tracing::warn!("an import for `{name}` could not be completed: {failure}");
            issued
        }
    }
}

/// Whether a new connection of this provider takes more than its credentials.
pub fn asks_about(provider: &Provider) -> bool {
    !provider.post_connection.is_empty()
        || provider.introspection.is_some()
        || provider.token_exchange.is_some()
}

/// Whether a provider that knows something about its accounts has said nothing of it yet.
pub(in crate::auth) fn is_unknown(provider: &Provider, config: &Map<String, Value>) -> bool {
    let calls = provider.post_connection.iter();
    let mut names = calls.flat_map(|call| call.store.keys()).peekable();
    names.peek().is_some() && names.all(|name| config.get(name).is_none_or(|value| value == ""))
}

/// Completes credentials that were renewed.
pub(super) async fn renewed(party: Party<'_>, issued: Issued) -> Result<Issued, TokenFailure> {
    add_to(party, issued).await
}

async fn add_to(party: Party<'_>, mut issued: Issued) -> Result<Issued, TokenFailure> {
    let provider = party.provider;
    if provider.introspection.is_none() && provider.token_exchange.is_none() {
        return Ok(issued);
    }
    let mut config = party.connection_config.clone();
    config.extend(issued.connection_config.clone());
    let party = Party {
        connection_config: &config,
        ..party
    };
    if let Some(introspection) = &provider.introspection
        && let Some(end) = ends_at(party, introspection, &issued.credentials).await
    {
        let end_text = end.iso_millis();
        issued
            .credentials
            .insert("expires_at".to_owned(), end_text.into());
        issued.expires_at = Some(end);
    }
    let declared = provider.token_exchange.as_ref();
    for companion in declared.iter().flat_map(|declared| &declared.companions) {
        match ask_companion(party, companion, &issued.credentials).await {
            Ok((token, end)) => {
                issued.expires_at = match (issued.expires_at, end) {
                    (Some(first), Some(end)) => Some(first.min(end)),
                    (first, end) => first.or(end),
                };
                keep(
                    &mut issued.credentials,
                    &companion.into,
                    Value::Object(token),
                );
            }
            Err(failure) if companion.optional => {
                tracing::warn!(
                    "`{}` of `{}` was not given: {failure}",
                    companion.into,
                    provider.name
                );
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(issued)
}

/// When the provider says that a token ends; nothing if it does not say.
async fn ends_at(
    party: Party<'_>,
    introspection: &Introspection,
    credentials: &CredentialsJson,
) -> Option<Timestamp> {
    let (client, vars) = values(&party, credentials);
    let steps = std::slice::from_ref(&introspection.request);
    match declared::ask(&party, &client, steps, "", vars).await {
        Ok(answered) => {
            let said = token::at(&answered.raw, &introspection.expires_at)?;
            expiry::instant(said, party.engine.clock.now())
        }
        Err(failure) => {
            tracing::warn!("a token could not be looked at: {}", failure.cause);
            None
        }
    }
}

async fn ask_companion(
    party: Party<'_>,
    companion: &Companion,
    credentials: &CredentialsJson,
) -> Result<(Map<String, Value>, Option<Timestamp>), TokenFailure> {
    let (client, vars) = values(&party, credentials);
    let steps = std::slice::from_ref(&companion.request);
    let url = party.provider.token_url().unwrap_or_default();
    let Answered { raw, .. } = declared::ask(&party, &client, steps, url, vars).await?;
    let end = token::expires_at(party.provider, &raw, party.engine.clock.now());
    if text(&raw, "access_token").is_none() {
        let reason = "the provider's answer holds no access token";
        return Err(TokenFailure::answered(
            "missing_access_token",
            reason,
            http::StatusCode::OK,
        ));
    }
    let mut token = raw;
    if let Some(end) = end {
        token.insert("expires_at".to_owned(), end.iso_millis().into());
    }
    Ok((token, end))
}

/// Client and values of a request that comes after the first token.
fn values(party: &Party<'_>, credentials: &CredentialsJson) -> (Client, Vars) {
    let client = oauth2::client_of(party, credentials).unwrap_or_else(|_| Client {
        id: String::new(),
        secret: None,
    });
    let mut vars = declared::vars(party, &client);
    vars.credentials(credentials);
    for (name, member) in [
        ("accessToken", "token"),
        ("accessToken", "access_token"),
        ("refreshToken", "refresh_token"),
    ] {
        declared::known(&mut vars, name, credentials, member);
    }
    (client, vars)
}

/// What the provider says about the account. A call that fails teaches nothing and stops nobody.
pub(in crate::auth) async fn ask_about(
    party: Party<'_>,
    mode: AuthMode,
    issued: &Issued,
) -> Map<String, Value> {
    let mut config = party.connection_config.clone();
    config.extend(issued.connection_config.clone());
    let settings = party.integration.full_config();
    let mut learned = Map::new();
    for call in &party.provider.post_connection {
        let known = |name: &String| config.get(name).is_some_and(|value| value != "");
        if call.unless.as_ref().is_some_and(known) {
            continue;
        }
        let candidate = Candidate {
            credentials: &issued.credentials,
            connection_config: &config,
            integration_config: &settings,
            client_id: party.integration.client_id.as_deref(),
            client_secret: None,
        };
        let found = match proxy::ask(party.engine, party.provider, mode, candidate, call).await {
            Ok(answer) => proxy::picked(call, &answer),
            Err(error) => {
                let name = &party.provider.name;
                tracing::warn!(
                    "`{name}` could not be asked about a new connection: {}",
                    error.reason
                );
                continue;
            }
        };
        config.extend(found.clone());
        learned.extend(found);
    }
    learned
}
