//! Digests, signatures and randomness for the `crypto` module.

use aws_lc_rs::{
    digest, hmac, pbkdf2, rand,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::Engine;
use md5::Digest as _;
use rquickjs::{Ctx, Exception, Function, Object, Value};

use super::text;

/// Most rounds of a key derivation: about a second.
const PBKDF2_ROUNDS: u32 = 5_000_000;

/// Largest derived key and largest piece of randomness.
const OUTPUT_BYTES: usize = 1 << 24;

const MD5_BLOCK: usize = 64;

/// Adds the functions to `object`.
pub(super) fn functions<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> rquickjs::Result<()> {
    object.set(
        "hash",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, name: String, data: Value<'js>| {
                text::to_js(&ctx, &hash(&name, &text::from_js(&ctx, &data)?))
            },
        )?,
    )?;
    object.set(
        "hmac",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, name: String, key: Value<'js>, data: Value<'js>| {
                let (key, data) = (text::from_js(&ctx, &key)?, text::from_js(&ctx, &data)?);
                text::to_js(&ctx, &keyed(&name, &key, &data))
            },
        )?,
    )?;
    object.set(
        "random",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, size: f64| {
            let mut random = vec![0; (size as usize).min(OUTPUT_BYTES)];
            rand::fill(&mut random)
                .map_err(|_| Exception::throw_message(&ctx, "no randomness is available"))?;
            text::to_js(&ctx, &random)
        })?,
    )?;
    object.set("sign", Function::new(ctx.clone(), sign_function)?)?;
    object.set("verify", Function::new(ctx.clone(), verify_function)?)?;
    object.set("pbkdf2", Function::new(ctx.clone(), pbkdf2_function)?)
}

fn sign_function<'js>(
    ctx: Ctx<'js>,
    name: String,
    pem: String,
    pss: bool,
    ieee: bool,
    data: Value<'js>,
) -> rquickjs::Result<Value<'js>> {
    let data = text::from_js(&ctx, &data)?;
    match sign(&name, &pem, pss, ieee, &data) {
        Ok(signature) => text::to_js(&ctx, &signature),
        Err(message) => Err(Exception::throw_message(&ctx, message)),
    }
}

fn verify_function<'js>(
    ctx: Ctx<'js>,
    name: String,
    pem: String,
    pss: bool,
    ieee: bool,
    data: Value<'js>,
    signature: Value<'js>,
) -> rquickjs::Result<bool> {
    let (data, signature) = (
        text::from_js(&ctx, &data)?,
        text::from_js(&ctx, &signature)?,
    );
    verify(&name, &pem, pss, ieee, &data, &signature)
        .map_err(|message| Exception::throw_message(&ctx, message))
}

fn pbkdf2_function<'js>(
    ctx: Ctx<'js>,
    name: String,
    password: Value<'js>,
    salt: Value<'js>,
    rounds: f64,
    length: f64,
) -> rquickjs::Result<Value<'js>> {
    let (algorithm, digest_bytes) = match name.as_str() {
        "sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        "sha384" => (pbkdf2::PBKDF2_HMAC_SHA384, 48),
        "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        _ => {
            return Err(Exception::throw_message(
                &ctx,
                "this digest cannot derive keys",
            ));
        }
    };
    let rounds = std::num::NonZeroU32::new(rounds as u32)
        .filter(|rounds| rounds.get() <= PBKDF2_ROUNDS)
        .ok_or_else(|| Exception::throw_range(&ctx, "the number of iterations is out of range"))?;
    if length < 0.0 || length as usize > OUTPUT_BYTES {
        return Err(Exception::throw_range(
            &ctx,
            "the length of the key is out of range",
        ));
    }
    // Each piece of the key costs all the rounds, and nothing interrupts them.
    let pieces = (length as u64).div_ceil(digest_bytes).max(1);
    if pieces.saturating_mul(rounds.get().into()) > PBKDF2_ROUNDS.into() {
        return Err(Exception::throw_range(
            &ctx,
            "the key is too long for this number of iterations",
        ));
    }
    let (password, salt) = (text::from_js(&ctx, &password)?, text::from_js(&ctx, &salt)?);
    let mut key = vec![0; length as usize];
    pbkdf2::derive(algorithm, rounds, &salt, &password, &mut key);
    text::to_js(&ctx, &key)
}

fn hash(name: &str, data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "md5" => return md5::Md5::digest(data).to_vec(),
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

fn keyed(name: &str, key: &[u8], data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "md5" => return keyed_md5(key, data),
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), data)
        .as_ref()
        .to_vec()
}

