use serde_json::{Value, json};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::TestApp;

/// A server whose providers are one upstream that knows good and bad credentials.
async fn scene() -> (TestApp, Upstream) {
    let upstream = Upstream::start(|request| {
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        match request.path() {
            "/keyed/whoami" if header("x-api-key") == "good" => Answer::json(200, &json!({})),
            "/keyed/whoami" => Answer::json(403, &json!({ "error": "bad key" })),
            "/oauth/token" if request.text().contains("client_secret=right") => {
                Answer::json(200, &json!({ "access_token": "cc", "expires_in": 3600 }))
            }
            "/oauth/token" => Answer::json(401, &json!({ "error": "invalid_client" })),
            "/app/installations/22/access_tokens" => Answer::json(
                201,
                &json!({ "token": "iat", "expires_at": "2026-01-01T01:00:00Z" }),
            ),
            "/app/installations/404/access_tokens" => {
                Answer::json(404, &json!({ "message": "gone" }))
            }
            "/oauth1/request" => {
                form("oauth_token=rt&oauth_token_secret=rts&oauth_callback_confirmed=true")
            }
            "/oauth1/access" => form("oauth_token=at&oauth_token_secret=ats&user_id=9"),
            _ => Answer::json(404, &json!({})),
        }
    })
    .await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    (app, upstream)
}

fn form(body: &'static str) -> Answer {
    Answer::Whole {
        status: 200,
        headers: vec![(
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )],
        body: body.into(),
    }
}

async fn post(app: &TestApp, path: &str, body: Value) -> crate::app::Answer {
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{mark}public_key={}", app.environment.public_key);
    app.anonymous("POST", &path).json(&body).send().await
}

