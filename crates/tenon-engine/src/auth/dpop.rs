//! Tokens that are bound to a key of the connection (RFC 9449), where a provider file asks for it.
//!
//! The key is made with the first token request and stored, sealed, among the credentials; it is never shown. Every
//! token request and every proxied call carries a proof signed with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    digest,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use tenon_core::{Timestamp, auth::CredentialsJson};
use url::Url;

use super::{
    issue::Party,
    request::{self, Answer, TokenFailure, TokenRequest, error_of},
    sign::{SignError, jwt},
};

/// The member of stored credentials that holds the key.
pub(crate) const MEMBER: &str = "dpop_key";

/// Servers whose latest nonce is remembered.
const MOST_NONCES: usize = 1_000;

/// Longest nonce that is taken from a server.
const NONCE_BYTES: usize = 512;

/// The key of a connection.
#[derive(Clone)]
pub struct DpopKey {
    pair: Arc<EcdsaKeyPair>,
    /// As it is stored.
    text: tenon_core::Secret,
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DpopKey")
    }
}

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub method: &'a str,
    pub url: &'a Url,
    /// The token that goes along; none at the token endpoint.
    pub access_token: Option<&'a str>,
    pub nonce: Option<&'a str>,
    /// Never used twice.
    pub id: &'a str,
    pub now: Timestamp,
}

impl DpopKey {
    /// The key among stored credentials.
    pub(crate) fn of(credentials: &CredentialsJson) -> Option<Self> {
        Self::read(credentials.get(MEMBER)?.as_str()?)
    }

    fn read(text: &str) -> Option<Self> {
        let der = STANDARD.decode(text).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
        Some(Self {
            pair: Arc::new(pair),
            text: tenon_core::Secret::new(text.to_owned()),
        })
    }

    fn generate() -> Option<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        let der = pair.to_pkcs8v1().ok()?;
        Self::read(&STANDARD.encode(der.as_ref()))
    }

    /// The proof for one request (RFC 9449, 4.2).
    pub(crate) fn proof(&self, claim: &Claim<'_>) -> Result<String, SignError> {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point
            .get(1..33)
            .zip(point.get(33..65))
            .ok_or(SignError::Failed)?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = json!({
            "typ": "dpop+jwt",
            "alg": "ES256",
            "jwk": { "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) },
        });
        let mut target = claim.url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut payload = json!({
            "jti": claim.id,
            "htm": claim.method,
            "htu": target.as_str(),
            "iat": claim.now.secs(),
        });
        if let Some(token) = claim.access_token {
            let hash = digest::digest(&digest::SHA256, token.as_bytes());
            payload["ath"] = encode(hash.as_ref()).into();
        }
        if let Some(nonce) = claim.nonce {
            payload["nonce"] = nonce.into();
        }
        jwt::sign_es256(&members(header), &members(payload), &self.pair)
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Puts a key among credentials that are about to be stored.
pub(super) fn keep(credentials: &mut CredentialsJson, key: Option<DpopKey>) {
    if let Some(key) = key {
        credentials.insert(MEMBER.to_owned(), key.text.expose().as_str().into());
    }
}

/// Whether a token is to be sent with a proof: a server may answer with an ordinary one all the same.
pub(crate) fn is_bound(credentials: &CredentialsJson) -> bool {
    credentials
        .get("raw")
        .and_then(|raw| raw.get("token_type")?.as_str())
        .is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP"))
}

/// The latest nonce of each server, on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces(Arc<Mutex<HashMap<String, String>>>);

impl Nonces {
    pub(crate) fn find(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.get(&origin).cloned()
    }

    /// Remembers the nonce in an answer; whether it is another one than before.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) -> bool {
        let given = headers
            .get("dpop-nonce")
            .and_then(|value| value.to_str().ok());
        let Some(nonce) = given.filter(|nonce| !nonce.is_empty() && nonce.len() <= NONCE_BYTES)
        else {
            return false;
        };
        let origin = url.origin().ascii_serialization();
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= MOST_NONCES && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.to_owned()).as_deref() != Some(nonce)
    }
}

/// Whether an API refused a call only because it wants its nonce in the proof (RFC 9449, 9).
pub(crate) fn wants_nonce(status: StatusCode, headers: &HeaderMap) -> bool {
    let challenges = headers.get_all(http::header::WWW_AUTHENTICATE);
    let asks = |value: &http::HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| text.contains("use_dpop_nonce"))
    };
    status == StatusCode::UNAUTHORIZED && challenges.iter().any(asks)
}

