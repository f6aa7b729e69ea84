//! Tokens that we sign ourselves (auth-and-proxy.md, 6.5).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{Timestamp, auth::CredentialsJson};
use tenon_providers::{HmacSecretEncoding, Provider, SignatureProtocol};

use super::{Issued, Party, Vars};
use crate::auth::{request::TokenFailure, sign};

/// Signs a token from what the person entered, or what is stored.
pub(super) fn issue(party: Party<'_>, given: &Map<String, Value>) -> Result<Issued, TokenFailure> {
    let mut vars = Vars::new(&party);
    vars.credentials(given);
    let (token, expires_at) = sign_declared(party.provider, &vars)?;
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "JWT".into());
    credentials.extend(
        given
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "type" | "token" | "expires_at"))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    credentials.insert("token".to_owned(), token.into());
    credentials.insert("expires_at".to_owned(), expires_at.iso_millis().into());
    Ok(Issued::new(credentials, Some(expires_at)))
}

/// Signs the token that a provider declares under `signature` and `token`.
pub(super) fn sign_declared(
    provider: &Provider,
    vars: &Vars,
) -> Result<(String, Timestamp), TokenFailure> {
    let unusable = |reason: String| TokenFailure::ours("jwt_signing", reason);
    let (Some(signature), Some(token)) = (&provider.signature, &provider.token) else {
        return Err(unusable(
            "the provider declares no token to sign".to_owned(),
        ));
    };
    let template = token.signing_key.as_deref().unwrap_or_default();
    let key = vars
        .fill_text(template)
        .ok_or_else(|| unusable("the signing key is missing".to_owned()))?;
    let key = match (signature.protocol, signature.hmac_secret_encoding) {
        (SignatureProtocol::Hmac, HmacSecretEncoding::Hex) => hex::decode(key.trim())
            .map_err(|_| unusable("the signing key is not hexadecimal".to_owned()))?,
        _ => key.into_bytes(),
    };
    let expires_at = vars.now.plus(Duration::from_millis(token.expires_in_ms));
    let payload = payload(&vars.fill(&token.payload), vars.now, expires_at);
    let text = sign::jwt::sign(&vars.fill(&token.header), &payload, &key)
        .map_err(|error| unusable(error.to_string()))?;
    Ok((text, expires_at))
}

/// Adds the times; lists written with commas become lists.
pub(super) fn payload(
    claims: &Map<String, Value>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Map<String, Value> {
    let mut payload: Map<String, Value> = claims
        .iter()
        .map(|(name, value)| (name.clone(), split(value)))
        .collect();
    payload.insert("iat".to_owned(), now.secs().into());
    payload.insert("exp".to_owned(), expires_at.secs().into());
    payload
}

fn split(value: &Value) -> Value {
    let Value::Array(items) = value else {
        return value.clone();
    };
    let texts = items.iter().filter_map(Value::as_str);
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .collect()
}
