//! How webhooks that a provider sends are checked and routed (webhooks.md, 2): data in `providers/webhooks`, one file
//! per `webhook_routing_script`.

use std::{ops::Deref, time::Duration};

use indexmap::IndexMap;
use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error};

use crate::proxy::one_or_many;

/// What is done with an incoming webhook, in this order: `answers`, `signature`, `events`, `connection`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookRouting {
    /// What the body is packed in.
    pub decode: Option<Decode>,
    /// Requests that are answered in a way of their own: handshakes.
    pub answers: Vec<WebhookAnswer>,
    pub signature: Option<WebhookSignature>,
    /// For bodies with several events; without it the body is the event.
    pub events: Option<WebhookEvents>,
    /// What functions subscribe to.
    pub event_type: Option<Source>,
    pub connection: ConnectionRule,
    /// What functions and the app get.
    pub payload: WebhookPayload,
}

/// What is passed on of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookPayload {
    #[default]
    Body,
    /// The headers as an object: providers whose bodies are empty.
    Headers,
}

/// What a body is packed in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// A form field that holds JSON; bodies without it stay as they are.
    JsonField(String),
    /// A path to base64 of JSON; bodies without it stay as they are.
    Base64Json(String),
}

/// A place in a request, or in one event of it. The first place with a text or number counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Names of headers.
    #[serde(deserialize_with = "one_or_many")]
    pub header: Vec<String>,
    /// Names of query parameters.
    #[serde(deserialize_with = "one_or_many")]
    pub query: Vec<String>,
    /// Dotted paths in the event.
    #[serde(deserialize_with = "one_or_many")]
    pub body: Vec<String>,
    /// Several places, put together with dots; nothing if one of them is missing.
    pub join: Vec<Self>,
    /// A fixed text.
    pub value: Option<String>,
    /// Takes the part of the text that the first group matches; nothing if there is no match.
    pub pattern: Option<Pattern>,
    /// Takes the percent-encoding off, then.
    pub url_decoded: bool,
    /// Hex SHA-256 of the text in lower case, in the end: as `post_connection` keeps values that nobody is to read.
    pub sha256: bool,
}

/// Whether a rule applies.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub of: Source,
    /// The texts that it may be; any if left out.
    #[serde(default, deserialize_with = "one_or_many")]
    pub is: Vec<String>,
}

/// An answer of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookAnswer {
    pub when: Condition,
    /// `GET` for providers that ask before they send.
    #[serde(default = "post")]
    pub method: String,
    /// Plain text.
    #[serde(default)]
    pub text: Option<Source>,
    /// Members of a JSON object.
    #[serde(default)]
    pub json: IndexMap<String, Source>,
    /// Whether the request goes on its way as well. Such an answer comes after the check of the signature.
    #[serde(default)]
    pub route: bool,
}

fn post() -> String {
    "POST".to_owned()
}

/// How a request proves where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSignature {
    #[serde(default)]
    pub needed: SignatureNeed,
    /// `log`: a wrong one is noted and let through.
    #[serde(default)]
    pub mismatch: Mismatch,
    /// Requests that come without one.
    #[serde(default)]
    pub except: Vec<Condition>,
    /// The ways in which a request may be signed: the first that it uses is checked.
    pub schemes: Vec<SignatureScheme>,
}

/// When a request without a signature is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureNeed {
    Always,
    /// Where a key is set; without a key nothing is checked.
    #[default]
    WithKey,
    /// Never: only signatures that are there are checked.
    IfPresent,
}

/// What becomes of a request with a wrong signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    #[default]
    Refuse,
    Log,
}

/// One way to sign.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureScheme {
    /// Where the signature stands. A pattern may match several: one of them must be right.
    pub from: Source,
    #[serde(default)]
    pub algorithm: SignatureAlgorithm,
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What is signed: `${body}`, `${key}`, `${timestamp}`, `${header.<name>}`.
    #[serde(default = "body")]
    pub signed: String,
    /// The first of these that is set.
    #[serde(default)]
    pub key: Vec<SignatureKey>,
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// When it was signed, in seconds or milliseconds since 1970.
    #[serde(default)]
    pub timestamp: Option<Source>,
    #[serde(default = "five_minutes")]
    pub tolerance_s: u64,
    /// Whether each event carries its own.
    #[serde(default)]
    pub each_event: bool,
}

impl SignatureScheme {
    /// How old, or how far ahead, a timestamp may be.
    pub const fn tolerance(&self) -> Duration {
        Duration::from_secs(self.tolerance_s)
    }
}

