//! The functions of the template language. One that cannot be computed counts as a placeholder without a value.

use aws_lc_rs::{
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    hmac, rsa,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Context, fill, parse, value};
use crate::sigv4::{AwsCredentials, SigV4, SignedBody};

/// The functions there are.
pub(super) const NAMES: &[&str] = &[
    "base64",
    "sha256Hex",
    "sha256Base64",
    "hmacSha1Hex",
    "hmacSha256Hex",
    "first",
    "ed25519Sign",
    "fingerprint",
    "awsSigV4",
];

/// Whether `name(…)` is a call; anything else in `${…}` is a variable.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a function; `None` when an argument has no value or cannot be used.
pub(super) fn call(name: &str, arguments: &str, context: &Context<'_>) -> Option<String> {
    let argument = |text: &str| argument(text, context);
    match name {
        "base64" => Some(STANDARD.encode(argument(arguments)?)),
        "sha256Hex" => Some(hex::encode(sha256(argument(arguments)?.as_bytes()))),
        "sha256Base64" => Some(STANDARD.encode(sha256(argument(arguments)?.as_bytes()))),
        "hmacSha1Hex" => {
            let (message, key) = parse::message_and_key(arguments)?;
            let key = hmac::Key::new(
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                argument(key)?.as_bytes(),
            );
            Some(hex::encode(hmac::sign(&key, argument(message)?.as_bytes())))
        }
        "hmacSha256Hex" => {
            let (message, key) = parse::message_and_key(arguments)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, argument(key)?.as_bytes());
            Some(hex::encode(hmac::sign(&key, argument(message)?.as_bytes())))
        }
        "first" => {
            let (text, count) = parse::message_and_key(arguments)?;
            let count = count.parse().ok()?;
            Some(argument(text)?.chars().take(count).collect())
        }
        "ed25519Sign" => {
            let (message, pem) = parse::message_and_key(arguments)?;
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(&argument(pem)?)?).ok()?;
            Some(STANDARD.encode(key.sign(argument(message)?.as_bytes())))
        }
        "fingerprint" => fingerprint(&argument(arguments)?),
        "awsSigV4" => aws_sigv4(arguments, context),
        _ => None,
    }
}

/// Fills an argument; `None` if anything in it stays open.
fn argument(text: &str, context: &Context<'_>) -> Option<String> {
    let open = |part: &parse::Part<'_>| match part {
        parse::Part::Text(_) => false,
        parse::Part::Variable { path, .. } => value(path, context).is_none(),
        parse::Part::Function {
            name, arguments, ..
        } => call(name, arguments, context).is_none(),
    };
    if parse::parts(text).iter().any(open) {
        return None;
    }
    Some(fill(text, context, str::to_owned))
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// `SHA256:` and the base64 of the hash of the public half of an RSA key, as key-pair logins name it.
fn fingerprint(pem: &str) -> Option<String> {
    let der = der(pem)?;
    let key = rsa::KeyPair::from_pkcs8(&der)
        .or_else(|_| rsa::KeyPair::from_der(&der))
        .ok()?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().ok()?;
    Some(format!(
        "SHA256:{}",
        STANDARD.encode(sha256(public.as_ref()))
    ))
}

/// The bytes of a PEM text. People paste keys with `\n` written out or with line breaks lost.
fn der(pem: &str) -> Option<Vec<u8>> {
    let text = pem.replace("\\n", "\n");
    let body = match text.split_once("-----BEGIN") {
        Some((_, rest)) => rest.split_once("-----")?.1.split_once("-----END")?.0,
        None => &text,
    };
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(body).ok()
}

fn aws_sigv4(arguments: &str, context: &Context<'_>) -> Option<String> {
    let request = context.request?;
    let values: Option<Vec<String>> = parse::arguments(arguments)
        .into_iter()
        .map(|text| argument(text.trim(), context))
        .collect();
    let values = values?;
    let [access_key_id, secret_access_key, region, service, rest @ ..] = values.as_slice() else {
        return None;
    };
    let mut headers = Vec::new();
    if let Some(content_type) = request.content_type {
        headers.push(("content-type", content_type));
    }
    let signed = SigV4 {
        credentials: AwsCredentials {
            access_key_id,
            secret_access_key,
            session_token: None,
        },
        region,
        service,
        method: request.method,
        host: rest.first().map_or(request.host, String::as_str),
        path: request.path,
        query: request.query,
        headers: &headers,
        body: SignedBody::Whole(request.body),
        now: context.now,
    };
    Some(signed.authorization())
}
