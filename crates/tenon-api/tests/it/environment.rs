//! Settings, variables and the signing key of an environment.

use serde_json::json;
use tenon_engine::environments::{self, PinnedKeys};

use crate::TestApp;

#[tokio::test]
async fn a_new_environment_announces_everything_but_empty_syncs() {
    let app = TestApp::start().await;
    let data = app.get("/environment").await.json()["data"].clone();
    assert_eq!(data["name"], "dev");
    assert_eq!(data["uuid"], json!(app.environment.uuid));
    assert_eq!(
        data["webhook_settings"],
        json!({
            "primary_url": null,
            "secondary_url": null,
            "on_sync_completion_always": false,
            "on_auth_creation": true,
            "on_auth_refresh_error": true,
            "on_sync_error": true,
            "on_async_action_completion": true,
        })
    );
    assert!(
        data["standard_webhooks_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );
}

#[tokio::test]
async fn settings_that_are_not_given_stay() {
    let app = TestApp::start().await;
    let body = json!({"webhook_settings": {"primary_url": "http://app.test/hook", "on_sync_error": false}});
    assert_eq!(app.patch("/environment", body).await.status(), 200);
    let body = json!({"webhook_settings": {"secondary_url": "http://app.test/second"}});
    let settings = app.patch("/environment", body).await.json()["data"]["webhook_settings"].clone();
    assert_eq!(settings["primary_url"], "http://app.test/hook");
    assert_eq!(settings["secondary_url"], "http://app.test/second");
    assert_eq!(settings["on_sync_error"], false);
    assert_eq!(settings["on_auth_creation"], true);
    for gone in [json!(null), json!("")] {
        let body = json!({"webhook_settings": {"primary_url": gone}});
        let settings =
            app.patch("/environment", body).await.json()["data"]["webhook_settings"].clone();
        assert_eq!(settings["primary_url"], json!(null));
    }
}

#[tokio::test]
async fn wrong_settings_are_refused() {
    let app = TestApp::start().await;
    let cases = [
        (json!({"x": 1}), "unrecognized_keys"),
        (
            json!({"webhook_settings": {"x": 1}}),
            "unrecognized_keys webhook_settings",
        ),
        (
            json!({"webhook_settings": {"primary_url": "nope"}}),
            "invalid_union webhook_settings.primary_url",
        ),
        (
            json!({"webhook_settings": {"on_sync_error": "yes"}}),
            "invalid_type webhook_settings.on_sync_error",
        ),
    ];
    for (body, issue) in cases {
        let answer = app.patch("/environment", body).await;
        assert_eq!(answer.refusal(), format!("400 invalid_body | {issue}"));
    }
}

#[tokio::test]
async fn rotating_the_signing_key_gives_another_one() {
    let app = TestApp::start().await;
    let before = app.get("/environment").await.json()["data"]["webhook_signing_key"].clone();
    let rotated = app
        .request("POST", "/environment/webhook-signing-key/rotate")
        .send()
        .await;
    let rotated = rotated.json()["data"]["webhook_signing_key"].clone();
    assert_ne!(rotated, before);
    assert_eq!(
        app.get("/environment").await.json()["data"]["webhook_signing_key"],
        rotated
    );
}

#[tokio::test]
async fn variables_come_back_as_they_were_given() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/environment-variables").await.json(), json!([]));
    assert_eq!(
        app.get("/environment-variables?x=1").await.refusal(),
        "400 invalid_query_params | unrecognized_keys"
    );
    let list = json!([{"name": "B", "value": "2"}, {"name": "A", "value": ""}]);
    let put = app
        .request("PUT", "/environment-variables")
        .json(&list)
        .send()
        .await;
    assert_eq!((put.status(), put.json()), (200, list.clone()));
    assert_eq!(app.get("/environment-variables").await.json(), list);

    let twice = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let put = app
        .request("PUT", "/environment-variables")
        .json(&twice)
        .send()
        .await;
    assert_eq!(put.refusal(), "400 invalid_body | custom 1.name");
    assert_eq!(app.get("/environment-variables").await.json(), list);
}

#[tokio::test]
async fn an_environment_can_be_given_known_keys() {
    let app = TestApp::start().await;
    let key = "11111111-2222-4333-8444-555555555555";
    let pinned = PinnedKeys {
        secret_key: Some(key.to_owned().into()),
        public_key: None,
    };
    for _ in 0..2 {
        environments::ensure_with(&app.engine, "dev", pinned.clone())
            .await
            .unwrap();
    }
    let answer = app
        .anonymous("GET", "/environment")
        .bearer(key)
        .send()
        .await;
    assert_eq!(answer.json()["data"]["name"], "dev");
    assert_eq!(
        app.get("/environment").await.status(),
        200,
        "the first key still works"
    );
}

#[tokio::test]
async fn only_environments_to_try_things_in_take_bare_public_keys() {
    let app = TestApp::start().await;
    for (name, auth) in [
        ("dev", "open"),
        ("demo", "open"),
        ("prod", "hmac"),
        ("staging", "hmac"),
    ] {
        let environment = environments::ensure(&app.engine, name).await.unwrap();
        assert_eq!(environment.public_key_auth, auth, "{name}");
        assert_eq!(environment.hmac_key.is_some(), auth == "hmac");
    }
    assert!(
        environments::ensure(&app.engine, "Not a name")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn public_access_can_be_tightened_and_its_key_read() {
    let app = TestApp::start().await;
    let read = app.get("/environment/public-access").await.json()["data"].clone();
    assert_eq!(
        (&read["public_key_auth"], &read["hmac_key"]),
        (&json!("open"), &json!(null))
    );
    let body = json!({"public_key_auth": "hmac", "callback_url": "https://app.test/back"});
    let tight = app.patch("/environment/public-access", body).await.json()["data"].clone();
    assert_eq!(tight["hmac_key"].as_str().unwrap().len(), 64);
    assert_eq!(tight["callback_url"], "https://app.test/back");
    let own = app
        .patch(
            "/environment/public-access",
            json!({"hmac_key": "0123456789abcdef", "callback_url": ""}),
        )
        .await;
    assert_eq!(own.json()["data"]["hmac_key"], "0123456789abcdef");
    assert_eq!(own.json()["data"]["callback_url"], json!(null));
    let answer = app
        .patch(
            "/environment/public-access",
            json!({"public_key_auth": "maybe", "hmac_key": "short"}),
        )
        .await;
    assert_eq!(
        answer.refusal(),
        "400 invalid_body | invalid_value public_key_auth | too_small hmac_key"
    );
}

#[tokio::test]
async fn another_environment_can_be_made_once() {
    let app = TestApp::start().await;
    let made = app.post("/environments", json!({"name": "staging"})).await;
    assert_eq!(made.status(), 201);
    let key = made.json()["data"]["secret_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = app
        .anonymous("GET", "/environment")
        .bearer(&key)
        .send()
        .await;
    assert_eq!(answer.json()["data"]["name"], "staging");
    assert_eq!(
        app.post("/environments", json!({"name": "staging"}))
            .await
            .refusal(),
        "409 conflict"
    );
    assert_eq!(
        app.post("/environments", json!({"name": "Not a name"}))
            .await
            .refusal(),
        "400 invalid_body"
    );
}
