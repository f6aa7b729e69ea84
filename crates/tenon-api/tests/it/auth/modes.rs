//! The modes that few providers have: created, used, renewed, deleted.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tenon_core::Timestamp;
use tenon_engine::auth::sign::oauth1::{self, SignatureMethod};
use tenon_testkit::upstream::{Answer, Received, Upstream};
use url::Url;

use super::direct::private_key;
use crate::{
    TestApp,
    app::{self, Wishes},
};

struct Scene {
    app: TestApp,
    upstream: Upstream,
}

impl Scene {
    /// A server with an integration `p` of this provider, one of ours or one of the tests'.
    async fn of(
        provider: &'static str,
        ours: bool,
        more: Value,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(script).await;
        let app = TestApp::with(Wishes {
            upstream: Some(upstream.url("")),
            ours: if ours { vec![provider] } else { Vec::new() },
            ..Wishes::default()
        })
        .await;
        let mut body = json!({ "unique_key": "p", "provider": provider });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = app.post("/integrations", body).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        Self { app, upstream }
    }

    async fn post(&self, route: &str, params: &str, body: &Value) -> app::Answer {
        let key = &self.app.environment.public_key;
        let path = format!("{route}/p?public_key={key}&connection_id=a&{params}");
        self.app.anonymous("POST", &path).json(body).send().await
    }

    async fn connect(&self, route: &str, params: &str, body: &Value) {
        let answer = self.post(route, params, body).await;
        let expected = json!({ "connectionId": "a", "providerConfigKey": "p" });
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.json(), expected);
    }

    async fn read(&self) -> Value {
        let answer = self
            .app
            .get("/connections/a?provider_config_key=p&refresh_token=true")
            .await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// What the provider gets of a request through the proxy.
    async fn proxied(&self, path: &str) -> Received {
        let sent = self
            .app
            .request("GET", &format!("/proxy{path}"))
            .header("provider-config-key", "p")
            .header("connection-id", "a")
            .send()
            .await;
        assert_eq!(sent.status(), 200, "{}", sent.text());
        self.upstream.received().pop().unwrap()
    }

    fn later(&self, minutes: u64) {
        self.app.clock.advance(Duration::from_secs(minutes * 60));
    }

    async fn delete(&self) {
        let gone = self
            .app
            .delete("/connections/a?provider_config_key=p")
            .await;
        assert_eq!(gone.json(), json!({ "success": true }));
        assert_eq!(
            self.app
                .get("/connections/a?provider_config_key=p")
                .await
                .status(),
            404
        );
    }
}

fn ok(_: &Received) -> Answer {
    Answer::json(200, &json!({}))
}

/// The reference never answers a failure, and leaves proxied requests without the session.
#[tokio::test]
async fn bill_sessions_are_opened_sent_and_renewed() {
    let scene = Scene::of("bill", true, json!({}), |request| match request.path() {
        "/gateway.prod.bill.com/connect/v3/login"
            if request.text().contains("\"password\":\"right\"") =>
        {
            Answer::json(
                200,
                &json!({ "sessionId": "s1", "userId": "u1", "organizationId": "o" }),
            )
        }
        "/gateway.prod.bill.com/connect/v3/login" => {
            Answer::json(401, &json!([{ "code": "BDC_1102" }]))
        }
        _ => Answer::json(200, &json!({})),
    })
    .await;
    let with = |password: &str| json!({ "username": "u", "password": password, "organization_id": "o", "dev_key": "d" });
    let refused = scene.post("/auth/bill", "", &with("wrong")).await;
    assert_eq!(refused.refusal(), "400 request_token_external_error");
    scene.connect("/auth/bill", "", &with("right")).await;
    let stored = scene.read().await["credentials"].clone();
    assert_eq!(stored["session_id"], "s1");
    assert_eq!(stored["user_id"], "u1");
    assert_eq!(stored["expires_at"], "2026-01-01T00:35:00.000Z");
    let sent = scene.proxied("/v3/bills").await;
    assert_eq!(sent.header("sessionid"), Some("s1"));
    assert_eq!(sent.header("devkey"), Some("d"));
    scene.later(21);
    let before = scene.upstream.count();
    assert_eq!(
        scene.read().await["credentials"]["expires_at"],
        "2026-01-01T00:56:00.000Z"
    );
    assert_eq!(scene.upstream.count(), before + 1);
    scene.delete().await;
}

