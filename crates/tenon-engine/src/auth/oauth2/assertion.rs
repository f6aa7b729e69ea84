//! A client that proves itself with a key instead of a secret: `private_key_jwt` (RFC 7523, 2.2; OpenID Connect Core, 9).

use std::time::Duration;

use serde_json::{Map, Value, json};
use tenon_core::Timestamp;
use uuid::Uuid;

use crate::auth::{
    request::TokenFailure,
    sign::{SignError, jwt, key},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The reference's lifetime; providers refuse more than an hour.
const LIFETIME: Duration = Duration::from_secs(300);

/// Who proves itself, with what, to whom.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    pub client_id: &'a str,
    /// An RSA JSON Web Key, or PEM of an RSA or P-256 key.
    pub key: &'a str,
    /// The token endpoint.
    pub audience: &'a str,
    pub now: Timestamp,
    /// Becomes `jti`: servers take each only once.
    pub id: Uuid,
}

impl Assertion<'_> {
    /// Adds `client_assertion_type` and `client_assertion`.
    pub fn add_to(&self, params: &mut Map<String, Value>) -> Result<(), TokenFailure> {
        let signed = self.sign().map_err(|error| {
            TokenFailure::ours(
                "invalid_private_key",
                format!("{error}; an RSA JSON Web Key is needed, or PEM of an RSA or P-256 key"),
            )
        })?;
        params.insert("client_assertion_type".to_owned(), JWT_BEARER.into());
        params.insert("client_assertion".to_owned(), signed.into());
        Ok(())
    }

    fn sign(&self) -> Result<String, SignError> {
        let payload = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": self.now.secs(),
            "exp": self.now.plus(LIFETIME).secs(),
            "jti": self.id.to_string(),
        });
        let payload = payload.as_object().cloned().unwrap_or_default();
        let mut header = Map::from_iter([
            ("alg".to_owned(), "RS256".into()),
            ("typ".to_owned(), "JWT".into()),
        ]);
        if self.key.trim_start().starts_with('{') {
            let jwk: Value =
                serde_json::from_str(self.key).map_err(|_| SignError::Key("not a JSON Web Key"))?;
            if let Some(kid) = jwk.get("kid") {
                header.insert("kid".to_owned(), kid.clone());
            }
            return jwt::sign_rs256(&header, &payload, &key::rsa_from_jwk(&jwk)?);
        }
        if let Ok(key) = key::p256_from_pem(self.key) {
            header.insert("alg".to_owned(), "ES256".into());
            return jwt::sign_es256(&header, &payload, &key);
        }
        jwt::sign_rs256(&header, &payload, &key::rsa_from_pem(self.key)?)
    }
}
