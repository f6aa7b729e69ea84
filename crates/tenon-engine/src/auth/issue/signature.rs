//! Tokens made of user name and password (auth-and-proxy.md, 6.7).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::auth::CredentialsJson;
use tenon_providers::SignatureProtocol;

use super::{Issued, Party, need};
use crate::auth::{request::TokenFailure, sign::wsse};

/// Lifetime of a token whose provider does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);

pub(super) fn issue(party: Party<'_>, given: &Map<String, Value>) -> Result<Issued, TokenFailure> {
    let provider = party.provider;
    let protocol = provider
        .signature
        .as_ref()
        .map(|signature| signature.protocol);
    if protocol != Some(SignatureProtocol::Wsse) {
        return Err(TokenFailure::ours(
            "unsupported_signature_protocol",
            "the provider's signature protocol is not supported",
        ));
    }
    let (username, password) = (need(given, "username")?, need(given, "password")?);
    let now = party.engine.clock.now();
    let token = wsse::username_token(username, password, &party.engine.ids.hex(16), now);
    let lifetime = provider.token.as_ref().map_or(DEFAULT_LIFETIME, |token| {
        Duration::from_millis(token.expires_in_ms)
    });
    let expires_at = now.plus(lifetime);
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "SIGNATURE".into());
    credentials.insert("username".to_owned(), username.into());
    credentials.insert("password".to_owned(), password.into());
    credentials.insert("token".to_owned(), token.into());
    credentials.insert("expires_at".to_owned(), expires_at.iso_millis().into());
    Ok(Issued::new(credentials, Some(expires_at)))
}
