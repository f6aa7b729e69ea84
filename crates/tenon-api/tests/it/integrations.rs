//! Integrations, from creation to deletion.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{TestApp, app::PUBLIC_URL};

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";

fn oauth2() -> Value {
    json!({"type": "OAUTH2", "client_id": "cid", "client_secret": "csec", "scopes": "a,b"})
}

#[tokio::test]
async fn an_integration_is_shown_without_secrets_unless_asked() {
    let app = TestApp::start().await;
    let body = json!({"unique_key": "mine", "provider": "oauth2", "display_name": "Mine", "credentials": oauth2()});
    let created = app.post("/integrations", body).await;
    assert_eq!(created.status(), 200);
    let plain = json!({
        "unique_key": "mine",
        "provider": "oauth2",
        "display_name": "Mine",
        "logo": format!("{PUBLIC_URL}/images/template-logos/oauth2.svg"),
        "forward_webhooks": true,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(created.json()["data"], plain);
    assert_eq!(app.get("/integrations/mine").await.json()["data"], plain);

    for query in [
        "include=webhook&include=credentials",
        "include[]=webhook&include[]=credentials",
    ] {
        let both = app.get(&format!("/integrations/mine?{query}")).await.json()["data"].clone();
        assert_eq!(both["webhook_url"], json!(null));
        let credentials = json!({"type": "OAUTH2", "client_id": "cid", "client_secret": "csec", "scopes": "a,b",
            "webhook_secret": null});
        assert_eq!(both["credentials"], credentials);
    }
    app.integration("open", "none").await;
    let open = app
        .get("/integrations/open?include=webhook&include=credentials")
        .await
        .json()["data"]
        .clone();
    let url = format!("{PUBLIC_URL}/webhook/{}/open", app.environment.uuid);
    assert_eq!(
        (&open["webhook_url"], &open["credentials"]),
        (&json!(url), &json!(null))
    );
    assert_eq!(open["display_name"], "Open");
}

#[tokio::test]
async fn an_installed_app_gets_its_key_back_as_it_was() {
    let app = TestApp::start().await;
    let credentials =
        json!({"type": "APP", "app_id": "11", "app_link": "http://up.test/x", "private_key": PEM});
    let body = json!({"unique_key": "app", "provider": "installed", "credentials": credentials});
    assert_eq!(app.post("/integrations", body).await.status(), 200);
    let shown = app
        .get("/integrations/app?include=credentials")
        .await
        .json()["data"]["credentials"]
        .clone();
    assert_eq!(shown, credentials);
}

#[tokio::test]
async fn wrong_integrations_are_refused() {
    let app = TestApp::start().await;
    app.integration("taken", "key").await;
    let app_credentials = |key: &str| json!({"type": "APP", "app_id": "1", "app_link": "http://x", "private_key": key});
    let cases = [
        (
            json!({"unique_key": "taken", "provider": "key"}),
            "invalid_string uniqueKey",
        ),
        (
            json!({"unique_key": "x", "provider": "no-such"}),
            "invalid_string provider",
        ),
        (json!({"unique_key": "x"}), "invalid_type provider"),
        (
            json!({"unique_key": "x", "provider": "key", "nope": 1}),
            "unrecognized_keys",
        ),
        (
            json!({"unique_key": "a/x", "provider": "key"}),
            "invalid_format unique_key",
        ),
        (
            json!({"unique_key": "", "provider": "key"}),
            "invalid_format unique_key",
        ),
        (
            json!({"unique_key": "g".repeat(256), "provider": "key"}),
            "too_big unique_key",
        ),
        (
            json!({"unique_key": "x", "provider": "key", "display_name": ""}),
            "too_small display_name",
        ),
        (
            json!({"unique_key": "x", "provider": "key", "display_name": 3}),
            "invalid_type display_name",
        ),
        (
            json!({"unique_key": "x", "provider": "oauth2", "credentials": {"type": "NOPE"}}),
            "invalid_union credentials.type",
        ),
        (
            json!({"unique_key": "x", "provider": "oauth2", "credentials": {"type": "OAUTH2", "client_id": "a"}}),
            "invalid_type credentials.client_secret",
        ),
        (
            json!({"unique_key": "x", "provider": "installed", "credentials": app_credentials("no")}),
            "invalid_format credentials.private_key | invalid_format credentials.private_key",
        ),
        (
            json!({"unique_key": "x", "provider": "installed", "credentials": app_credentials(&format!("{PEM}\n"))}),
            "invalid_format credentials.private_key",
        ),
        (
            json!({"unique_key": "x", "provider": "installed", "credentials": {"type": "APP", "app_id": "1"}}),
            "invalid_type credentials.app_link | invalid_type credentials.private_key",
        ),
    ];
    for (body, issues) in cases {
        let answer = app.post("/integrations", body.clone()).await;
        assert_eq!(
            answer.refusal(),
            format!("400 invalid_body | {issues}"),
            "{body}"
        );
    }
    let told_in_words = [
        json!({"unique_key": "x", "provider": "oauth2"}),
        json!({"unique_key": "x", "provider": "oauth2",
            "credentials": {"type": "OAUTH1", "client_id": "a", "client_secret": "b"}}),
        json!({"unique_key": "x", "provider": "key", "credentials": oauth2()}),
        json!({"unique_key": "x", "provider": "settings", "integration_config": {"nope": "1"}}),
        json!({"unique_key": "x", "provider": "settings", "integration_config": {"region": "mars"}}),
        json!({"unique_key": "x", "provider": "key", "integration_config": {"a": "b"}}),
        json!({"unique_key": "x", "provider": "settings", "custom": {"a": "b"}}),
    ];
    for body in told_in_words {
        let answer = app.post("/integrations", body.clone()).await;
        assert_eq!(answer.refusal(), "400 invalid_body", "{body}");
        assert!(
            !answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(
        app.get("/integrations").await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn only_known_parameters_are_taken() {
    let app = TestApp::start().await;
    app.integration("one", "key").await;
    let cases = [
        (
            "GET",
            "/integrations?x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "GET",
            "/integrations/one?x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "GET",
            "/integrations/one?include=nope",
            "400 invalid_query_params | invalid_union include",
        ),
        (
            "DELETE",
            "/integrations/one?x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "GET",
            "/integrations/a%2Fb",
            "400 invalid_uri_params | invalid_format unique_key",
        ),
        ("GET", "/integrations/none", "404 not_found"),
        ("DELETE", "/integrations/none", "404 not_found"),
    ];
    for (method, path, refusal) in cases {
        let answer = app.request(method, path).send().await;
        assert_eq!(answer.refusal(), refusal, "{method} {path}");
    }
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let app = TestApp::start().await;
    let body = json!({"unique_key": "mine", "provider": "oauth2", "credentials": oauth2()});
    app.post("/integrations", body).await;
    app.clock.advance(Duration::from_secs(1));
    let credentials = json!({"type": "OAUTH2", "client_id": "cid", "client_secret": "new", "webhook_secret": "w"});
    let patched = app
        .patch(
            "/integrations/mine",
            json!({"display_name": "Other", "credentials": credentials}),
        )
        .await;
    let data = patched.json()["data"].clone();
    assert_eq!(data["display_name"], "Other");
    assert_eq!(data["updated_at"], "2026-01-01T00:00:01.000Z");
    assert_eq!(data["created_at"], "2026-01-01T00:00:00.000Z");
    let shown = app
        .get("/integrations/mine?include=credentials")
        .await
        .json()["data"]["credentials"]
        .clone();
    assert_eq!(shown["client_secret"], "new");
    assert_eq!(shown["webhook_secret"], "w");
    assert_eq!(shown["scopes"], "a,b", "scopes that are not given stay");

    let cases = [
        (
            "/integrations/mine",
            json!({"x": 1}),
            "400 invalid_body | unrecognized_keys",
        ),
        (
            "/integrations/mine",
            json!({"provider": "key"}),
            "400 invalid_body | unrecognized_keys",
        ),
        (
            "/integrations/mine",
            json!({"credentials": {"type": "OAUTH2", "client_id": "only"}}),
            "400 invalid_body | invalid_type credentials.client_secret",
        ),
        (
            "/integrations/mine",
            json!({"credentials": {"type": "OAUTH1", "client_id": "a", "client_secret": "b"}}),
            "400 invalid_body",
        ),
        (
            "/integrations/nope",
            json!({"display_name": "x"}),
            "404 not_found",
        ),
    ];
    for (path, body, refusal) in cases {
        assert_eq!(
            app.patch(path, body.clone()).await.refusal(),
            refusal,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn a_key_can_change_while_nothing_hangs_on_it() {
    let app = TestApp::start().await;
    app.integration("first", "key").await;
    app.integration("second", "key").await;
    assert_eq!(
        app.patch("/integrations/first", json!({"unique_key": "second"}))
            .await
            .refusal(),
        "400 invalid_body"
    );
    let renamed = app
        .patch("/integrations/first", json!({"unique_key": "third"}))
        .await;
    assert_eq!(renamed.json()["data"]["unique_key"], "third");
    assert_eq!(app.get("/integrations/first").await.status(), 404);

    app.connection("open", "alice").await;
    assert_eq!(
        app.patch("/integrations/open", json!({"unique_key": "shut"}))
            .await
            .refusal(),
        "400 invalid_body"
    );
    assert_eq!(
        app.patch("/integrations/open", json!({"unique_key": "open"}))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_deleted_integration_takes_its_connections_with_it() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    assert_eq!(
        app.delete("/integrations/open").await.json(),
        json!({"success": true})
    );
    assert_eq!(
        app.delete("/integrations/open").await.refusal(),
        "404 not_found"
    );
    let gone = app.get("/connections/alice?provider_config_key=open").await;
    assert_eq!(gone.refusal(), "400 unknown_provider_config");
    assert_eq!(
        app.get("/connections?integrationId=open").await.json(),
        json!({"connections": []})
    );

    app.integration("open", "none").await;
    let gone = app.get("/connections/alice?provider_config_key=open").await;
    assert_eq!(
        gone.refusal(),
        "404 not_found",
        "the new integration starts empty"
    );
}

#[tokio::test]
async fn settings_of_the_owner_are_checked_and_completed() {
    let app = TestApp::start().await;
    let body = json!({"unique_key": "s", "provider": "settings", "integration_config": {"apiSecret": "hush"}});
    assert_eq!(app.post("/integrations", body).await.status(), 200);
    let stored = app
        .engine
        .reader()
        .find_integration(app.environment.pk, "s")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        json!(stored.config),
        json!({"region": "eu"}),
        "secret values are not kept in clear"
    );
    assert_eq!(
        json!(stored.full_config()),
        json!({"region": "eu", "apiSecret": "hush"})
    );

    assert_eq!(
        app.patch(
            "/integrations/s",
            json!({"integration_config": {"region": "us"}})
        )
        .await
        .status(),
        200
    );
    let stored = app
        .engine
        .reader()
        .find_integration(app.environment.pk, "s")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        json!(stored.full_config()),
        json!({"region": "us", "apiSecret": "hush"})
    );
}

#[tokio::test]
async fn quickstart_is_refused_where_no_shared_app_exists() {
    let app = TestApp::start().await;
    for provider in ["oauth2", "key"] {
        let answer = app
            .post(
                "/integrations/quickstart",
                json!({"unique_key": "q", "provider": provider}),
            )
            .await;
        assert_eq!(answer.refusal(), "400 invalid_body");
    }
    let answer = app
        .post(
            "/integrations/quickstart",
            json!({"provider": "key", "x": 1}),
        )
        .await;
    assert_eq!(
        answer.refusal(),
        "400 invalid_body | invalid_type unique_key | unrecognized_keys"
    );
}

#[tokio::test]
async fn old_clients_get_the_old_form() {
    let app = TestApp::start().await;
    let credentials = json!({"type": "OAUTH2", "client_id": "cid", "client_secret": "csec", "scopes": "a,b",
        "webhook_secret": "w"});
    app.post(
        "/integrations",
        json!({"unique_key": "mine", "provider": "oauth2", "credentials": credentials}),
    )
    .await;
    let short =
        json!({"config": {"unique_key": "mine", "provider": "oauth2", "syncs": [], "actions": []}});
    assert_eq!(app.get("/config/mine").await.json(), short);
    assert_eq!(
        app.get("/config/mine?include_creds=true").await.json()["config"],
        json!({
            "unique_key": "mine", "provider": "oauth2", "client_id": "cid", "client_secret": "csec",
            "custom": {"webhookSecret": "w"}, "scopes": "a,b", "app_link": null, "auth_mode": "OAUTH2",
            "created_at": "2026-01-01T00:00:00.000Z", "syncs": [], "actions": [], "has_webhook": false,
            "webhook_secret": null, "connections": [], "docs": "https://example.test/docs", "connection_count": 0,
            "has_webhook_user_defined_secret": false, "webhook_url": null,
        })
    );
    assert_eq!(
        app.get("/config/nope").await.refusal(),
        "400 unknown_provider_config"
    );
}