#[tokio::test]
async fn keys_are_tried_before_they_are_stored() {
    let (app, upstream) = scene().await;
    app.integration("crm", "key").await;
    let rejected = post(
        &app,
        "/api-auth/api-key/crm?connection_id=a",
        json!({ "apiKey": "bad" }),
    )
    .await;
    assert_eq!(rejected.refusal(), "400 connection_test_failed");
    let connected = post(
        &app,
        "/api-auth/api-key/crm?connection_id=a&params[x]=1",
        json!({ "apiKey": "good" }),
    )
    .await;
    assert_eq!(
        connected.json(),
        json!({ "connectionId": "a", "providerConfigKey": "crm" })
    );
    assert_eq!(upstream.count(), 2);
    let stored = app
        .get("/connections/a?provider_config_key=crm")
        .await
        .json();
    assert_eq!(
        stored["credentials"],
        json!({ "type": "API_KEY", "apiKey": "good" })
    );
    assert_eq!(stored["connection_config"], json!({ "x": "1" }));
    assert_eq!(stored["metadata"], json!({}));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_order() {
    let (app, _upstream) = scene().await;
    app.integration("crm", "key").await;
    app.integration("open", "none").await;
    let cases = [
        (
            "/api-auth/api-key/crm",
            json!({}),
            "400 invalid_body | invalid_type apiKey",
        ),
        (
            "/api-auth/api-key/crm",
            json!({ "apiKey": "" }),
            "400 invalid_body | too_small apiKey",
        ),
        (
            "/api-auth/api-key/crm",
            json!({ "apiKey": "k", "x": 1 }),
            "400 invalid_body | unrecognized_keys",
        ),
        (
            "/api-auth/api-key/crm?connection_id=a%3Cb",
            json!({ "apiKey": "k" }),
            "400 invalid_query_params | invalid_format connection_id",
        ),
        (
            "/api-auth/api-key/nobody",
            json!({ "apiKey": "k" }),
            "404 unknown_provider_config",
        ),
        (
            "/api-auth/api-key/open",
            json!({ "apiKey": "k" }),
            "400 invalid_auth_mode",
        ),
        (
            "/oauth2/auth/crm",
            json!({ "client_id": "c", "client_secret": "s" }),
            "400 invalid_auth_mode",
        ),
        (
            "/oauth2/auth/crm",
            json!({ "client_secret": "s" }),
            "400 missing_client_id",
        ),
        (
            "/auth/unauthenticated/crm",
            json!({}),
            "400 invalid_auth_mode",
        ),
        (
            "/auth/oauth-outbound/crm",
            json!({}),
            "400 invalid_auth_mode",
        ),
    ];
    for (path, body, expected) in cases {
        assert_eq!(post(&app, path, body).await.refusal(), expected, "{path}");
    }
    let anonymous = app
        .anonymous("POST", "/api-auth/api-key/crm")
        .json(&json!({ "apiKey": "k" }))
        .send()
        .await;
    assert_eq!(anonymous.refusal(), "401 missing_public_key");
}

#[tokio::test]
async fn client_credentials_bring_a_token() {
    let (app, _upstream) = scene().await;
    app.integration("cc", "client-credentials").await;
    let rejected = post(
        &app,
        "/oauth2/auth/cc?connection_id=a",
        json!({ "client_id": "c", "client_secret": "wrong" }),
    )
    .await;
    assert_eq!(rejected.refusal(), "400 client_credentials_fetch_error");
    assert_eq!(
        rejected.json()["error"]["payload"],
        r#"{"provider_error_payload":{"error":"invalid_client"}}"#
    );
    let connected = post(
        &app,
        "/oauth2/auth/cc?connection_id=a",
        json!({ "client_id": "c", "client_secret": "right" }),
    )
    .await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    let stored = app
        .get("/connections/a?provider_config_key=cc")
        .await
        .json();
    assert_eq!(
        stored["credentials"],
        json!({ "type": "OAUTH2_CC", "token": "cc", "client_id": "c", "client_secret": "right",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": { "access_token": "cc", "expires_in": 3600 } })
    );
    assert_eq!(stored["metadata"], Value::Null);
}

#[tokio::test]
async fn an_account_is_part_of_token_based_authorization() {
    let (app, _upstream) = scene().await;
    let credentials = json!({ "type": "TBA", "client_id": "ck", "client_secret": "cs" });
    let made = app
        .post(
            "/integrations",
            json!({ "unique_key": "tba", "provider": "tba", "credentials": credentials }),
        )
        .await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let body = json!({ "token_id": "i", "token_secret": "s" });
    let refused = post(&app, "/auth/tba/tba?connection_id=a", body.clone()).await;
    assert_eq!(
        refused.refusal(),
        "400 invalid_query_params | custom params.accountId"
    );
    let connected = post(
        &app,
        "/auth/tba/tba?connection_id=a&params[accountId]=123",
        body,
    )
    .await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    let stored = app
        .get("/connections/a?provider_config_key=tba")
        .await
        .json();
    assert_eq!(
        stored["connection_config"],
        json!({ "accountId": "123" }),
        "no secrets of the owner"
    );
}

#[tokio::test]
async fn an_empty_body_is_fine_where_nothing_is_needed() {
    let (app, _upstream) = scene().await;
    app.integration("open", "none").await;
    let token = app.session(json!({ "end_user": { "id": "u" } })).await;
    let path = format!("/auth/unauthenticated/open?connect_session_token={token}");
    let connected = app
        .anonymous("POST", &path)
        .body("application/json", "")
        .send()
        .await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    let id = connected.json()["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let stored = app
        .get(&format!("/connections/{id}?provider_config_key=open"))
        .await
        .json();
    assert_eq!(stored["credentials"], json!({}));
    assert_eq!(stored["end_user"]["id"], "u");
}

#[tokio::test]
async fn oauth1_goes_through_request_and_access_tokens() {
    let (app, upstream) = scene().await;
    let credentials = json!({ "type": "OAUTH1", "client_id": "ck", "client_secret": "cs" });
    let made = app
        .post(
            "/integrations",
            json!({ "unique_key": "old", "provider": "oauth1", "credentials": credentials }),
        )
        .await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let start = format!(
        "/oauth/connect/old?public_key={}&connection_id=a",
        app.environment.public_key
    );
    let away = app.anonymous("GET", &start).send().await;
    let location = url::Url::parse(away.header("location")).unwrap();
    let query: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!(query["oauth_token"], "rt");
    let callback = url::Url::parse(&query["oauth_callback"]).unwrap();
    let back = format!(
        "{}?{}&oauth_token=rt&oauth_verifier=v",
        callback.path(),
        callback.query().unwrap()
    );
    let page = app.anonymous("GET", &back).send().await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let stored = app
        .get("/connections/a?provider_config_key=old")
        .await
        .json();
    assert_eq!(stored["credentials"]["oauth_token"], "at");
    let exchanged = upstream.received();
    let signed = exchanged
        .last()
        .unwrap()
        .header("authorization")
        .unwrap()
        .to_owned();
    assert!(
        signed.contains("oauth_token=\"rt\"") && signed.contains("oauth_verifier=\"v\""),
        "{signed}"
    );
}

/// A fresh private key the way providers hand it out.
pub(super) fn private_key() -> String {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)
        .expect("keys can be made");
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().expect("keys can be written");
    let body = STANDARD.encode(&pkcs8.as_ref()[26..]);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        lines.join("\n")
    )
}

#[tokio::test]
async fn an_app_is_installed_and_its_token_renewed() {
    let (app, upstream) = scene().await;
    let credentials = json!({ "type": "APP", "app_id": "11", "app_link": "https://apps.example/x", "private_key": private_key() });
    let made = app
        .post(
            "/integrations",
            json!({ "unique_key": "inst", "provider": "installed", "credentials": credentials }),
        )
        .await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let start = format!(
        "/oauth/connect/inst?public_key={}&connection_id=a",
        app.environment.public_key
    );
    let state = |location: &str| location.split_once("state=").unwrap().1.to_owned();

    let away = app.anonymous("GET", &start).send().await;
    let location = away.header("location").to_owned();
    assert!(
        location.starts_with("https://apps.example/x/installations/new?state="),
        "{location}"
    );
    let asked = format!(
        "/app-auth/connect?state={}&installation_id=22&setup_action=request",
        state(&location)
    );
    assert_eq!(
        app.anonymous("GET", &asked).send().await.status(),
        400,
        "an owner has to agree first"
    );

    let away = app.anonymous("GET", &start).send().await;
    let gone = format!(
        "/app-auth/connect?state={}&installation_id=404&setup_action=install",
        state(away.header("location"))
    );
    assert_eq!(app.anonymous("GET", &gone).send().await.status(), 400);

    let away = app.anonymous("GET", &start).send().await;
    let back = format!(
        "/app-auth/connect?state={}&installation_id=22&setup_action=install",
        state(away.header("location"))
    );
    let page = app.anonymous("GET", &back).send().await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let stored = app
        .get("/connections/a?provider_config_key=inst")
        .await
        .json();
    assert_eq!(stored["credentials"]["access_token"], "iat");
    assert_eq!(
        stored["credentials"]["installation_id"],
        Value::Null,
        "known to us only"
    );
    assert_eq!(
        stored["connection_config"],
        json!({ "installation_id": "22", "app_id": "11" })
    );

    let before = upstream.count();
    app.clock.advance(std::time::Duration::from_secs(50 * 60));
    let renewed = app.get("/connections/a?provider_config_key=inst").await;
    assert_eq!(renewed.status(), 200, "{}", renewed.text());
    assert_eq!(upstream.count(), before + 1);
}
