//! Private keys in the shapes in which people paste them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, RsaKeyPair,
};
use base64::{Engine as _, engine::general_purpose};
use serde_json::Value;

use super::SignError;

/// Reads an RSA key from PEM (`PKCS#8` or `PKCS#1`), also with `\n` literals or without line breaks.
pub fn rsa_from_pem(pem: &str) -> Result<RsaKeyPair, SignError> {
    let (label, der) = decode(pem)?;
    let key = if label == "RSA PRIVATE KEY" {
        RsaKeyPair::from_der(&der)
    } else {
        RsaKeyPair::from_pkcs8(&der)
    };
    key.map_err(|_| SignError::Key("not an RSA key"))
}

/// Reads a P-256 key from PEM (`PKCS#8` or SEC 1).
pub fn p256_from_pem(pem: &str) -> Result<EcdsaKeyPair, SignError> {
    ec_from_pem(pem, &ECDSA_P256_SHA256_FIXED_SIGNING)
}

/// Reads a P-384 key from PEM (`PKCS#8` or SEC 1).
pub fn p384_from_pem(pem: &str) -> Result<EcdsaKeyPair, SignError> {
    ec_from_pem(pem, &ECDSA_P384_SHA384_FIXED_SIGNING)
}

fn ec_from_pem(
    pem: &str,
    algorithm: &'static EcdsaSigningAlgorithm,
) -> Result<EcdsaKeyPair, SignError> {
    let (label, der) = decode(pem)?;
    let key = if label == "EC PRIVATE KEY" {
        EcdsaKeyPair::from_private_key_der(algorithm, &der)
    } else {
        EcdsaKeyPair::from_pkcs8(algorithm, &der)
    };
    key.map_err(|_| SignError::Key("not a key of the expected curve"))
}

/// Reads an RSA key from a JSON Web Key.
pub fn rsa_from_jwk(jwk: &Value) -> Result<RsaKeyPair, SignError> {
    let number = |name: &str| {
        jwk.get(name)
            .and_then(Value::as_str)
            .and_then(|text| {
                general_purpose::URL_SAFE_NO_PAD
                    .decode(text.trim_end_matches('='))
                    .ok()
            })
            .ok_or(SignError::Key("an RSA JWK with all its members is needed"))
    };
    let mut body = der_integer(&[0]);
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        body.extend(der_integer(&number(name)?));
    }
    RsaKeyPair::from_der(&der_value(0x30, &body))
        .map_err(|_| SignError::Key("the JWK is not a valid RSA key"))
}

/// The bytes of the first block of a PEM text, for instance of a public key.
pub fn der_of_pem(pem: &str) -> Option<Vec<u8>> {
    decode(pem).ok().map(|(_, der)| der)
}

/// The label and the bytes of the first block. Tolerates `\n` literals, missing line breaks and text around the block.
fn decode(pem: &str) -> Result<(String, Vec<u8>), SignError> {
    let text = pem.replace("\\n", "\n");
    let rest = text
        .split_once("-----BEGIN ")
        .ok_or(SignError::Key("no PEM block"))?
        .1;
    let (label, rest) = rest
        .split_once("-----")
        .ok_or(SignError::Key("no PEM block"))?;
    let (body, _) = rest
        .split_once("-----END")
        .ok_or(SignError::Key("the PEM block has no end"))?;
    if body.contains("ENCRYPTED") {
        return Err(SignError::Key("the key is protected by a passphrase"));
    }
    let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = general_purpose::STANDARD
        .decode(base64)
        .map_err(|_| SignError::Key("the PEM block is not base64"))?;
    Ok((label.to_owned(), der))
}

fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut value = bytes.get(zeros..).unwrap_or_default().to_vec();
    if value.first().is_none_or(|byte| byte & 0x80 != 0) {
        value.insert(0, 0);
    }
    der_value(0x02, &value)
}

fn der_value(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = value.len().to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | (length.len() - zeros) as u8);
            out.extend_from_slice(&length[zeros..]);
        }
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer,
        rand::SystemRandom,
        rsa::KeySize,
        signature::{self, KeyPair, RsaKeyPair},
    };
    use base64::{Engine as _, engine::general_purpose};
    use serde_json::{Map, Value};

    use super::{rsa_from_jwk, rsa_from_pem};

    /// A fresh key and its PKCS#1 form, which stands behind the fixed head of the PKCS#8 form.
    fn fresh() -> (RsaKeyPair, Vec<u8>) {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
        let pkcs1 = pkcs8.as_ref()[26..].to_vec();
        (key, pkcs1)
    }

    fn signs_like(key: &RsaKeyPair, other: &RsaKeyPair) {
        let mut signature = vec![0; other.public_modulus_len()];
        let random = SystemRandom::new();
        other
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &random,
                b"text",
                &mut signature,
            )
            .unwrap();
        let public = signature::UnparsedPublicKey::new(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            key.public_key().as_ref(),
        );
        public.verify(b"text", &signature).unwrap();
    }

    /// Numbers of a PKCS#1 key, without the version.
    fn numbers(pkcs1: &[u8]) -> Vec<Vec<u8>> {
        let length = |bytes: &[u8]| match bytes[0] {
            0x81 => (2, usize::from(bytes[1])),
            0x82 => (3, usize::from(bytes[1]) << 8 | usize::from(bytes[2])),
            short => (1, usize::from(short)),
        };
        let mut rest = &pkcs1[1 + length(&pkcs1[1..]).0..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (head, size) = length(&rest[1..]);
            found.push(rest[1 + head..1 + head + size].to_vec());
            rest = &rest[1 + head + size..];
        }
        found.split_off(1)
    }

    #[test]
    fn pasted_keys_are_read() {
        let (key, pkcs1) = fresh();
        let base64 = general_purpose::STANDARD.encode(&pkcs1);
        for pem in [
            format!("-----BEGIN RSA PRIVATE KEY-----\n{base64}\n-----END RSA PRIVATE KEY-----"),
            format!("-----BEGIN RSA PRIVATE KEY-----\\n{base64}\\n-----END RSA PRIVATE KEY-----\n"),
            format!("  -----BEGIN RSA PRIVATE KEY----- {base64} -----END RSA PRIVATE KEY-----"),
        ] {
            signs_like(&key, &rsa_from_pem(&pem).unwrap());
        }
        for pem in ["", "no key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA"] {
            assert!(rsa_from_pem(pem).is_err(), "{pem}");
        }
    }

    #[test]
    fn web_keys_are_read() {
        let (key, pkcs1) = fresh();
        let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
        let jwk: Map<String, Value> = names
            .iter()
            .zip(numbers(&pkcs1))
            .map(|(name, number)| {
                let text = general_purpose::URL_SAFE_NO_PAD.encode(number);
                ((*name).to_owned(), Value::from(text))
            })
            .collect();
        signs_like(&key, &rsa_from_jwk(&Value::Object(jwk.clone())).unwrap());
        let mut partly = jwk;
        partly.remove("qi");
        assert!(rsa_from_jwk(&Value::Object(partly)).is_err());
    }
}
