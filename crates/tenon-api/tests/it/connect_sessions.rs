//! Connect sessions: opened by the app, read by the connect UI, ended by either.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{TestApp, app::CONNECT_URL};

fn user() -> Value {
    json!({"id": "u1", "email": "u1@example.test", "display_name": "User One"})
}

#[tokio::test]
async fn a_session_shows_what_it_was_opened_with() {
    let app = TestApp::start().await;
    app.integration("one", "key").await;
    app.integration("two", "none").await;
    let body = json!({
        "end_user": user(),
        "organization": {"id": "o1", "display_name": "Org"},
        "allowed_integrations": ["one"],
    });
    let opened = app.post("/connect/sessions", body).await;
    assert_eq!(opened.status(), 201);
    let data = opened.json()["data"].clone();
    let token = data["token"].as_str().unwrap();
    assert_eq!(token.len(), "nango_connect_session_".len() + 64);
    assert_eq!(
        data["connect_link"],
        json!(format!("{CONNECT_URL}/?session_token={token}"))
    );
    assert_eq!(data["expires_at"], "2026-01-01T00:30:00.000Z");

    let session = app
        .anonymous("GET", "/connect/session")
        .bearer(token)
        .send()
        .await;
    assert_eq!(
        session.json()["data"],
        json!({
            "endUser": {
                "id": "u1", "display_name": "User One", "email": "u1@example.test", "tags": null,
                "organization": {"id": "o1", "display_name": "Org"},
            },
            "connectUISettings": {
                "showWatermark": true,
                "defaultTheme": "system",
                "theme": {"light": {"primary": "#00B2E3"}, "dark": {"primary": "#00B2E3"}},
            },
            "allowed_integrations": ["one"],
            "websocketsPath": "/",
        })
    );
    let listed = app
        .anonymous("GET", "/integrations")
        .bearer(token)
        .send()
        .await
        .json();
    let keys: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["unique_key"])
        .collect();
    assert_eq!(keys, ["one"]);
    let one = app
        .anonymous("GET", "/integrations/one")
        .bearer(token)
        .send()
        .await;
    assert_eq!(one.refusal(), "401 invalid_secret_key_format");
}

#[tokio::test]
async fn wrong_sessions_are_refused() {
    let app = TestApp::start().await;
    app.integration("one", "key").await;
    let cases = [
        (json!({}), "400 invalid_body | invalid_type end_user"),
        (
            json!({"end_user": {"email": "a@b.test"}}),
            "400 invalid_body | invalid_type end_user.id",
        ),
        (
            json!({"end_user": {"id": "a", "email": "x"}}),
            "400 invalid_body | invalid_format end_user.email | too_small end_user.email",
        ),
        (
            json!({"end_user": user(), "x": 1}),
            "400 invalid_body | unrecognized_keys",
        ),
        (
            json!({"end_user": {"id": "a", "x": 1}}),
            "400 invalid_body | unrecognized_keys end_user",
        ),
        (
            json!({"end_user": {"id": "x".repeat(256)}}),
            "400 invalid_body | too_big end_user.id",
        ),
        (
            json!({"end_user": user(), "allowed_integrations": ["one", "nope"]}),
            "400 invalid_body | custom allowed_integrations.1",
        ),
        (
            json!({"end_user": user(), "integrations_config_defaults": {"nope": {}}}),
            "400 invalid_body | custom integrations_config_defaults.nope",
        ),
        (
            json!({"end_user": user(), "overrides": {"nope": {"docs_connect": "https://example.test"}}}),
            "400 invalid_body | custom overrides.nope",
        ),
        (
            json!({"end_user": user(), "overrides": {"one": {"docs_connect": "https://example.test"}}}),
            "403 forbidden",
        ),
        (
            json!({"tags": {"1a": "b"}}),
            "400 invalid_body | invalid_key tags.1a",
        ),
        (
            json!({"tags": {"end_user_email": "x"}}),
            "400 invalid_body | custom tags",
        ),
        (
            json!({"tags": {"A": "1", "a": "2"}}),
            "400 invalid_body | custom tags",
        ),
    ];
    for (body, refusal) in cases {
        assert_eq!(
            app.post("/connect/sessions", body.clone()).await.refusal(),
            refusal,
            "{body}"
        );
    }
    let answer = app
        .post("/connect/sessions?x=1", json!({"end_user": user()}))
        .await;
    assert_eq!(
        answer.refusal(),
        "400 invalid_query_params | unrecognized_keys"
    );
    for fine in [
        json!({"tags": {}}),
        json!({"end_user": user(), "allowed_integrations": []}),
    ] {
        assert_eq!(app.post("/connect/sessions", fine).await.status(), 201);
    }
}

