//! Answers with two tokens, of which each has a refresh token of its own: an app's and a person's.

use serde_json::{Map, Value};
use tenon_core::{Timestamp, auth::CredentialsJson};
use tenon_providers::Provider;

use super::{Party, oauth2, text};
use crate::auth::oauth2::{
    Client,
    token::{self, Token},
};

/// The second token of an answer; nothing where it is the only one, because then it is the first.
fn of<'t>(provider: &Provider, raw: &'t Map<String, Value>) -> Option<&'t Map<String, Value>> {
    let member = provider.token_exchange.as_ref()?.second_grant.as_deref()?;
    text(raw, "access_token")?;
    raw.get(member)?.as_object()
}

/// When the first of the tokens of an answer ends.
pub(super) fn earliest(provider: &Provider, token: &Token, now: Timestamp) -> Option<Timestamp> {
    let second = of(provider, &token.raw).and_then(|second| {
        text(second, "refresh_token")?;
        token::expires_at(provider, second, now)
    });
    match (token.expires_at, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}

/// Renews the second token, too, and puts it where it was. The first one is new already and must not be lost: if this
/// fails, the old second token stays.
pub(super) async fn renew(
    party: &Party<'_>,
    client: &Client,
    stored: &CredentialsJson,
    token: &mut Token,
) {
    let provider = party.provider;
    let declared = provider.token_exchange.as_ref();
    let Some(member) = declared.and_then(|declared| declared.second_grant.as_deref()) else {
        return;
    };
    let before = stored.get("raw").and_then(Value::as_object);
    let Some(before) = before.and_then(|raw| of(provider, raw)) else {
        return;
    };
    let mut second = before.clone();
    if let Some(refresh_token) = text(before, "refresh_token") {
        match oauth2::ask_again(party, client, stored, Some(refresh_token)).await {
            Ok((answer, _)) if text(&answer.raw, "access_token").is_some() => {
                for name in ["access_token", "refresh_token", "expires_in", "scope"] {
                    if let Some(value) = answer.raw.get(name) {
                        second.insert(name.to_owned(), value.clone());
                    }
                }
            }
            Ok(_) => tracing::warn!("the answer to the refresh of a second token holds none"),
            Err(failure) => tracing::warn!("a second token was not refreshed: {}", failure.cause),
        }
    }
    token.raw.insert(member.to_owned(), Value::Object(second));
}
