//! Who is let in, and what the others are told.

use serde_json::json;
use tenon_engine::environments;

use crate::TestApp;

#[tokio::test]
async fn callers_without_a_valid_key_are_told_why() {
    let app = TestApp::start().await;
    let session = "nango_connect_session_";
    let unknown_session = format!("Bearer {session}{}", "0".repeat(64));
    let bad_session = format!("Bearer {session}12");
    let upper = format!("Bearer {}", app.secret_key.expose().to_uppercase());
    let lower = format!("bearer {}", app.secret_key.expose());
    let public = format!("Bearer {}", app.environment.public_key);
    let (any, key, only_session) = ("/integrations", "/connections", "/connect/session");
    let cases = [
        (
            any,
            "Bearer 00000000-0000-4000-8000-000000000000",
            "unknown_account",
        ),
        (
            only_session,
            "Bearer 00000000-0000-4000-8000-000000000000",
            "invalid_connect_session_token_format",
        ),
        (key, "Bearer nope", "invalid_secret_key_format"),
        (key, "nope", "invalid_secret_key_format"),
        (key, "Bearer ", "invalid_secret_key_format"),
        (key, "Basic dTpw", "invalid_secret_key_format"),
        (any, &unknown_session, "unknown_connect_session_token"),
        (key, &unknown_session, "invalid_secret_key_format"),
        (any, &bad_session, "invalid_connect_session_token_format"),
        (key, &bad_session, "invalid_secret_key_format"),
        (key, "Bearer nango_sbx_v1_abc", "unknown_account"),
        (
            only_session,
            "Bearer nango_sbx_v1_abc",
            "invalid_connect_session_token_format",
        ),
        (any, &upper, "unknown_account"),
        (any, &lower, "invalid_secret_key_format"),
        (any, &public, "unknown_account"),
    ];
    for (path, header, code) in cases {
        let answer = app
            .anonymous("GET", path)
            .header("authorization", header)
            .send()
            .await;
        assert_eq!(answer.refusal(), format!("401 {code}"), "{path} {header}");
        assert_eq!(answer.json()["error"]["payload"], json!({}));
    }
    for path in [
        any,
        key,
        only_session,
        "/providers",
        "/environment",
        "/config/x",
    ] {
        let answer = app.anonymous("GET", path).send().await;
        assert_eq!(answer.refusal(), "401 missing_auth_header", "{path}");
    }
}

#[tokio::test]
async fn the_text_behind_the_last_bearer_counts() {
    let app = TestApp::start().await;
    let key = app.secret_key.expose();
    for header in [key.clone(), format!("Bearer Bearer {key}")] {
        let answer = app
            .anonymous("GET", "/integrations")
            .header("authorization", &header)
            .send()
            .await;
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn a_key_does_only_what_its_scopes_say() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    let scopes = [
        "environment:connections:read".to_owned(),
        "environment:integrations:*".to_owned(),
    ];
    let form = environments::KeyForm::Uuid;
    let key = environments::create_key(&app.engine, app.environment.pk, "reader", &scopes, form)
        .await
        .unwrap();
    let key = key.key.expose();
    let get = |path: &'static str| app.anonymous("GET", path).bearer(key).send();

    assert_eq!(get("/integrations").await.status(), 200);
    assert_eq!(get("/connections").await.refusal(), "403 forbidden");
    let one = get("/connections/alice?provider_config_key=open").await;
    assert_eq!(one.status(), 200);
    assert_eq!(one.json()["credentials"], json!({}));
}

#[tokio::test]
async fn another_environment_is_another_world() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    let other = environments::ensure(&app.engine, "prod").await.unwrap();
    let key = environments::secret_key(&app.engine, other.pk)
        .await
        .unwrap()
        .unwrap();
    let answer = app
        .anonymous("GET", "/connections")
        .bearer(key.expose())
        .send()
        .await;
    assert_eq!(answer.json(), json!({"connections": []}));
    let answer = app
        .anonymous("GET", "/connections/alice?provider_config_key=open")
        .bearer(key.expose())
        .send()
        .await;
    assert_eq!(answer.refusal(), "400 unknown_provider_config");
}

#[tokio::test]
async fn keys_are_made_and_unmade_by_those_who_may() {
    let app = TestApp::start().await;
    let body = json!({"name": "reader", "scopes": ["environment:connections:*", "account:environments:api_keys:create"]});
    let made = app.post("/environment/api-keys", body).await;
    assert_eq!(made.status(), 201);
    let data = made.json()["data"].clone();
    let key = data["key"].as_str().unwrap().to_owned();
    let get = |path: &'static str| app.anonymous("GET", path).bearer(&key).send();
    assert_eq!(get("/connections").await.status(), 200);
    assert_eq!(get("/integrations").await.refusal(), "403 forbidden");
    assert!(!get("/environment/api-keys").await.text().contains(&key));

    let more = json!({"name": "more", "scopes": ["environment:*"]});
    let refused = app
        .anonymous("POST", "/environment/api-keys")
        .bearer(&key)
        .json(&more)
        .send()
        .await;
    assert_eq!(
        refused.refusal(),
        "403 forbidden",
        "a key cannot give what it has not got"
    );

    let path = format!("/environment/api-keys/{}", data["id"]);
    assert_eq!(
        app.anonymous("DELETE", &path)
            .bearer(&key)
            .send()
            .await
            .refusal(),
        "403 forbidden"
    );
    assert_eq!(app.delete(&path).await.json(), json!({"success": true}));
    assert_eq!(get("/connections").await.refusal(), "401 unknown_account");
    assert_eq!(app.delete(&path).await.refusal(), "404 not_found");
}
