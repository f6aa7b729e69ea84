//! Token requests with several steps, and the tokens that are signed here (auth-and-proxy.md, 6.4 and 6.5).

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::provider::{BodyFormat, TokenRequestMethod};

/// Where the answer of a token request holds what matters; dotted paths.
#[derive(Clone, Debug, Deserialize)]
pub struct TokenResponse {
    pub token: String,
    #[serde(default)]
    pub token_expiration: Option<String>,
    #[serde(default)]
    pub token_expiration_strategy: ExpirationStrategy,
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// How an expiry is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpirationStrategy {
    /// An instant.
    #[default]
    ExpireAt,
    /// Seconds, or a duration text.
    ExpireIn,
}

/// A further token request; may use `${stepN.path}` of earlier answers.
#[derive(Clone, Debug, Deserialize)]
pub struct TokenStep {
    pub token_url: String,
    #[serde(default)]
    pub token_request_method: TokenRequestMethod,
    #[serde(default)]
    pub body_format: Option<BodyFormat>,
    #[serde(default)]
    pub token_params: Map<String, Value>,
    #[serde(default)]
    pub token_headers: IndexMap<String, String>,
}

/// How a token is signed.
#[derive(Clone, Debug, Deserialize)]
pub struct Signature {
    pub protocol: SignatureProtocol,
    #[serde(default)]
    pub hmac_secret_encoding: HmacSecretEncoding,
}

/// Ways to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SignatureProtocol {
    #[serde(rename = "RSA")]
    Rsa,
    #[serde(rename = "EC")]
    Ec,
    #[serde(rename = "HMAC")]
    Hmac,
    #[serde(rename = "WSSE")]
    Wsse,
}

/// How an HMAC secret is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HmacSecretEncoding {
    #[default]
    Hex,
    Utf8,
}

/// Templates of a token that is signed here.
#[derive(Clone, Debug, Deserialize)]
pub struct JwtToken {
    #[serde(default)]
    pub signing_key: Option<String>,
    pub expires_in_ms: u64,
    #[serde(default)]
    pub header: Map<String, Value>,
    #[serde(default)]
    pub payload: Map<String, Value>,
}

/// An assertion that goes into a token request as `${credentials.assertion}`.
#[derive(Clone, Debug, Deserialize)]
pub struct Assertion {
    #[serde(rename = "type")]
    pub kind: AssertionType,
    /// Template of the private key.
    pub key: String,
    /// Seconds; a number or a text.
    #[serde(default, rename = "lifetimeInSeconds")]
    pub lifetime_seconds: Option<Value>,
    #[serde(default)]
    pub header: Map<String, Value>,
    #[serde(default)]
    pub payload: Map<String, Value>,
    #[serde(default)]
    pub issuer: Option<String>,
    #[serde(default)]
    pub audiences: Option<String>,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    #[serde(default, rename = "sessionIndex")]
    pub session_index: Option<String>,
    #[serde(default, rename = "nameIdentifier")]
    pub name_identifier: Option<String>,
    #[serde(default)]
    pub recipient: Option<String>,
}

impl Assertion {
    /// Lifetime of one assertion; 300 s unless the provider says otherwise.
    pub fn lifetime_seconds(&self) -> u64 {
        match &self.lifetime_seconds {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        }
        .unwrap_or(300)
    }
}

/// Kinds of assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssertionType {
    Jwt,
    Saml,
}
