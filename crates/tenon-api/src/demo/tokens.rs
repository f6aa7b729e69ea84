//! Codes and tokens that carry their meaning and a signature, so that connections outlive a restart of the demo.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tenon_core::Timestamp;

use super::Helpdesk;

/// Short, so that a refresh can be watched.
pub(super) const ACCESS: Duration = Duration::from_secs(10 * 60);
const REFRESH: Duration = Duration::from_secs(30 * 24 * 3600);
const CODE: Duration = Duration::from_secs(60);

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Code,
    Access,
    Refresh,
}

/// What is inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) kind: Kind,
    pub(super) account: String,
    pub(super) id: String,
    expires_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) challenge: Option<String>,
}

impl Helpdesk {
    /// Makes a text of a kind for an account.
    pub(super) fn issue(&self, kind: Kind, account: &str, challenge: Option<String>) -> String {
        let lifetime = match kind {
            Kind::Code => CODE,
            Kind::Access => ACCESS,
            Kind::Refresh => REFRESH,
        };
        let claims = Claims {
            kind,
            account: account.to_owned(),
            id: self.0.ids.hex(8),
            expires_at_ms: self.0.clock.now().plus(lifetime).millis(),
            challenge,
        };
        let body = serde_json::to_vec(&claims).expect("claims are plain data");
        let body = URL_SAFE_NO_PAD.encode(body);
        let seal = hex::encode(self.seal(&body));
        format!("hd_{body}.{seal}")
    }

    /// Reads a text back; `None` if it is forged, old or of another kind.
    pub(super) fn read(&self, kind: Kind, text: &str) -> Option<Claims> {
        let (body, seal) = text.strip_prefix("hd_")?.split_once('.')?;
        let seal = hex::decode(seal).ok()?;
        hmac::verify(&self.key(), body.as_bytes(), &seal).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let fresh = Timestamp::from_millis(claims.expires_at_ms) > self.0.clock.now();
        (claims.kind == kind && fresh).then_some(claims)
    }

    fn seal(&self, body: &str) -> Vec<u8> {
        hmac::sign(&self.key(), body.as_bytes()).as_ref().to_vec()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(
            hmac::HMAC_SHA256,
            self.0.plan.client_secret.expose().as_bytes(),
        )
    }
}

/// The S256 challenge of a verifier (RFC 7636).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}
