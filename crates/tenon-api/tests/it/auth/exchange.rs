//! A person's token of the app's own identity provider for that person's token of an integration (RFC 8693).

#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tenon_core::Clock as _;
use tenon_testkit::{
    oauth::refuse,
    upstream::{Answer as Scripted, Upstream},
};

use super::Scene;
use crate::app::Answer;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The app's identity provider: it signs with the latest of its keys.
struct Idp {
    upstream: Upstream,
    keys: Arc<Mutex<Vec<EcdsaKeyPair>>>,
    is_away: Arc<Mutex<bool>>,
}

impl Idp {
    async fn start() -> Self {
        let keys: Arc<Mutex<Vec<EcdsaKeyPair>>> = Arc::new(Mutex::new(vec![new_key()]));
        let is_away = Arc::new(Mutex::new(false));
        let (shown, away) = (Arc::clone(&keys), Arc::clone(&is_away));
        let upstream = Upstream::start(move |_| {
            if *away.lock().unwrap() {
                return Scripted::text(503, "away");
            }
            let keys = shown.lock().unwrap();
            let jwks: Vec<Value> = keys.iter().enumerate().map(jwk).collect();
            Scripted::json(200, &json!({ "keys": jwks }))
        })
        .await;
        Self {
            upstream,
            keys,
            is_away,
        }
    }

    fn rotate(&self) {
        self.keys.lock().unwrap().push(new_key());
    }

    fn token(&self, scene: &Scene, user: &str) -> String {
        let now = scene.app.clock.now().secs();
        self.signed(&json!({ "iss": "https://id.test", "aud": "tenon", "sub": user, "iat": now, "exp": now + 300 }))
    }

    fn signed(&self, claims: &Value) -> String {
        let keys = self.keys.lock().unwrap();
        let id = (keys.len() - 1).to_string();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": id });
        let text = format!("{}.{}", part(&header), part(claims));
        let key = keys.last().unwrap();
        let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn jwk((number, key): (usize, &EcdsaKeyPair)) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = (&point[1..33], &point[33..]);
    json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": number.to_string(),
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
}

/// A scene in which `user-1` has the connection `alice` and the environment trusts the identity provider.
async fn scene(idp: &Idp, public_clients: bool) -> Scene {
    let scene = Scene::start().await;
    scene.import("alice", 3600).await;
    let labels = json!({ "end_user": { "id": "user-1" } });
    let path = "/connections/alice?provider_config_key=crm";
    assert_eq!(scene.app.patch(path, labels).await.status(), 200);
    let trusted = json!({
        "issuer": "https://id.test",
        "audience": "tenon",
        "jwks_url": idp.upstream.url("/jwks.json"),
        "public_clients": public_clients,
    });
    let answer = scene
        .app
        .post("/environment/trusted-issuers", trusted)
        .await;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    scene
}

fn form(params: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("grant_type", GRANT), ("subject_token_type", ID_TOKEN)]);
    form.extend_pairs(params);
    form.finish()
}

/// An exchange by the app.
async fn exchange(scene: &Scene, token: &str, more: &[(&str, &str)]) -> Answer {
    let params = [&[("subject_token", token), ("audience", "crm")], more].concat();
    let request = scene.app.request("POST", "/oauth/token");
    let body = form(&params);
    request
        .body("application/x-www-form-urlencoded", body)
        .send()
        .await
}

