//! Whether a request comes from whom it says: every comparison takes the same time, whatever the outcome.

use aws_lc_rs::{constant_time, digest, hmac, signature as rsa};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tenon_core::{Secret, Timestamp};
use tenon_providers::webhook::{
    KeyEncoding, Mismatch, SignatureAlgorithm, SignatureEncoding, SignatureKey, SignatureNeed,
    SignatureScheme, Source, WebhookSignature,
};
use tenon_store::integrations::IntegrationRow;

use super::{
    request::{Incoming, Request},
    source::{at, holds, is_there, text, texts},
};
use crate::{auth::sign::key::der_of_pem, integrations::WEBHOOK_SECRET};

/// Larger than any count of seconds for the next centuries: a timestamp in milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Wrong, but let through.
    Logged,
    Missing,
    Wrong(Wrong),
}

/// What is wrong, for people who look into the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    NoKey,
    UnusableKey,
    Stale,
    Mismatch,
}

impl Wrong {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NoKey => "no secret is set to check it with",
            Self::UnusableKey => "the secret that is set cannot be used as a key",
            Self::Stale => "its timestamp is missing, too old or in the future",
            Self::Mismatch => "it does not fit the body and the secret",
        }
    }
}

/// What keys are made of.
pub(super) struct Keys<'a> {
    pub(super) integration: &'a IntegrationRow,
    /// Metadata of the connection that the request is for.
    pub(super) metadata: Option<&'a Value>,
    /// What the provider handed out for this request.
    pub(super) fetched: Option<&'a Secret>,
}

/// Checks a request. `events` are those of its body.
pub(super) fn check(
    rule: &WebhookSignature,
    incoming: &Incoming,
    events: &[&Value],
    keys: &Keys<'_>,
    now: Timestamp,
) -> Verdict {
    let request = &incoming.request;
    if rule
        .except
        .iter()
        .any(|condition| holds(condition, request, &request.body))
    {
        return Verdict::Good;
    }
    let verdict = match rule
        .schemes
        .iter()
        .find(|scheme| is_used(scheme, request, events))
    {
        Some(scheme) => match keys.of(scheme) {
            Some(key) => verify(scheme, incoming, events, &key, now),
            None if rule.needed == SignatureNeed::Always => Verdict::Wrong(Wrong::NoKey),
            None => Verdict::Good,
        },
        None => match rule.needed {
            SignatureNeed::Always => Verdict::Missing,
            SignatureNeed::IfPresent => Verdict::Good,
            SignatureNeed::WithKey => {
                if rule.schemes.iter().any(|scheme| keys.of(scheme).is_some()) {
                    Verdict::Missing
                } else {
                    Verdict::Good
                }
            }
        },
    };
    match verdict {
        Verdict::Wrong(_) if rule.mismatch == Mismatch::Log => Verdict::Logged,
        verdict => verdict,
    }
}

fn is_used(scheme: &SignatureScheme, request: &Request, events: &[&Value]) -> bool {
    if scheme.each_event {
        return events
            .iter()
            .any(|event| is_there(&scheme.from, request, event));
    }
    is_there(&scheme.from, request, &request.body)
}

impl Keys<'_> {
    fn of(&self, scheme: &SignatureScheme) -> Option<Secret> {
        scheme.key.iter().find_map(|key| self.one(key))
    }

    fn one(&self, key: &SignatureKey) -> Option<Secret> {
        let secrets = &self.integration.secrets;
        let found = match key {
            SignatureKey::WebhookSecret => {
                let custom = secrets.custom.expose().get(WEBHOOK_SECRET);
                let custom = custom.and_then(Value::as_str).map(str::to_owned);
                custom.or_else(|| Some(secrets.webhook_secret.as_ref()?.expose().clone()))?
            }
            SignatureKey::ClientSecret => secrets.client_secret.as_ref()?.expose().clone(),
            SignatureKey::AppHash => {
                let id = secrets.app_id.as_ref();
                let id = id.or(self.integration.client_id.as_ref())?;
                let key = secrets.private_key.as_ref()?.expose();
                let link = self.integration.app_link.as_deref().unwrap_or_default();
                let all = format!("{id}{key}{link}");
                hex::encode(digest::digest(&digest::SHA256, all.as_bytes()))
            }
            SignatureKey::Metadata(path) => at(self.metadata?, path)?.as_str()?.to_owned(),
            SignatureKey::Fetched(_) => self.fetched?.expose().clone(),
        };
        (!found.is_empty()).then(|| Secret::new(found))
    }
}