/// The reference never answers a failure here either.
#[tokio::test]
async fn signed_user_names_are_made_anew() {
    let scene = Scene::of("emarsys", true, json!({}), |request| {
        let token = request.header("x-wsse").unwrap_or_default();
        let part = |name: &str| {
            let rest = token
                .split(&format!("{name}=\""))
                .nth(1)
                .unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let text = format!("{}{}right", part("Nonce"), part("Created"));
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let is_right = part("PasswordDigest") == STANDARD.encode(hex::encode(hash))
            && part("Username") == "user";
        Answer::json(if is_right { 200 } else { 401 }, &json!({}))
    })
    .await;
    let with =
        |password: &str| json!({ "type": "SIGNATURE", "username": "user", "password": password });
    let refused = scene.post("/auth/signature", "", &with("wrong")).await;
    assert_eq!(refused.refusal(), "400 connection_test_failed");
    scene.connect("/auth/signature", "", &with("right")).await;
    let first = scene.proxied("/api/v2/contact").await;
    scene.later(5);
    let second = scene.proxied("/api/v2/contact").await;
    assert_ne!(first.header("x-wsse"), second.header("x-wsse"));
    assert_eq!(
        scene.read().await["credentials"]["expires_at"],
        "2026-01-01T00:10:00.000Z"
    );
    scene.delete().await;
}

/// The reference answers a failure with 200 and an error in it.
#[tokio::test]
async fn token_based_failures_are_failures() {
    let own = json!({ "credentials": { "type": "TBA", "client_id": "ck", "client_secret": "cs" } });
    let scene = Scene::of("tba-verified", false, own, |_| {
        Answer::json(401, &json!({}))
    })
    .await;
    let body = json!({ "token_id": "i", "token_secret": "s" });
    let refused = scene.post("/auth/tba", "params[accountId]=1", &body).await;
    assert_eq!(refused.refusal(), "400 connection_test_failed");
}

#[tokio::test]
async fn token_based_requests_are_signed_with_the_realm() {
    let own = json!({ "credentials": { "type": "TBA", "client_id": "ck", "client_secret": "cs" } });
    let scene = Scene::of("netsuite-tba", true, own, ok).await;
    let body = json!({ "token_id": "ti", "token_secret": "ts" });
    scene
        .connect("/auth/tba", "params[accountId]=123-sb1", &body)
        .await;
    let sent = scene.proxied("/customer?limit=2&q=a%20b").await;
    assert!(
        is_signed(
            &scene,
            &sent,
            SignatureMethod::HmacSha256,
            ("ti", "ts"),
            Some("123_SB1")
        ),
        "{sent:?}"
    );
    scene.delete().await;
}

#[tokio::test]
async fn oauth1_requests_are_signed_as_the_provider_declares() {
    for (provider, method) in [
        ("trello", SignatureMethod::HmacSha1),
        ("smugmug", SignatureMethod::Plaintext),
    ] {
        let own = json!({ "credentials": { "type": "OAUTH1", "client_id": "ck", "client_secret": "cs" } });
        let scene = Scene::of(provider, true, own, ok).await;
        let body = json!({ "provider_config_key": "p", "connection_id": "a",
            "credentials": { "type": "OAUTH1", "oauth_token": "ot", "oauth_token_secret": "os" } });
        let imported = scene.app.post("/connections", body).await;
        assert_eq!(imported.status(), 201, "{}", imported.text());
        let sent = scene.proxied("/1/boards?fields=name,id").await;
        assert!(
            is_signed(&scene, &sent, method, ("ot", "os"), None),
            "{provider}: {sent:?}"
        );
        let before = scene.upstream.count();
        let forced = scene
            .app
            .get("/connections/a?provider_config_key=p&force_refresh=true")
            .await;
        assert_eq!(forced.status(), 200);
        assert_eq!(scene.upstream.count(), before, "there is nothing to renew");
        scene.delete().await;
    }
}

/// Whether a request carries the signature of what arrived, with the nonce and time that it names.
fn is_signed(
    scene: &Scene,
    sent: &Received,
    signature_method: SignatureMethod,
    token: (&str, &str),
    realm: Option<&str>,
) -> bool {
    let given = sent.header("authorization").unwrap_or_default();
    let part = |name: &str| {
        let rest = given
            .split(&format!("{name}=\""))
            .nth(1)
            .unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let url = Url::parse(&scene.upstream.url(&sent.target)).unwrap();
    let expected = oauth1::authorization(&oauth1::Request {
        method: &sent.method,
        url: &url,
        form: &[],
        extra: &[],
        consumer_key: "ck",
        consumer_secret: "cs",
        token: Some(token),
        signature_method,
        realm,
        nonce: &part("oauth_nonce"),
        now: Timestamp::from_secs(part("oauth_timestamp").parse().unwrap()),
    });
    expected == given
}

#[tokio::test]
async fn tokens_are_signed_here_and_again_before_they_end() {
    let scene = Scene::of("heymarket", true, json!({}), |request| {
        let token = request
            .header("authorization")
            .unwrap_or_default()
            .trim_start_matches("Bearer ");
        let (input, signature) = token.rsplit_once('.').unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"id||secret");
        let is_right = signature == URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
        Answer::json(if is_right { 200 } else { 401 }, &json!({}))
    })
    .await;
    let with = |secret: &str| json!({ "type": "JWT", "apiSecretId": "id", "apiSecretKey": secret });
    let refused = scene.post("/auth/jwt", "", &with("wrong")).await;
    assert_eq!(refused.refusal(), "400 connection_test_failed");
    scene.connect("/auth/jwt", "", &with("secret")).await;
    let claims = |sent: &Received| -> Value {
        let payload = sent
            .header("authorization")
            .unwrap()
            .split('.')
            .nth(1)
            .unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let first = claims(&scene.proxied("/v1/x").await);
    assert_eq!(first["iss"], "id");
    assert_eq!(
        first["exp"].as_i64().unwrap() - first["iat"].as_i64().unwrap(),
        300
    );
    scene.later(4);
    let second = claims(&scene.proxied("/v1/x").await);
    assert_eq!(
        second["exp"].as_i64().unwrap() - first["exp"].as_i64().unwrap(),
        240
    );
    scene.delete().await;
}

#[tokio::test]
async fn two_step_tokens_are_asked_for_and_renewed() {
    let session = |number: u32| json!({ "session": { "token": format!("t{number}"), "ttl": 3600, "refresh": format!("r{number}") } });
    let scene = Scene::of("two-steps", false, json!({}), move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match (request.target.as_str(), &body) {
            ("/login?tenant=acme", body) if body["password"] == "right" => {
                Answer::json(201, &json!({ "ticket": "k" }))
            }
            ("/session", body) if body["ticket"] == "k" && body["user"] == "u" => {
                Answer::json(200, &session(1))
            }
            ("/again", body) if body["refresh"] == "r1" => Answer::json(200, &session(2)),
            (path, _) if path.starts_with("/api") => Answer::json(200, &json!({})),
            _ => Answer::json(403, &json!({ "message": "no" })),
        }
    })
    .await;
    let with = |password: &str| json!({ "type": "TWO_STEP", "user": "u", "password": password });
    let refused = scene
        .post("/auth/two-step", "params[tenant]=acme", &with("wrong"))
        .await;
    assert_eq!(refused.refusal(), "400 two_step_credentials_fetch_error");
    scene
        .connect("/auth/two-step", "params[tenant]=acme", &with("right"))
        .await;
    let stored = scene.read().await["credentials"].clone();
    assert_eq!(stored["type"], "TWO_STEP");
    assert_eq!(
        (&stored["user"], &stored["token"], &stored["refresh_token"]),
        (&json!("u"), &json!("t1"), &json!("r1"))
    );
    assert_eq!(stored["expires_at"], "2026-01-01T01:00:00.000Z");
    let sent = scene.proxied("/x").await;
    assert_eq!(sent.header("x-session"), Some("t1"));
    assert_eq!(sent.header("authorization"), None);
    scene.delete().await;
}

/// A provider that gives a refresh token: it is used as long as it works, then what the person entered.
#[tokio::test]
async fn two_step_tokens_are_renewed_by_their_refresh_token() {
    let scene = Scene::of("two-steps", false, json!({}), |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let session = |number: u32| json!({ "session": { "token": format!("t{number}"), "ttl": 3600, "refresh": format!("r{number}") } });
        match (request.path(), &body) {
            ("/login", body) if body["password"] == "right" => {
                Answer::json(201, &json!({ "ticket": 1 }))
            }
            ("/again", body) if body["refresh"] == "r1" => Answer::json(200, &json!({ "ticket": 2 })),
            ("/again", body) if body["refresh"] == "r2" => {
                Answer::json(401, &json!({ "message": "used up" }))
            }
            ("/session", body) if body["ticket"] == "1" || body["ticket"] == 1 => {
                Answer::json(200, &session(1))
            }
            ("/session", _) => Answer::json(200, &session(2)),
            _ => Answer::json(200, &json!({})),
        }
    })
    .await;
    let entered = json!({ "type": "TWO_STEP", "user": "u", "password": "right" });
    let route = "/auth/two-step";
    scene.connect(route, "params[tenant]=acme", &entered).await;
    let paths = |scene: &Scene| -> Vec<String> {
        let asked = scene.upstream.take().into_iter();
        asked.map(|request| request.path().to_owned()).collect()
    };
    assert_eq!(paths(&scene), ["/login", "/session"]);
    scene.later(50);
    let renewed = scene.read().await["credentials"].clone();
    assert_eq!(
        (&renewed["token"], &renewed["refresh_token"]),
        (&json!("t2"), &json!("r2"))
    );
    assert_eq!(renewed["expires_at"], "2026-01-01T01:50:00.000Z");
    assert_eq!(
        paths(&scene),
        ["/again", "/session"],
        "without the password"
    );
    assert_eq!(scene.proxied("/x").await.header("x-session"), Some("t2"));
    scene.upstream.take();
    scene.later(50);
    let renewed = scene.read().await["credentials"].clone();
    assert_eq!(renewed["token"], "t1", "nobody has to connect again");
    assert_eq!(paths(&scene), ["/again", "/login", "/session"]);
    scene.delete().await;
}