fn said(answer: &Answer) -> String {
    format!(
        "{} {}",
        answer.status(),
        answer.json()["error"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_token_of_the_app_becomes_that_of_the_provider() {
    let idp = Idp::start().await;
    let scene = scene(&idp, false).await;
    let answer = exchange(&scene, &idp.token(&scene, "user-1"), &[]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body["access_token"], "old");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(
        body["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert_eq!(
        (&body["expires_in"], &body["connection_id"]),
        (&json!(3600), &json!("alice"))
    );
    // When it is due it is refreshed on the way, like for everybody else.
    scene.app.clock.advance(Duration::from_secs(3000));
    let answer = exchange(&scene, &idp.token(&scene, "user-1"), &[]).await;
    assert_ne!(answer.json()["access_token"], "old");
    assert_eq!(scene.provider.refresh_requests(), 1);
    assert_eq!(
        idp.upstream.received().len(),
        2,
        "the keys are kept for ten minutes"
    );
}

#[tokio::test]
async fn only_people_with_a_connection_get_a_token() {
    let idp = Idp::start().await;
    let scene = scene(&idp, false).await;
    let mine = idp.token(&scene, "user-1");
    let cases = [
        (idp.token(&scene, "user-2"), vec![], "400 invalid_target"),
        (
            mine.clone(),
            vec![("connection_id", "bob")],
            "400 invalid_target",
        ),
        (mine.clone(), vec![("connection_id", "alice")], ""),
        (
            mine.clone(),
            vec![("resource", "crm")],
            "400 invalid_request",
        ),
        (
            mine.clone(),
            vec![("actor_token", "x")],
            "400 invalid_request",
        ),
        (
            mine.clone(),
            vec![("requested_token_type", ID_TOKEN)],
            "400 invalid_request",
        ),
        (
            mine.clone(),
            vec![("subject_token", "twice")],
            "400 invalid_request",
        ),
        (
            mine.clone(),
            vec![("client_secret", "twice")],
            "400 invalid_request",
        ),
    ];
    for (token, more, expected) in cases {
        let answer = exchange(&scene, &token, &more).await;
        match expected {
            "" => assert_eq!(answer.status(), 200),
            _ => assert_eq!(said(&answer), expected, "{more:?}"),
        }
    }
    // A grant that is gone, and a provider that is away.
    scene.app.clock.advance(Duration::from_secs(2 * 3600));
    scene.provider.answer_next(Scripted::text(503, "later"));
    let answer = exchange(&scene, &idp.token(&scene, "user-1"), &[]).await;
    assert_eq!(said(&answer), "503 temporarily_unavailable");
    scene.app.clock.advance(Duration::from_secs(31));
    scene.provider.answer_next(refuse("invalid_grant"));
    let answer = exchange(&scene, &idp.token(&scene, "user-1"), &[]).await;
    assert_eq!(said(&answer), "400 invalid_target");
}

#[tokio::test]
async fn strangers_tokens_are_refused() {
    let idp = Idp::start().await;
    let scene = scene(&idp, false).await;
    let now = scene.app.clock.now().secs();
    let claims = |name: &str, value: Value| {
        let mut claims =
            json!({ "iss": "https://id.test", "aud": "tenon", "sub": "user-1", "exp": now + 60 });
        claims[name] = value;
        idp.signed(&claims)
    };
    let stranger = Idp::start().await;
    let cases = [
        ("another issuer", claims("iss", json!("https://evil.test"))),
        ("another audience", claims("aud", json!("other-app"))),
        ("expired", claims("exp", json!(now - 61))),
        ("no user", claims("sub", json!(7))),
        ("another's signature", stranger.token(&scene, "user-1")),
        ("no token", "x.y.z".to_owned()),
    ];
    for (what, token) in cases {
        assert_eq!(
            said(&exchange(&scene, &token, &[]).await),
            "400 invalid_grant",
            "{what}"
        );
    }
    // Once the issuer is not trusted any more nothing of his counts.
    let good = idp.token(&scene, "user-1");
    assert_eq!(exchange(&scene, &good, &[]).await.status(), 200);
    let listed = scene.app.get("/environment/trusted-issuers").await.json();
    let path = format!("/environment/trusted-issuers/{}", listed["data"][0]["id"]);
    assert_eq!(scene.app.delete(&path).await.status(), 200);
    assert_eq!(scene.app.delete(&path).await.status(), 404);
    assert_eq!(
        said(&exchange(&scene, &good, &[]).await),
        "400 invalid_grant"
    );
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_outlast_an_outage() {
    let idp = Idp::start().await;
    let scene = scene(&idp, false).await;
    let status = async || {
        let token = idp.token(&scene, "user-1");
        exchange(&scene, &token, &[]).await.status()
    };
    assert_eq!(status().await, 200);
    idp.rotate();
    assert_eq!(status().await, 400, "not more than a look in half a minute");
    scene.app.clock.advance(Duration::from_secs(31));
    assert_eq!(status().await, 200);
    assert_eq!(idp.upstream.received().len(), 2);
    *idp.is_away.lock().unwrap() = true;
    scene.app.clock.advance(Duration::from_secs(11 * 60));
    assert_eq!(status().await, 200, "the keys that are known");
    scene.app.clock.advance(Duration::from_secs(50 * 60));
    assert_eq!(status().await, 503);
    *idp.is_away.lock().unwrap() = false;
    scene.app.clock.advance(Duration::from_secs(31));
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn clients_authenticate_as_oauth_has_it() {
    let idp = Idp::start().await;
    let (closed, open) = (scene(&idp, false).await, scene(&idp, true).await);
    let ask = async |scene: &Scene, authorization: Option<String>, more: &[(&str, &str)]| {
        let token = idp.token(scene, "user-1");
        let params = [
            &[("subject_token", token.as_str()), ("audience", "crm")],
            more,
        ]
        .concat();
        let mut request = scene.app.anonymous("POST", "/oauth/token");
        if let Some(authorization) = authorization {
            request = request.header("authorization", &authorization);
        }
        let kind = "application/x-www-form-urlencoded";
        request.body(kind, form(&params)).send().await
    };
    let secret = closed.app.secret_key.expose().clone();
    let basic = |secret: &str| {
        Some(format!(
            "Basic {}",
            STANDARD.encode(format!("any:{secret}"))
        ))
    };
    assert_eq!(ask(&closed, basic(&secret), &[]).await.status(), 200);
    assert_eq!(
        ask(&closed, None, &[("client_secret", &secret)])
            .await
            .status(),
        200
    );
    let wrong = ask(&closed, basic("00000000-0000-4000-8000-000000000000"), &[]).await;
    assert_eq!(said(&wrong), "401 invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    assert_eq!(said(&ask(&closed, None, &[]).await), "401 invalid_client");
    // A public client: only where the issuer says so.
    let public = |scene: &Scene| scene.public_key().to_owned();
    let refused = ask(&closed, None, &[("client_id", &public(&closed))]).await;
    assert_eq!(said(&refused), "401 invalid_client");
    assert_eq!(
        ask(&open, None, &[("client_id", &public(&open))])
            .await
            .status(),
        200
    );
    let json = open
        .app
        .post("/oauth/token", json!({ "grant_type": GRANT }))
        .await;
    assert_eq!(said(&json), "400 invalid_request");
    let other = open.app.request("POST", "/oauth/token");
    let kind = "application/x-www-form-urlencoded";
    let other = other.body(kind, "grant_type=password").send().await;
    assert_eq!(said(&other), "400 unsupported_grant_type");
}

#[tokio::test]
async fn issuers_are_trusted_only_with_care() {
    let scene = Scene::start().await;
    let issuer =
        |url: &str| json!({ "issuer": "https://id.test", "audience": "tenon", "jwks_url": url });
    let trust = |body: Value| scene.app.post("/environment/trusted-issuers", body);
    for url in ["http://id.test/jwks", "ftp://id.test/jwks", "jwks"] {
        assert_eq!(trust(issuer(url)).await.status(), 400, "{url}");
    }
    let good = issuer("https://id.test/jwks");
    assert_eq!(trust(good.clone()).await.status(), 201);
    assert_eq!(trust(good.clone()).await.refusal(), "409 conflict");
    let scopes = json!({ "name": "settings", "scopes": ["environment:settings:write"] });
    let key = scene.app.post("/environment/api-keys", scopes).await.json();
    let weak = scene
        .app
        .anonymous("POST", "/environment/trusted-issuers")
        .bearer(key["data"]["key"].as_str().unwrap());
    assert_eq!(weak.json(&good).send().await.refusal(), "403 forbidden");
}