fn verify(
    scheme: &SignatureScheme,
    incoming: &Incoming,
    events: &[&Value],
    key: &Secret,
    now: Timestamp,
) -> Verdict {
    let request = &incoming.request;
    let stamp = match &scheme.timestamp {
        Some(source) => match fresh(source, scheme, request, now) {
            Some(stamp) => stamp,
            None => return Verdict::Wrong(Wrong::Stale),
        },
        None => String::new(),
    };
    let Some(key) = bytes_of(key, scheme.key_encoding) else {
        return Verdict::Wrong(Wrong::UnusableKey);
    };
    let signed = signed(scheme, incoming, &key, &stamp);
    let right = |event: &Value| {
        texts(&scheme.from, request, event)
            .iter()
            .any(|given| fits(scheme, given, &key, &signed))
    };
    let good = if scheme.each_event {
        events.iter().all(|event| right(event))
    } else {
        right(&request.body)
    };
    if good {
        Verdict::Good
    } else {
        Verdict::Wrong(Wrong::Mismatch)
    }
}

/// The text of a timestamp that is near enough to now.
fn fresh(
    source: &Source,
    scheme: &SignatureScheme,
    request: &Request,
    now: Timestamp,
) -> Option<String> {
    let stamp = text(source, request, &request.body)?;
    let number: i64 = stamp.parse().ok()?;
    let millis = if number >= MILLISECONDS_FROM {
        number
    } else {
        number.checked_mul(1_000)?
    };
    let apart = now.millis().checked_sub(millis)?.unsigned_abs();
    (u128::from(apart) <= scheme.tolerance().as_millis()).then_some(stamp)
}

fn bytes_of(key: &Secret, encoding: KeyEncoding) -> Option<Secret<Vec<u8>>> {
    let text = key.expose();
    let bytes = match encoding {
        KeyEncoding::Utf8 => text.as_bytes().to_vec(),
        KeyEncoding::Whsec => STANDARD
            .decode(text.strip_prefix("whsec_").unwrap_or(text))
            .ok()?,
        KeyEncoding::Sha256 => hash(&digest::SHA256, text.as_bytes()),
    };
    Some(Secret::new(bytes))
}

/// Fills `${body}`, `${key}`, `${timestamp}` and `${header.<name>|<name>}`.
fn signed(
    scheme: &SignatureScheme,
    incoming: &Incoming,
    key: &Secret<Vec<u8>>,
    stamp: &str,
) -> Secret<Vec<u8>> {
    let mut out = Vec::with_capacity(incoming.raw.len() + 128);
    let mut rest = scheme.signed.as_str();
    while let Some((before, behind)) = rest.split_once("${") {
        out.extend_from_slice(before.as_bytes());
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        match name {
            "body" => out.extend_from_slice(&incoming.raw),
            "key" => out.extend_from_slice(key.expose()),
            "timestamp" => out.extend_from_slice(stamp.as_bytes()),
            other => {
                let names = other.strip_prefix("header.").unwrap_or_default();
                let value = names
                    .split('|')
                    .find_map(|name| incoming.request.header(name));
                out.extend_from_slice(value.unwrap_or_default().as_bytes());
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    Secret::new(out)
}

fn fits(
    scheme: &SignatureScheme,
    given: &str,
    key: &Secret<Vec<u8>>,
    signed: &Secret<Vec<u8>>,
) -> bool {
    let (key, signed) = (key.expose(), signed.expose());
    let decoded = match scheme.encoding {
        SignatureEncoding::Hex => hex::decode(given).ok(),
        SignatureEncoding::Base64 => STANDARD.decode(given).ok(),
    };
    let expected = match scheme.algorithm {
        SignatureAlgorithm::HmacSha256 => mac(hmac::HMAC_SHA256, key, signed),
        SignatureAlgorithm::HmacSha1 => mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, signed),
        SignatureAlgorithm::Sha256 => hash(&digest::SHA256, signed),
        SignatureAlgorithm::Sha1 => hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, signed),
        SignatureAlgorithm::RsaSha256 => {
            let public = std::str::from_utf8(key).ok().and_then(der_of_pem);
            let Some((public, given)) = public.zip(decoded) else {
                return false;
            };
            let public = rsa::UnparsedPublicKey::new(&rsa::RSA_PKCS1_2048_8192_SHA256, public);
            return public.verify(signed, &given).is_ok();
        }
        SignatureAlgorithm::Equal => return equal(given.as_bytes(), key),
    };
    decoded.is_some_and(|decoded| equal(&decoded, &expected))
}

fn mac(algorithm: hmac::Algorithm, key: &[u8], signed: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, key);
    hmac::sign(&key, signed).as_ref().to_vec()
}

fn hash(algorithm: &'static digest::Algorithm, signed: &[u8]) -> Vec<u8> {
    digest::digest(algorithm, signed).as_ref().to_vec()
}

fn equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}