#[tokio::test]
async fn plugins_are_installed_with_the_owners_credentials() {
    let custom = json!({ "username": "plugin", "password": "key", "app_link": "https://app.crisp.test/install" });
    let scene = Scene::of(
        "crisp-plugin-install",
        true,
        json!({ "custom": custom }),
        |request| {
            let right = format!("Basic {}", STANDARD.encode("plugin:key"));
            let is_right = request.header("authorization") == Some(&right)
                && request.header("x-crisp-tier") == Some("plugin");
            Answer::json(if is_right { 200 } else { 401 }, &json!({}))
        },
    )
    .await;
    let start = format!(
        "/oauth/connect/p?public_key={}&connection_id=a",
        scene.app.environment.public_key
    );
    let away = scene.app.anonymous("GET", &start).send().await;
    let location = away.header("location").to_owned();
    let state = location
        .strip_prefix("https://app.crisp.test/install?payload=")
        .unwrap();
    let page = scene
        .app
        .anonymous(
            "GET",
            &format!("/oauth/callback?payload={state}&website_id=w1&token=ignored"),
        )
        .send()
        .await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let stored = scene.read().await;
    assert_eq!(
        stored["credentials"],
        json!({ "type": "BASIC", "username": "plugin", "password": "key" })
    );
    assert_eq!(stored["connection_config"], json!({ "website_id": "w1" }));
    scene.proxied("/v1/website/w1").await;
    scene.delete().await;

    let wrong = json!({ "custom": { "password": "other" } });
    assert_eq!(
        scene.app.patch("/integrations/p", wrong).await.status(),
        200
    );
    let away = scene.app.anonymous("GET", &start).send().await;
    let state = away
        .header("location")
        .split("payload=")
        .nth(1)
        .unwrap()
        .to_owned();
    let page = scene
        .app
        .anonymous("GET", &format!("/oauth/callback?payload={state}"))
        .send()
        .await;
    assert_eq!(super::error_type(&page), "connection_test_failed");
}

