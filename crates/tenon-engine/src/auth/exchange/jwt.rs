//! Tokens of other people's making (RFC 7519, RFC 8725): nothing in them counts before everything was checked.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use tenon_core::Timestamp;

use super::jwk::{Algorithm, Jwk};

/// Longest token; real ones with many groups have some KB.
const TOKEN_BYTES: usize = 16 * 1024;

/// By how much clocks may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Kinds of tokens that say who somebody is. A logout token or a proof is no such thing (RFC 8725, 3.11).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// A token that was taken apart, and not believed yet.
pub(super) struct Unverified<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

type Refused = &'static str;

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Refused> {
        if token.len() > TOKEN_BYTES {
            return Err("it is too large");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("it is not a JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("it is not a JWT")?;
        if claims.contains('.') {
            return Err("it is not a signed JWT");
        }
        let (header, claims) = (object(header)?, object(claims)?);
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        // What must be understood is not (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err("it demands an extension that is not known here");
        }
        let is_known = |kind: &str| TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind));
        if header.contains_key("typ") && !text("typ").is_some_and(is_known) {
            return Err("it is a token of another kind");
        }
        let algorithm = text("alg").and_then(Algorithm::parse);
        Ok(Self {
            algorithm: algorithm.ok_or("its algorithm is not allowed")?,
            key_id: text("kid").map(str::to_owned),
            claims,
            signed,
            signature: bytes(signature)?,
        })
    }

    /// Which key of the issuer is said to have signed it.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether it names this issuer and is meant for this audience.
    pub(super) fn is_meant(&self, issuer: &str, audience: &str) -> bool {
        let is_audience = |value: &Value| value.as_str() == Some(audience);
        let audiences = self.claims.get("aud");
        let is_for_us = audiences.is_some_and(|value| match value {
            Value::Array(several) => several.iter().any(is_audience),
            one => is_audience(one),
        });
        is_for_us && self.claims.get("iss").and_then(Value::as_str) == Some(issuer)
    }

    /// Whether it lives now. A token without an end is refused.
    pub(super) fn check_times(&self, now: Timestamp) -> Result<(), Refused> {
        let instant = |name: &str| -> Result<Option<Timestamp>, Refused> {
            let Some(value) = self.claims.get(name) else {
                return Ok(None);
            };
            let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e12);
            let seconds = seconds.ok_or("one of its times is no number")?;
            Ok(Some(Timestamp::from_secs(seconds as i64)))
        };
        let ends = instant("exp")?.ok_or("it has no end")?;
        if ends.plus(SKEW) <= now {
            return Err("it has expired");
        }
        if instant("nbf")?.is_some_and(|begins| begins > now.plus(SKEW)) {
            return Err("it is not valid yet");
        }
        if instant("iat")?.is_some_and(|issued| issued > now.plus(SKEW)) {
            return Err("it comes from the future");
        }
        Ok(())
    }

    /// Whether one of the issuer's keys has signed it: the one it names, or the only one of its kind.
    pub(super) fn verify(&self, keys: &[Jwk]) -> Result<(), Refused> {
        let fits = |key: &&Jwk| {
            let is_named = self.key_id.is_none() || key.id == self.key_id;
            is_named && key.signs(self.algorithm)
        };
        let mut fitting = keys.iter().filter(fits);
        let key = fitting.next().ok_or("the issuer has no such key")?;
        if fitting.next().is_some() {
            return Err("it does not say which of the issuer's keys has signed it");
        }
        if key.verify(self.algorithm, self.signed.as_bytes(), &self.signature) {
            Ok(())
        } else {
            Err("its signature is wrong")
        }
    }

    /// A claim that is a text and not empty.
    pub(super) fn claim(&self, name: &str) -> Option<String> {
        let text = self.claims.get(name)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Refused> {
    match serde_json::from_slice(&bytes(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err("it is not a JWT"),
    }
}

fn bytes(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is not a JWT")
}

#[cfg(test)]
mod tests;
