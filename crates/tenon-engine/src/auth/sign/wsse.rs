//! WS-Security user name tokens (auth-and-proxy.md, 6.7).

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenon_core::Timestamp;

/// The value of an `X-WSSE` header. `nonce` is hex text; the digest is the base64 of the *hex text* of the SHA-1, as the
/// provider wants it.
pub fn username_token(username: &str, password: &str, nonce: &str, now: Timestamp) -> String {
    let created = now.iso_millis();
    let hash = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{nonce}{created}{password}").as_bytes(),
    );
    let digest = STANDARD.encode(hex::encode(hash));
    format!(
        "UsernameToken Username=\"{username}\", PasswordDigest=\"{digest}\", Nonce=\"{nonce}\", Created=\"{created}\""
    )
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;

    use super::username_token;

    #[test]
    fn digest_covers_nonce_time_and_password() {
        let now = Timestamp::from_millis(1_390_000_000_123);
        let token = |password, nonce| username_token("user", password, nonce, now);
        assert_eq!(token("secret", "d36e"), token("secret", "d36e"));
        assert_ne!(token("secret", "d36e"), token("other", "d36e"));
        assert_ne!(token("secret", "d36e"), token("secret", "d36f"));
        assert!(token("secret", "d36e").ends_with(r#"Created="2014-01-17T23:06:40.123Z""#));
    }
}