#[tokio::test]
async fn an_old_webhook_setting_does_not_reach_the_browser() {
    let app = TestApp::start().await;
    app.integration("one", "key").await;
    let defaults = json!({"one": {
        "user_scopes": "u",
        "authorization_params": {"prompt": "x"},
        "connection_config": {"region": "eu", "webhook_url": "http://app.test/old"},
    }});
    let token = app
        .session(json!({"end_user": user(), "integrations_config_defaults": defaults}))
        .await;
    let session = app
        .anonymous("GET", "/connect/session")
        .bearer(&token)
        .send()
        .await
        .json();
    assert_eq!(
        session["data"]["integrations_config_defaults"],
        json!({"one": {"authorization_params": {"prompt": "x"}, "connection_config": {"region": "eu"}}})
    );
    let stored = tenon_engine::connections::sessions::find(&app.engine, &token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stored.webhook_url_override.as_deref(),
        Some("http://app.test/old")
    );
}

#[tokio::test]
async fn a_session_ends_when_told_to_or_after_half_an_hour() {
    let app = TestApp::start().await;
    let token = app.session(json!({"end_user": user()})).await;
    let request = |method: &'static str| {
        app.anonymous(method, "/connect/session")
            .bearer(&token)
            .send()
    };
    assert_eq!(request("GET").await.status(), 200);
    assert_eq!(request("DELETE").await.status(), 204);
    assert_eq!(
        request("GET").await.refusal(),
        "401 unknown_connect_session_token"
    );
    assert_eq!(
        request("DELETE").await.refusal(),
        "401 unknown_connect_session_token"
    );

    let token = app.session(json!({"end_user": user()})).await;
    let get = || {
        app.anonymous("GET", "/connect/session")
            .bearer(&token)
            .send()
    };
    app.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(get().await.status(), 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(get().await.refusal(), "401 unknown_connect_session_token");
}

#[tokio::test]
async fn a_reconnect_session_belongs_to_its_connection() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    let patch = json!({"end_user": {"id": "u2", "tags": {"x": "y"}}});
    app.patch("/connections/alice?provider_config_key=open", patch)
        .await;

    let body = json!({"connection_id": "alice", "integration_id": "open"});
    let opened = app.post("/connect/sessions/reconnect", body).await;
    assert_eq!(opened.status(), 201);
    let token = opened.json()["data"]["token"].as_str().unwrap().to_owned();
    let data = app
        .anonymous("GET", "/connect/session")
        .bearer(&token)
        .send()
        .await
        .json()["data"]
        .clone();
    assert_eq!(data["isReconnecting"], json!(true));
    assert_eq!(data["allowed_integrations"], json!(["open"]));
    assert_eq!(data["endUser"]["id"], "u2");

    let cases = [
        (
            json!({"connection_id": "nope", "integration_id": "open"}),
            "400 invalid_body",
        ),
        (
            json!({"connection_id": "alice", "integration_id": "nope"}),
            "400 invalid_body",
        ),
        (
            json!({"integration_id": "open"}),
            "400 invalid_body | invalid_type connection_id",
        ),
        (
            json!({"connection_id": "alice", "integration_id": "open", "allowed_integrations": ["open"]}),
            "400 invalid_body | unrecognized_keys",
        ),
    ];
    for (body, refusal) in cases {
        assert_eq!(
            app.post("/connect/sessions/reconnect", body.clone())
                .await
                .refusal(),
            refusal,
            "{body}"
        );
    }
}

#[tokio::test]
async fn telemetry_needs_a_session_a_known_event_and_a_recent_time() {
    let app = TestApp::start().await;
    let token = app.session(json!({"end_user": user()})).await;
    let unknown = format!("nango_connect_session_{}", "1".repeat(64));
    let now = "2026-01-01T00:00:00.000Z";
    let cases = [
        (
            json!({"token": token, "event": "open", "timestamp": "2025-01-01T00:00:00.000Z"}),
            "400 invalid_body | custom timestamp",
        ),
        (
            json!({"token": token, "event": "nope", "timestamp": "2025-01-01T00:00:00.000Z"}),
            "400 invalid_body | invalid_value event | custom timestamp",
        ),
        (json!({"event": "open"}), "401 missing_auth_header"),
        (
            json!({"token": unknown, "event": "open", "timestamp": now}),
            "401 unknown_connect_session_token",
        ),
    ];
    let send = |body: &Value| {
        app.anonymous("POST", "/connect/telemetry")
            .json(body)
            .send()
    };
    for (body, refusal) in cases {
        assert_eq!(send(&body).await.refusal(), refusal, "{body}");
    }
    let fine = json!({"token": token, "event": "click:connect", "timestamp": now, "dimensions": {"integration": "one"}});
    assert_eq!(send(&fine).await.status(), 204);
}