/// HMAC (RFC 2104) over MD5, which our crypto library does not offer.
fn keyed_md5(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut block = [0; MD5_BLOCK];
    if key.len() > MD5_BLOCK {
        let short = md5::Md5::digest(key);
        block[..short.len()].copy_from_slice(&short);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = md5::Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(data)
        .finalize();
    md5::Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// The label and content of a PEM block.
fn pem_block(pem: &str) -> Option<(String, Vec<u8>)> {
    let pem = pem.replace("\\n", "\n");
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (content, _) = rest.split_once("-----END ")?;
    let digits: String = content
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(digits)
        .ok()?;
    Some((label.to_owned(), der))
}

fn sign(
    name: &str,
    pem: &str,
    pss: bool,
    ieee: bool,
    data: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let (label, der) = pem_block(pem).ok_or("the private key is not in PEM form")?;
    let rsa = match label.as_str() {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok(),
        _ => RsaKeyPair::from_pkcs8(&der).ok(),
    };
    if let Some(pair) = rsa {
        let encoding = rsa_encoding(name, pss).ok_or("this digest cannot sign")?;
        let mut made = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &rand::SystemRandom::new(), data, &mut made)
            .map_err(|_| "the data could not be signed")?;
        return Ok(made);
    }
    for algorithm in ec_signing(name, ieee) {
        let pair = match label.as_str() {
            "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(algorithm, &der),
            _ => EcdsaKeyPair::from_pkcs8(algorithm, &der),
        };
        if let Ok(pair) = pair {
            let made = pair
                .sign(&rand::SystemRandom::new(), data)
                .map_err(|_| "the data could not be signed")?;
            return Ok(made.as_ref().to_vec());
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
        return Ok(pair.sign(data).as_ref().to_vec());
    }
    Err("the private key is of an unknown kind, too small, or does not fit the digest")
}

fn rsa_encoding(name: &str, pss: bool) -> Option<&'static dyn RsaEncoding> {
    Some(match (name, pss) {
        ("sha256", false) => &signature::RSA_PKCS1_SHA256,
        ("sha384", false) => &signature::RSA_PKCS1_SHA384,
        ("sha512", false) => &signature::RSA_PKCS1_SHA512,
        ("sha256", true) => &signature::RSA_PSS_SHA256,
        ("sha384", true) => &signature::RSA_PSS_SHA384,
        ("sha512", true) => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn ec_signing(name: &str, ieee: bool) -> Vec<&'static EcdsaSigningAlgorithm> {
    match (name, ieee) {
        ("sha256", true) => vec![&signature::ECDSA_P256_SHA256_FIXED_SIGNING],
        ("sha384", true) => vec![&signature::ECDSA_P384_SHA384_FIXED_SIGNING],
        ("sha512", true) => vec![&signature::ECDSA_P521_SHA512_FIXED_SIGNING],
        ("sha256", false) => vec![&signature::ECDSA_P256_SHA256_ASN1_SIGNING],
        ("sha384", false) => vec![&signature::ECDSA_P384_SHA384_ASN1_SIGNING],
        ("sha512", false) => vec![&signature::ECDSA_P521_SHA512_ASN1_SIGNING],
        _ => Vec::new(),
    }
}

fn verify(
    name: &str,
    pem: &str,
    pss: bool,
    ieee: bool,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, &'static str> {
    let (_, der) = pem_block(pem).ok_or("the public key is not in PEM form")?;
    let algorithms: [Option<&'static dyn VerificationAlgorithm>; 3] = [
        rsa_verification(name, pss),
        ec_verification(name, ieee),
        Some(&signature::ED25519),
    ];
    let verified = algorithms.into_iter().flatten().any(|algorithm| {
        UnparsedPublicKey::new(algorithm, &der)
            .verify(data, signature)
            .is_ok()
    });
    Ok(verified)
}

fn rsa_verification(name: &str, pss: bool) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (name, pss) {
        ("sha1", false) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ("sha256", false) => &signature::RSA_PKCS1_2048_8192_SHA256,
        ("sha384", false) => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("sha512", false) => &signature::RSA_PKCS1_2048_8192_SHA512,
        ("sha256", true) => &signature::RSA_PSS_2048_8192_SHA256,
        ("sha384", true) => &signature::RSA_PSS_2048_8192_SHA384,
        ("sha512", true) => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ec_verification(name: &str, ieee: bool) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (name, ieee) {
        ("sha256", true) => &signature::ECDSA_P256_SHA256_FIXED,
        ("sha384", true) => &signature::ECDSA_P384_SHA384_FIXED,
        ("sha512", true) => &signature::ECDSA_P521_SHA512_FIXED,
        ("sha256", false) => &signature::ECDSA_P256_SHA256_ASN1,
        ("sha384", false) => &signature::ECDSA_P384_SHA384_ASN1,
        ("sha512", false) => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_follows_its_published_vectors() {
        assert_eq!(
            hex::encode(hash("md5", b"abc")),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        // RFC 2202, cases 2 and 6.
        assert_eq!(
            hex::encode(keyed("md5", b"Jefe", b"what do ya want for nothing?")),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        assert_eq!(
            hex::encode(keyed(
                "md5",
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
    }

    #[test]
    fn sha_follows_its_published_vectors() {
        assert_eq!(
            hex::encode(hash("sha1", b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            hex::encode(hash("sha256", b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex::encode(keyed("sha1", b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
    }
}