fn body() -> String {
    "${body}".to_owned()
}

const fn five_minutes() -> u64 {
    300
}

/// How a signature is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    #[default]
    HmacSha256,
    HmacSha1,
    /// A plain hash; `signed` holds the key.
    Sha256,
    Sha1,
    /// RSA over SHA-256 (`PKCS#1` v1.5); the key is a public key in PEM.
    RsaSha256,
    /// The key itself.
    Equal,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureEncoding {
    #[default]
    Hex,
    Base64,
}

/// Where a key comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureKey {
    /// The secret that the owner of the integration set for webhooks.
    WebhookSecret,
    ClientSecret,
    /// Hex SHA-256 of app id (or client id), private key and app link: what a GitHub-style app is set up with.
    AppHash,
    /// A value in the metadata of the connection that the request is for.
    Metadata(String),
    /// A member of a JSON document of the provider, to which the request points.
    Fetched(FetchedKey),
}

/// A key that the provider hands out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchedKey {
    pub url: Source,
    /// Ends of host names that are believed, for instance `.example.com`.
    pub hosts: Vec<String>,
    pub member: String,
}

impl FetchedKey {
    /// Whether an address is the provider's: HTTPS, on one of its hosts.
    pub fn trusts(&self, url: &url::Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && self.hosts.iter().any(|end| host.ends_with(end.as_str()))
    }
}

/// How the bytes of a key are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyEncoding {
    #[default]
    Utf8,
    /// Base64 behind `whsec_`, as Standard Webhooks have it.
    Whsec,
    /// The SHA-256 of the text.
    Sha256,
}

/// A body with several events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookEvents {
    /// Path of the list; the body itself if left out. What is no list is one event.
    pub path: Option<String>,
    /// Events that are left out.
    pub drop: Vec<Condition>,
    /// Events of one thing follow each other.
    pub group_by: Option<Source>,
    /// These come first in their group.
    pub first: Option<Source>,
    /// Then by this number.
    pub order_by: Option<Source>,
}

/// How the connection is found that a request is for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionRule {
    /// Tried in order until one finds something.
    pub find: Vec<ConnectionLookup>,
    /// Whether a request that names no connection is for all of them.
    pub otherwise: Otherwise,
    /// The refusal of requests that name no connection.
    pub required: Option<RequiredConnection>,
}

/// What a request is for that names no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    #[default]
    None,
    All,
}

/// How a request without a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequiredConnection {
    /// 400
    BadRequest,
    /// 401: what names the connection is its secret.
    Unauthorized,
}

/// One way to find connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionLookup {
    /// `connection_id`, `config.<path>` or `metadata.<path>`.
    #[serde(rename = "in", deserialize_with = "place")]
    pub place: Place,
    pub from: Source,
    #[serde(default)]
    pub when: Option<Condition>,
}

/// Where a connection carries what a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    ConnectionId,
    Config(String),
    Metadata(String),
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.split_once('.') {
        None if text == "connection_id" => Ok(Place::ConnectionId),
        Some(("config", path)) => Ok(Place::Config(path.to_owned())),
        Some(("metadata", path)) => Ok(Place::Metadata(path.to_owned())),
        _ => Err(D::Error::custom(format!(
            "`{text}` is none of `connection_id`, `config.<path>`, `metadata.<path>`"
        ))),
    }
}

/// A regular expression, compiled once.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Deref for Pattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let regex = Regex::new(&text).map_err(D::Error::custom)?;
        if regex.captures_len() < 2 {
            return Err(D::Error::custom(format!("`{text}` has no group")));
        }
        Ok(Self(regex))
    }
}

#[cfg(test)]
mod tests {
    use super::FetchedKey;

    #[test]
    fn keys_are_fetched_from_the_provider_only() {
        let key: FetchedKey = serde_json::from_value(serde_json::json!({
            "url": {"body": "key_url"},
            "hosts": [".acme.test"],
            "member": "key",
        }))
        .unwrap();
        let cases = [
            ("https://api.acme.test/keys/1", true),
            ("http://api.acme.test/keys/1", false),
            ("https://acme.test.evil.test/", false),
            ("https://evilacme.test/", false),
            ("https://api.acme.test:8443/", false),
            ("https://api.acme.test@evil.test/", false),
            ("https://user@api.acme.test/", false),
        ];
        for (url, trusted) in cases {
            assert_eq!(key.trusts(&url.parse().unwrap()), trusted, "{url}");
        }
    }
}
