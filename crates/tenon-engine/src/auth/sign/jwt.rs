//! JSON Web Tokens that we sign (auth-and-proxy.md, 6.5).

use aws_lc_rs::{hmac, rand::SystemRandom, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{SignError, key};

/// Signs `header.payload` with the algorithm that the header names. `key` is PEM text for RSA and EC, the secret's bytes
/// for HMAC.
pub fn sign(
    header: &Map<String, Value>,
    payload: &Map<String, Value>,
    key: &[u8],
) -> Result<String, SignError> {
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("HS256");
    let input = signing_input(header, payload);
    let signature = signature(algorithm, key, input.as_bytes())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Signs with RS256 and a key that was read already.
pub fn sign_rs256(
    header: &Map<String, Value>,
    payload: &Map<String, Value>,
    key: &signature::RsaKeyPair,
) -> Result<String, SignError> {
    let input = signing_input(header, payload);
    let signature = rsa(key, &signature::RSA_PKCS1_SHA256, input.as_bytes())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Signs with ES256 and a key that was read already.
pub fn sign_es256(
    header: &Map<String, Value>,
    payload: &Map<String, Value>,
    key: &signature::EcdsaKeyPair,
) -> Result<String, SignError> {
    let input = signing_input(header, payload);
    let signature = key
        .sign(&SystemRandom::new(), input.as_bytes())
        .map_err(|_| SignError::Failed)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The `exp` of a token that looks like a JWT, in seconds. Nothing is verified: it only caps a lifetime.
pub fn expiry(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims.get("exp")?.as_f64().map(|seconds| seconds as i64)
}

fn signing_input(header: &Map<String, Value>, payload: &Map<String, Value>) -> String {
    let encode = |object: &Map<String, Value>| {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(object).unwrap_or_default())
    };
    format!("{}.{}", encode(header), encode(payload))
}

fn signature(algorithm: &str, key: &[u8], input: &[u8]) -> Result<Vec<u8>, SignError> {
    let pem = || std::str::from_utf8(key).map_err(|_| SignError::Key("not text"));
    let mac = |algorithm| {
        hmac::sign(&hmac::Key::new(algorithm, key), input)
            .as_ref()
            .to_vec()
    };
    let ec = |pair: signature::EcdsaKeyPair| {
        pair.sign(&SystemRandom::new(), input)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SignError::Failed)
    };
    match algorithm {
        "HS256" => Ok(mac(hmac::HMAC_SHA256)),
        "HS384" => Ok(mac(hmac::HMAC_SHA384)),
        "HS512" => Ok(mac(hmac::HMAC_SHA512)),
        "RS256" => rsa(
            &key::rsa_from_pem(pem()?)?,
            &signature::RSA_PKCS1_SHA256,
            input,
        ),
        "RS384" => rsa(
            &key::rsa_from_pem(pem()?)?,
            &signature::RSA_PKCS1_SHA384,
            input,
        ),
        "RS512" => rsa(
            &key::rsa_from_pem(pem()?)?,
            &signature::RSA_PKCS1_SHA512,
            input,
        ),
        "PS256" => rsa(
            &key::rsa_from_pem(pem()?)?,
            &signature::RSA_PSS_SHA256,
            input,
        ),
        "ES256" => ec(key::p256_from_pem(pem()?)?),
        "ES384" => ec(key::p384_from_pem(pem()?)?),
        other => Err(SignError::Algorithm(other.to_owned())),
    }
}

fn rsa(
    key: &signature::RsaKeyPair,
    encoding: &'static dyn signature::RsaEncoding,
    input: &[u8],
) -> Result<Vec<u8>, SignError> {
    let mut out = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), input, &mut out)
        .map_err(|_| SignError::Failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{expiry, sign};

    fn object(value: Value) -> serde_json::Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn hmac_token_equals_the_published_example() {
        // RFC 7515, appendix A.1 has whitespace in its JSON; this is the well-known example of jwt.io.
        let token = sign(
            &object(json!({ "alg": "HS256", "typ": "JWT" })),
            &object(json!({ "sub": "1234567890", "name": "John Doe", "iat": 1_516_239_022 })),
            b"your-256-bit-secret",
        )
        .unwrap();
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
    }

    #[test]
    fn expiry_is_read_from_tokens_only() {
        let token = sign(
            &object(json!({ "alg": "HS256" })),
            &object(json!({ "exp": 1_700_000_000 })),
            b"k",
        )
        .unwrap();
        assert_eq!(expiry(&token), Some(1_700_000_000));
        assert_eq!(expiry("plain-token"), None);
        assert_eq!(expiry("a.b.c.d"), None);
    }

    #[test]
    fn unknown_algorithms_are_refused() {
        let error = sign(&object(json!({ "alg": "none" })), &object(json!({})), b"k").unwrap_err();
        assert_eq!(error.to_string(), "the algorithm `none` is not supported");
    }
}
