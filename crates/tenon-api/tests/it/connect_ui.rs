//! The Connect UI beyond one connection: its settings, what it asks, and the page of what a person has connected.

use serde_json::{Value, json};

use crate::{
    TestApp,
    app::{Answer, action, sync},
};

async fn settings_seen_by_page(app: &TestApp) -> Value {
    let token = app.session(json!({"end_user": {"id": "u"}})).await;
    let request = app.anonymous("GET", "/connect/session").bearer(&token);
    request.send().await.json()["data"]["connectUISettings"].clone()
}

#[tokio::test]
async fn settings_reach_the_page_and_go_back_to_their_start() {
    let app = TestApp::start().await;
    let start = json!({
        "showWatermark": true,
        "defaultTheme": "system",
        "theme": {"light": {"primary": "#00B2E3"}, "dark": {"primary": "#00B2E3"}},
    });
    let got = app.get("/environment/connect-ui").await.json();
    assert_eq!(got["data"], start);
    let changed = json!({
        "showWatermark": false,
        "defaultTheme": "dark",
        "theme": {"light": {"primary": "#112233"}},
        "application": "Acme",
        "logo": "data:image/png;base64,AAAA",
        "cornerRadius": 8,
        "font": "Inter, sans-serif",
        "supportUrl": "mailto:help@acme.test",
        "privacyUrl": "https://acme.test/privacy",
        "texts": {"en": {"connect": "Go"}},
        "allowedOrigins": ["https://app.acme.test"],
        "askSettings": true,
    });
    let answer = app.patch("/environment/connect-ui", changed.clone()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let mut expected = changed;
    expected["theme"]["dark"] = json!({"primary": "#00B2E3"});
    assert_eq!(answer.json()["data"], expected);
    assert_eq!(settings_seen_by_page(&app).await, expected);
    let back = json!({
        "showWatermark": true, "defaultTheme": "system", "theme": {"light": {"primary": "#00B2E3"}},
        "application": null, "logo": null, "cornerRadius": null, "font": null, "supportUrl": null,
        "privacyUrl": null, "texts": {}, "allowedOrigins": [], "askSettings": false,
    });
    app.patch("/environment/connect-ui", back).await;
    assert_eq!(settings_seen_by_page(&app).await, start);
}

#[tokio::test]
async fn settings_that_could_do_harm_are_refused() {
    let app = TestApp::start().await;
    for (body, refusal) in [
        (
            json!({"theme": {"light": {"primary": "red"}}}),
            "invalid_format theme.light.primary",
        ),
        (
            json!({"logo": "javascript:alert(1)"}),
            "invalid_format logo",
        ),
        (
            json!({"font": "x; background: url(https://a.test)"}),
            "invalid_format font",
        ),
        (
            json!({"supportUrl": "javascript:alert(1)"}),
            "invalid_format supportUrl",
        ),
        (
            json!({"allowedOrigins": ["https://a.test; script-src *"]}),
            "invalid_format allowedOrigins.0",
        ),
        (json!({"cornerRadius": 99}), "too_big cornerRadius"),
        (
            json!({"defaultTheme": "pink"}),
            "invalid_value defaultTheme",
        ),
        (json!({"texts": {"e": {}}}), "invalid_key texts.e"),
        (json!({"colour": 1}), "unrecognized_keys"),
    ] {
        let answer = app.patch("/environment/connect-ui", body.clone()).await;
        assert_eq!(
            answer.refusal(),
            format!("400 invalid_body | {refusal}"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_page_is_framed_by_the_origins_of_the_environments_only() {
    let app = TestApp::start().await;
    let policy_at = |path: String| {
        let app = &app;
        async move {
            let page = app.anonymous("GET", &path).send().await;
            page.header("content-security-policy").to_owned()
        }
    };
    let policy = || policy_at("/connect-ui/".to_owned());
    assert!(!policy().await.contains("frame-ancestors"));
    let origins = json!({"allowedOrigins": ["https://app.acme.test", "https://*.acme.test"]});
    app.patch("/environment/connect-ui", origins).await;
    let closed = policy().await;
    assert!(
        closed.ends_with("; frame-ancestors 'self' https://*.acme.test https://app.acme.test"),
        "{closed}"
    );
    // An environment without a list lets everybody in, and a page does not know its environment yet.
    let engine = &app.engine;
    tenon_engine::environments::ensure(engine, "prod")
        .await
        .unwrap();
    assert!(!policy().await.contains("frame-ancestors"));
    // A shared link brings its session along.
    let token = app.session(json!({"end_user": {"id": "u"}})).await;
    for page in ["", "my-connections/"] {
        let shared = policy_at(format!("/connect-ui/{page}?session_token={token}")).await;
        assert_eq!(
            shared.split_once("frame-ancestors").unwrap().1,
            " 'self' https://app.acme.test https://*.acme.test"
        );
    }
    let unknown = "0".repeat(64);
    let stale = format!("/connect-ui/?session_token=nango_connect_session_{unknown}");
    assert!(!policy_at(stale).await.contains("frame-ancestors"));
}

/// A session that may manage the connections of a user, and one that connects.
async fn manager(app: &TestApp, user: &str) -> String {
    app.session(json!({"end_user": {"id": user}, "manage_connections": true}))
        .await
}

async fn connect(app: &TestApp, key: &str, user: &str) -> String {
    let token = app.session(json!({"end_user": {"id": user}})).await;
    let path = format!("/auth/unauthenticated/{key}?connect_session_token={token}");
    let answer = app.anonymous("POST", &path).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["connectionId"].as_str().unwrap().to_owned()
}

async fn mine(app: &TestApp, token: &str) -> Vec<String> {
    let request = app.anonymous("GET", "/connect/connections").bearer(token);
    let answer = request.send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let list = answer.json()["data"].as_array().unwrap().clone();
    let ids = list
        .iter()
        .map(|one| one["connection_id"].as_str().unwrap().to_owned());
    ids.collect()
}

async fn with(app: &TestApp, token: &str, method: &str, path: &str) -> Answer {
    app.anonymous(method, path).bearer(token).send().await
}

#[tokio::test]
async fn a_person_sees_and_ends_own_connections_only() {
    let app = TestApp::start().await;
    app.integration("one", "none").await;
    app.integration("two", "none").await;
    let first = connect(&app, "one", "alice").await;
    let second = connect(&app, "two", "alice").await;
    let foreign = connect(&app, "one", "bob").await;
    let token = manager(&app, "alice").await;
    assert_eq!(mine(&app, &token).await, [second.clone(), first.clone()]);
    let shown = with(&app, &token, "GET", "/connect/connections")
        .await
        .json();
    let keys: Vec<&String> = shown["data"][0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "connection_id",
            "provider_config_key",
            "provider",
            "display_name",
            "account",
            "logo",
            "status",
            "since",
            "created_at"
        ]
    );
    assert_eq!(shown["data"][0]["status"], "ok");

    let path =
        |id: &str, rest: &str| format!("/connect/connections/{id}{rest}?provider_config_key=one");
    for (method, rest) in [("DELETE", ""), ("POST", "/reconnect")] {
        for id in [foreign.as_str(), "nobody"] {
            let refused = with(&app, &token, method, &path(id, rest)).await;
            assert_eq!(refused.refusal(), "403 forbidden", "{method} {id}");
        }
    }
    let gone = with(&app, &token, "DELETE", &path(&first, "")).await;
    assert_eq!(gone.status(), 204);
    assert_eq!(mine(&app, &token).await, [second]);
    let bob = manager(&app, "bob").await;
    assert_eq!(mine(&app, &bob).await, [foreign]);
}

#[tokio::test]
async fn only_a_session_that_was_opened_for_it_manages_connections() {
    let app = TestApp::start().await;
    app.integration("one", "none").await;
    let id = connect(&app, "one", "alice").await;
    let plain = app.session(json!({"end_user": {"id": "alice"}})).await;
    let nobody = app
        .session(json!({"tags": {"team": "x"}, "manage_connections": true}))
        .await;
    let path = format!("/connect/connections/{id}?provider_config_key=one");
    for token in [&plain, &nobody] {
        let list = with(&app, token, "GET", "/connect/connections").await;
        assert_eq!(list.refusal(), "403 forbidden");
        assert_eq!(
            with(&app, token, "DELETE", &path).await.refusal(),
            "403 forbidden"
        );
    }
    assert_eq!(app.get("/connect/connections").await.status(), 401);
    let asked = app.post(
        "/connect/sessions",
        json!({"tags": {}, "manage_connections": "yes"}),
    );
    assert_eq!(
        asked.await.refusal(),
        "400 invalid_body | invalid_type manage_connections"
    );
}

#[tokio::test]
async fn organizations_and_integrations_of_the_session_narrow_what_is_shown() {
    let app = TestApp::start().await;
    app.integration("one", "none").await;
    app.integration("two", "none").await;
    connect(&app, "one", "alice").await;
    let two = connect(&app, "two", "alice").await;
    let narrow = json!({
        "end_user": {"id": "alice"}, "allowed_integrations": ["two"], "manage_connections": true,
    });
    assert_eq!(mine(&app, &app.session(narrow).await).await, [two]);
    let other = json!({
        "end_user": {"id": "alice"}, "organization": {"id": "o2"}, "manage_connections": true,
    });
    assert!(mine(&app, &app.session(other).await).await.is_empty());
}

#[tokio::test]
async fn a_person_reconnects_with_a_session_for_one_connection() {
    let app = TestApp::start().await;
    app.integration("one", "none").await;
    let id = connect(&app, "one", "alice").await;
    let token = manager(&app, "alice").await;
    let path = format!("/connect/connections/{id}/reconnect?provider_config_key=one");
    let opened = with(&app, &token, "POST", &path).await;
    assert_eq!(opened.status(), 201);
    let again = opened.json()["data"]["token"].as_str().unwrap().to_owned();
    let session = with(&app, &again, "GET", "/connect/session").await.json();
    assert_eq!(session["data"]["isReconnecting"], true);
    assert_eq!(session["data"]["allowed_integrations"], json!(["one"]));
    let refused = with(&app, &again, "GET", "/connect/connections").await;
    assert_eq!(refused.refusal(), "403 forbidden");
    let connected = format!("/auth/unauthenticated/one?connect_session_token={again}");
    let answer = app.anonymous("POST", &connected).send().await.json();
    assert_eq!(answer["connectionId"], id.as_str());
    assert_eq!(mine(&app, &token).await, [id], "and it is still hers");
}

/// The integration `crm` with a sync that wants settings.
async fn asking(app: &TestApp) {
    let schema = json!({"definitions": {
        "Item": {},
        "SyncMetadata_crm_items": {
            "type": "object",
            "required": ["team", "projects"],
            "properties": {
                "team": {"type": "string", "enum": ["ops", "sales"]},
                "days": {"type": "integer", "minimum": 1, "default": 30},
                "projects": {"type": "array", "items": {"type": "string"}},
            },
        },
    }});
    let wants = sync("items")
        .with("input", json!("SyncMetadata_crm_items"))
        .with("models_json_schema", schema);
    app.deploy_flows(&[wants, action("write")]).await;
}

async fn submit(app: &TestApp, token: &str, metadata: &str) -> Answer {
    let encoded: String = url::form_urlencoded::byte_serialize(metadata.as_bytes()).collect();
    let path =
        format!("/auth/unauthenticated/crm?connect_session_token={token}&metadata={encoded}");
    app.anonymous("POST", &path).send().await
}

#[tokio::test]
async fn settings_of_syncs_are_asked_and_stored_before_the_first_run() {
    let app = TestApp::start().await;
    asking(&app).await;
    let token = app
        .session(json!({"end_user": {"id": "u"}, "ask_settings": true}))
        .await;
    let asked = with(&app, &token, "GET", "/connect/settings/crm")
        .await
        .json();
    assert_eq!(
        asked["data"],
        json!({
            "fields": [
                {"name": "team", "kind": "choice", "title": "Team", "options": ["ops", "sales"], "required": true,
                    "syncs": ["items"]},
                {"name": "days", "kind": "integer", "title": "Days", "required": false, "default": 30,
                    "limits": {"minimum": 1}, "syncs": ["items"]},
            ],
            "skipped": [{"name": "projects", "reason": "is a list", "sync": "items"}],
        })
    );
    for (wrong, refusal) in [
        (r#"{"team":"x"}"#, "custom metadata.team"),
        (r#"{"team":"ops","days":0}"#, "custom metadata.days"),
        (r#"{"team":"ops","admin":true}"#, "custom metadata.admin"),
        ("[1]", "custom metadata"),
    ] {
        let refused = submit(&app, &token, wrong).await;
        assert_eq!(
            refused.refusal(),
            format!("400 invalid_query_params | {refusal}")
        );
    }
    // What the first run finds is what was entered.
    let (sender, receiver) = std::sync::mpsc::channel();
    app.functions.on("items", move |request, host| {
        let sender = sender.clone();
        async move {
            let _ = (request, host);
            sender.send(()).expect("the test listens");
            crate::app::succeeded(&json!(null))
        }
    });
    let connected = submit(&app, &token, r#"{"team":"ops"}"#).await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    let id = connected.json()["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = app
        .get(&format!("/connections/{id}?provider_config_key=crm"))
        .await;
    assert_eq!(read.json()["metadata"], json!({"team": "ops", "days": 30}));
    app.run_until_idle().await;
    assert_eq!(receiver.try_iter().count(), 1, "the sync ran");
}

#[tokio::test]
async fn settings_are_asked_where_session_or_environment_want_it() {
    let app = TestApp::start().await;
    asking(&app).await;
    let count = |token: String| {
        let app = &app;
        async move {
            let answer = with(app, &token, "GET", "/connect/settings/crm").await;
            answer.json()["data"]["fields"].as_array().unwrap().len()
        }
    };
    let user = json!({"id": "u"});
    let plain = app.session(json!({"end_user": user})).await;
    assert_eq!(count(plain.clone()).await, 0);
    // Nobody else may bring metadata along.
    let connected = submit(&app, &plain, r#"{"team":"ops"}"#).await.json();
    let id = connected["connectionId"].as_str().unwrap().to_owned();
    let read = app
        .get(&format!("/connections/{id}?provider_config_key=crm"))
        .await;
    assert_eq!(read.json()["metadata"], json!({}));

    app.patch("/environment/connect-ui", json!({"askSettings": true}))
        .await;
    assert_eq!(count(app.session(json!({"end_user": user})).await).await, 2);
    let not = json!({"end_user": user, "ask_settings": false});
    assert_eq!(count(app.session(not).await).await, 0);
    let again = app
        .post(
            "/connect/sessions/reconnect",
            json!({"connection_id": id, "integration_id": "crm"}),
        )
        .await;
    let token = again.json()["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(
        count(token).await,
        0,
        "a connection that is there has its settings"
    );
}
