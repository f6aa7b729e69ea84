use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenon_core::Timestamp;

use super::{Jwk, Unverified};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

fn claims() -> Value {
    json!({ "iss": "https://id.test", "aud": "app", "sub": "user-1", "exp": NOW.secs() + 60 })
}

/// A P-256 key, and its public half as a JWK with this id.
fn ec(id: &str) -> (EcdsaKeyPair, Value) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = key.public_key().as_ref();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
        "x": encode(&point[1..33]), "y": encode(&point[33..]) });
    (key, jwk)
}

fn signed(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let text = unsigned(header, claims);
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", encode(signature.as_ref()))
}

fn verdict(token: &str, keys: &[Value]) -> Result<(), &'static str> {
    let keys = Jwk::all(&json!({ "keys": keys })).unwrap();
    let token = Unverified::parse(token)?;
    token.check_times(NOW)?;
    token.verify(&keys)
}

#[test]
fn tokens_of_each_kind_of_key_are_believed() {
    let (key, jwk) = ec("a");
    let token = signed(
        &key,
        &json!({ "alg": "ES256", "kid": "a", "typ": "at+jwt" }),
        &claims(),
    );
    assert_eq!(verdict(&token, std::slice::from_ref(&jwk)), Ok(()));
    let parsed = Unverified::parse(&token).unwrap();
    assert!(parsed.is_meant("https://id.test", "app"));
    assert!(!parsed.is_meant("https://id.test", "another"));
    assert!(!parsed.is_meant("https://id.test/", "app"));
    assert_eq!(parsed.claim("sub").as_deref(), Some("user-1"));

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // A sequence of two integers: the modulus of 256 bytes behind a head of 9, and 65537.
    let public = rsa.public_key().as_ref();
    let (n, e) = (&public[9..265], &public[267..]);
    assert_eq!(e, [1, 0, 1]);
    let jwk = json!({ "kty": "RSA", "n": encode(n), "e": encode(e) });
    for (name, encoding) in [
        (
            "RS256",
            &RSA_PKCS1_SHA256 as &'static dyn aws_lc_rs::signature::RsaEncoding,
        ),
        ("PS256", &RSA_PSS_SHA256),
    ] {
        let text = unsigned(&json!({ "alg": name }), &claims());
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(
            encoding,
            &SystemRandom::new(),
            text.as_bytes(),
            &mut signature,
        )
        .unwrap();
        let token = format!("{text}.{}", encode(&signature));
        assert_eq!(
            verdict(&token, std::slice::from_ref(&jwk)),
            Ok(()),
            "{name}"
        );
    }

    let edwards = Ed25519KeyPair::generate().unwrap();
    let x = encode(edwards.public_key().as_ref());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    let text = unsigned(&json!({ "alg": "EdDSA" }), &claims());
    let token = format!("{text}.{}", encode(edwards.sign(text.as_bytes()).as_ref()));
    assert_eq!(verdict(&token, &[jwk]), Ok(()));
}

#[test]
fn audiences_may_be_a_list() {
    let (key, _) = ec("a");
    let mut several = claims();
    several["aud"] = json!(["other", "app"]);
    let token = signed(&key, &json!({ "alg": "ES256" }), &several);
    assert!(
        Unverified::parse(&token)
            .unwrap()
            .is_meant("https://id.test", "app")
    );
}

#[test]
fn nothing_is_believed_without_a_signature_of_the_right_key() {
    let (key, jwk) = ec("a");
    let (other, other_jwk) = ec("b");
    let good = signed(&key, &json!({ "alg": "ES256", "kid": "a" }), &claims());
    let keys = [jwk.clone(), other_jwk.clone()];
    assert_eq!(verdict(&good, &keys), Ok(()));

    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = unsigned(
        &json!({ "alg": "ES256", "kid": "a" }),
        &json!({ "sub": "admin", "exp": NOW.secs() + 60 }),
    );
    let by_other = signed(&other, &json!({ "alg": "ES256", "kid": "a" }), &claims());
    let none = format!("{}.", unsigned(&json!({ "alg": "none" }), &claims()));
    // A secret that everybody knows: the public key itself.
    let secret = format!(
        "{}.{signature}",
        unsigned(&json!({ "alg": "HS256", "kid": "a" }), &claims())
    );
    let cases = [
        (format!("{forged}.{signature}"), "its signature is wrong"),
        (by_other, "its signature is wrong"),
        (format!("{head}."), "its signature is wrong"),
        (none, "its algorithm is not allowed"),
        (secret, "its algorithm is not allowed"),
        (
            signed(&key, &json!({ "alg": "ES384", "kid": "a" }), &claims()),
            "the issuer has no such key",
        ),
        (
            signed(&key, &json!({ "alg": "ES256", "kid": "c" }), &claims()),
            "the issuer has no such key",
        ),
        (
            signed(&key, &json!({ "alg": "ES256" }), &claims()),
            "it does not say which of the issuer's keys has signed it",
        ),
        (
            signed(
                &key,
                &json!({ "alg": "ES256", "kid": "a", "crit": ["exp"] }),
                &claims(),
            ),
            "it demands an extension that is not known here",
        ),
        (
            signed(
                &key,
                &json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" }),
                &claims(),
            ),
            "it is a token of another kind",
        ),
        (format!("{good}.more.parts"), "it is not a signed JWT"),
        ("a.b.c".to_owned(), "it is not a JWT"),
        (String::new(), "it is not a JWT"),
        ("x".repeat(20_000), "it is too large"),
    ];
    for (token, expected) in cases {
        assert_eq!(verdict(&token, &keys), Err(expected), "{token}");
    }
    // Keys for encryption, or for another algorithm, sign nothing.
    for (name, value) in [("use", "enc"), ("alg", "RS256")] {
        let mut wrong = jwk.clone();
        wrong[name] = value.into();
        assert_eq!(verdict(&good, &[wrong]), Err("the issuer has no such key"));
    }
}

#[test]
fn times_are_checked_with_a_minute_of_grace() {
    let (key, jwk) = ec("a");
    let now = NOW.secs();
    let cases = [
        (json!({ "exp": now + 60 }), Ok(())),
        (json!({ "exp": now - 59 }), Ok(())),
        (json!({ "exp": now - 60 }), Err("it has expired")),
        (json!({}), Err("it has no end")),
        (
            json!({ "exp": "soon" }),
            Err("one of its times is no number"),
        ),
        (
            json!({ "exp": 1e300 }),
            Err("one of its times is no number"),
        ),
        (json!({ "exp": now + 60, "nbf": now + 60 }), Ok(())),
        (
            json!({ "exp": now + 600, "nbf": now + 61 }),
            Err("it is not valid yet"),
        ),
        (
            json!({ "exp": now + 600, "iat": now + 61 }),
            Err("it comes from the future"),
        ),
        (
            json!({ "exp": now + 60, "iat": now - 3600, "nbf": now }),
            Ok(()),
        ),
    ];
    for (claims, expected) in cases {
        let token = signed(&key, &json!({ "alg": "ES256" }), &claims);
        assert_eq!(
            verdict(&token, std::slice::from_ref(&jwk)),
            expected,
            "{claims}"
        );
    }
}
