//! Private keys in the shapes in which people paste them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, RsaKeyPair,
};
use base64::{Engine as _, engine::general_purpose};
use serde_json::Value;

use super::SignError;

/// Reads an RSA key from PEM (PKCS#8 or PKCS#1), also with `\n` literals or without line breaks.
pub fn rsa_from_pem(pem: &str) -> Result<RsaKeyPair, SignError> {
    let (label, der) = decode(pem)?;
    let key = if label == "RSA PRIVATE KEY" {
        RsaKeyPair::from_der(&der)
    } else {
        RsaKeyPair::from_pkcs8(&der)
    };
    key.map_err(|_| SignError::Key("not an RSA key"))
}

/// Reads a P-256 key from PEM (PKCS#8 or SEC 1).
pub fn p256_from_pem(pem: &str) -> Result<EcdsaKeyPair, SignError> {
    ec_from_pem(pem, &ECDSA_P256_SHA256_FIXED_SIGNING)
}

/// Reads a P-384 key from PEM (PKCS#8 or SEC 1).
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
    let first = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len().saturating_sub(1));
    let mut value = bytes.get(first..).unwrap_or_default().to_vec();
    if value.first().is_none_or(|byte| byte & 0x80 != 0) {
        value.insert(0, 0);
    }
    der_value(0x02, &value)
}

fn der_value(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = value.len().to_be_bytes();
    let used = length
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&length[length.len() - 1..], |first| &length[first..]);
    if value.len() >= 0x80 {
        out.push(0x80 | u8::try_from(used.len()).unwrap_or(8));
    }
    out.extend_from_slice(used);
    out.extend_from_slice(value);
    out
}