/// Sends a token request, with a proof where the provider wants one; the key goes into the credentials that come of it.
pub(super) async fn send(
    party: Party<'_>,
    request: TokenRequest,
    stored: Option<&CredentialsJson>,
) -> Result<(Answer, Option<DpopKey>), TokenFailure> {
    let engine = party.engine;
    if !party.provider.dpop {
        return Ok((request::send(engine, request).await?, None));
    }
    let no_key = || TokenFailure::ours("dpop_key", "the key of the connection could not be made");
    let known = stored.and_then(DpopKey::of);
    let key = known.or_else(DpopKey::generate).ok_or_else(no_key)?;
    let nonces = &engine.refreshes.nonces;
    let url = request.url.clone();
    let mut answer = request::ask(engine, prove(party, &key, request.clone())?).await?;
    // Nothing was done yet at the provider: it only wants its nonce.
    if nonces.learn(&url, &answer.headers) && refuses_without_nonce(&answer) {
        answer = request::ask(engine, prove(party, &key, request)?).await?;
        nonces.learn(&url, &answer.headers);
    }
    Ok((answer.successful(engine.clock.now())?, Some(key)))
}

fn refuses_without_nonce(answer: &Answer) -> bool {
    let refused = matches!(answer.status.as_u16(), 400 | 401);
    let json = || serde_json::from_slice::<Value>(&answer.body).ok();
    refused && json().is_some_and(|json| error_of(&json).0.as_deref() == Some("use_dpop_nonce"))
}

fn prove(
    party: Party<'_>,
    key: &DpopKey,
    request: TokenRequest,
) -> Result<TokenRequest, TokenFailure> {
    let engine = party.engine;
    let nonce = engine.refreshes.nonces.find(&request.url);
    let claim = Claim {
        method: request.method.as_str(),
        url: &request.url,
        access_token: None,
        nonce: nonce.as_deref(),
        id: &engine.ids.hex(16),
        now: engine.clock.now(),
    };
    let proof = key
        .proof(&claim)
        .map_err(|error| TokenFailure::ours("dpop_proof", error.to_string()))?;
    Ok(request.header("dpop", proof))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use http::{HeaderMap, HeaderValue};
    use serde_json::{Map, Value};
    use tenon_core::Timestamp;
    use url::Url;

    use super::{Claim, DpopKey, Nonces, keep};

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn proofs_say_what_they_prove_and_verify_with_the_key_inside() {
        let key = DpopKey::generate().unwrap();
        let url = Url::parse("https://api.example.test/v1/items?page=2#top").unwrap();
        let claim = Claim {
            method: "POST",
            url: &url,
            // RFC 9449, 7.1: the example of a token and its hash.
            access_token: Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
            nonce: Some("n-1"),
            id: "id-1",
            now: Timestamp::from_secs(1_562_262_616),
        };
        let proof = key.proof(&claim).unwrap();
        let parts: Vec<&str> = proof.split('.').collect();
        let (header, payload) = (part(parts[0]), part(parts[1]));
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["alg"], "ES256");
        assert!(
            header["jwk"].get("d").is_none(),
            "the private half stays here"
        );
        assert_eq!(payload["htm"], "POST");
        assert_eq!(payload["htu"], "https://api.example.test/v1/items");
        assert_eq!(
            payload["ath"],
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
        );
        assert_eq!(payload["nonce"], "n-1");
        let coordinate = |name: &str| {
            let text = header["jwk"][name].as_str().unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &signature)
            .unwrap();
    }

    #[test]
    fn a_stored_key_is_the_same_key() {
        let key = DpopKey::generate().unwrap();
        let mut credentials = Map::new();
        keep(&mut credentials, Some(key.clone()));
        let again = DpopKey::of(&credentials).unwrap();
        assert_eq!(again.text.expose(), key.text.expose());
        assert!(!format!("{again:?}").contains(again.text.expose().as_str()));
    }

    #[test]
    fn the_latest_nonce_of_a_server_counts() {
        let nonces = Nonces::default();
        let at = |text: &str| Url::parse(text).unwrap();
        let answer = |nonce: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("dpop-nonce", HeaderValue::from_static(nonce));
            headers
        };
        let (token, api) = (at("https://a.test/token"), at("https://b.test/api"));
        assert!(nonces.learn(&token, &answer("one")));
        assert!(!nonces.learn(&token, &answer("one")));
        assert!(nonces.learn(&token, &answer("two")));
        assert!(!nonces.learn(&token, &HeaderMap::new()));
        assert_eq!(
            nonces.find(&at("https://a.test/other")).as_deref(),
            Some("two")
        );
        assert_eq!(nonces.find(&api), None);
    }
}
