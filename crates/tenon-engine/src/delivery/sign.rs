//! Headers that prove where a webhook comes from.

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenon_core::Timestamp;

/// What is signed in one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// `webhook_signing_key`: a text whose UTF-8 bytes are the key of all schemes.
    pub key: &'a str,
    pub id: &'a str,
    /// Of the attempt, not of the event.
    pub at: Timestamp,
    pub body: &'a [u8],
}

impl Signing<'_> {
    /// The five headers: two of Nango (webhooks.md, 1.2), three of Standard Webhooks.
    pub fn headers(&self) -> [(&'static str, String); 5] {
        [
            ("x-nango-signature", self.legacy()),
            ("x-nango-hmac-sha256", self.hmac()),
            ("webhook-id", self.id.to_owned()),
            ("webhook-timestamp", self.at.secs().to_string()),
            ("webhook-signature", self.standard()),
        ]
    }

    /// Hex SHA-256 of key and body: the older scheme.
    fn legacy(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.key.as_bytes());
        context.update(self.body);
        hex::encode(context.finish())
    }

    /// Hex HMAC-SHA256 of the body.
    fn hmac(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        hex::encode(hmac::sign(&key, self.body))
    }

    /// Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`.
    fn standard(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(self.id.as_bytes());
        context.update(b".");
        context.update(self.at.secs().to_string().as_bytes());
        context.update(b".");
        context.update(self.body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The signing key in the form that Standard Webhooks libraries take.
pub fn standard_webhooks_secret(key: &str) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;

    use super::{Signing, standard_webhooks_secret};

    #[test]
    fn signatures_equal_those_of_other_implementations() {
        // The example of the Standard Webhooks specification; its secret is this base64, its key the bytes below.
        let key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = standard_webhooks_secret(key);
        assert!(secret.starts_with("whsec_TWZLUTly"));
        let signing = Signing {
            key: "abc",
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp::from_secs(1_614_265_330),
            body: br#"{"test": 2432232314}"#,
        };
        let headers = signing.headers();
        // printf '%s' 'abc{"test": 2432232314}' | sha256sum
        assert_eq!(headers[0].1, SHA256);
        // printf '%s' '{"test": 2432232314}' | openssl dgst -sha256 -hmac abc
        assert_eq!(headers[1].1, HMAC);
        // printf '%s' 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -hmac abc -binary | base64
        assert_eq!(headers[4].1, V1);
    }

    const SHA256: &str = "7fd8718dce0f2742458267ff0d8bbc9c15f2f441a7683e9fbe72d80ba8153301";
    const HMAC: &str = "ec2782a9332b1475f0f00401d1475ad30c844e246c0069750e4e80356d0fd6d6";
    const V1: &str = "v1,URhE6zQ2ln3B+4DmDiCe3mLkxY4/y+crhR43sKHipss=";
}