#[tokio::test]
async fn a_client_can_prove_itself_with_its_private_key() {
    let scene = Scene::of("okta-cc", true, json!({}), |request| {
        if request.path() != "/acme.okta.test/oauth2/v1/token" {
            return Answer::json(200, &json!({}));
        }
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
            .into_owned()
            .collect();
        let field = |name: &str| {
            form.iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        let assertion = field("client_assertion").unwrap_or_default();
        let claims = URL_SAFE_NO_PAD
            .decode(assertion.split('.').nth(1).unwrap_or_default())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
        let is_right = claims["iss"] == "cid"
            && claims["sub"] == "cid"
            && field("client_secret").is_none()
            && field("scope").as_deref() == Some("okta.users.read")
            && claims["aud"]
                .as_str()
                .is_some_and(|aud| aud.ends_with("/oauth2/v1/token"));
        if is_right {
            Answer::json(200, &json!({ "access_token": "cc", "expires_in": 3600 }))
        } else {
            Answer::json(401, &json!({ "error": "invalid_client" }))
        }
    })
    .await;
    let body = json!({ "client_id": "cid", "client_private_key": jwk() });
    let params = "params[hostname]=acme.okta.test&params[oauth_scopes]=okta.users.read";
    scene.connect("/oauth2/auth", params, &body).await;
    assert_eq!(
        scene.proxied("/api/v1/users").await.header("authorization"),
        Some("Bearer cc")
    );
    let before = scene.upstream.count();
    scene.later(50);
    scene.read().await;
    assert_eq!(scene.upstream.count(), before + 1);
    scene.delete().await;
}

/// A private key as a JSON Web Key.
fn jwk() -> String {
    // The numbers of a PKCS#1 key, in order, are those of a JWK.
    let pem = private_key();
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(body).unwrap();
    let mut rest = &der[4..];
    let mut numbers = Vec::new();
    while rest.len() > 2 {
        let (length, head) = match rest[1] {
            short if short < 0x80 => (usize::from(short), 2),
            0x81 => (usize::from(rest[2]), 3),
            _ => (usize::from(rest[2]) * 256 + usize::from(rest[3]), 4),
        };
        let number = &rest[head..head + length];
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        numbers.push(URL_SAFE_NO_PAD.encode(number));
        rest = &rest[head + length..];
    }
    let names = ["version", "n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let mut key = json!({ "kty": "RSA", "kid": "k1", "alg": "RS256" });
    for (name, number) in names.iter().zip(numbers).skip(1) {
        key[*name] = number.into();
    }
    key.to_string()
}

/// The reference sends the placeholder itself, and loses what stands behind the question mark of an address.
#[tokio::test]
async fn refresh_params_are_templates_and_addresses_keep_their_query() {
    let own =
        json!({ "credentials": { "type": "OAUTH2", "client_id": "c", "client_secret": "s" } });
    let scene = Scene::of("asked-again", false, own, |_| {
        Answer::json(
            200,
            &json!({ "access_token": "a", "refresh_token": "r", "expires_in": 3600 }),
        )
    })
    .await;
    let start = format!(
        "/oauth/connect/p?public_key={}&connection_id=a&params[environmentUrl]=https://env.test",
        scene.app.environment.public_key
    );
    let away = scene.app.anonymous("GET", &start).send().await;
    let location = Url::parse(away.header("location")).unwrap();
    let query: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!(query["kept"], "1");
    let back = format!("/oauth/callback?code=c&state={}", query["state"]);
    assert_eq!(scene.app.anonymous("GET", &back).send().await.status(), 200);
    scene.later(50);
    scene.read().await;
    let asked = scene.upstream.received();
    assert!(
        asked
            .iter()
            .all(|request| request.target == "/oauth/token?kept=1"),
        "{asked:?}"
    );
    assert!(
        asked[1].text().contains("resource=https%3A%2F%2Fenv.test"),
        "{}",
        asked[1].text()
    );
}
