//! Connecting from a program without a browser (RFC 8628).

#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::time::Duration;

use serde_json::{Value, json};
use tenon_engine::auth::device::DevicePoller;
use tenon_testkit::{oauth::refuse, upstream::Answer};

use super::Scene;
use crate::app::{self, sync};

const SECOND: Duration = Duration::from_secs(1);

async fn scene() -> Scene {
    let scene = Scene::start().await;
    scene.integration_of("tv", "device").await;
    scene
}

/// Begins a flow with the secret key.
async fn begin(scene: &Scene, body: Value) -> Value {
    let answer = scene.app.post("/oauth/device", body).await;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.json()["data"].clone()
}

async fn state(scene: &Scene, flow: &Value) -> Value {
    let path = format!("/oauth/device/{}", flow["id"].as_str().unwrap());
    let answer = scene.app.get(&path).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["data"].clone()
}

/// Some seconds pass, and the loop looks once.
async fn after(scene: &Scene, seconds: u32) -> usize {
    scene.app.clock.advance(SECOND * seconds);
    let poller = DevicePoller::new(scene.app.engine.clone());
    poller.ask_due().await.unwrap()
}

#[tokio::test]
async fn a_device_is_connected_when_the_person_has_agreed() {
    let scene = scene().await;
    let token = scene
        .app
        .session(json!({ "end_user": { "id": "user-1" }, "allowed_integrations": ["tv"] }))
        .await;
    let request = scene.app.anonymous("POST", "/oauth/device").bearer(&token);
    let begun = request
        .json(&json!({ "provider_config_key": "tv" }))
        .send()
        .await;
    assert_eq!(begun.status(), 201, "{}", begun.text());
    let flow = begun.json()["data"].clone();
    assert!(flow["user_code"].as_str().unwrap().starts_with("USER-"));
    assert_eq!(flow["verification_uri"], "https://provider.test/device");
    assert_eq!(
        (&flow["interval"], &flow["expires_in"]),
        (&json!(5), &json!(600))
    );
    assert!(
        !flow.to_string().contains("device-"),
        "the device code stays here"
    );

    assert_eq!(after(&scene, 4).await, 0, "not before the interval is over");
    assert_eq!(after(&scene, 1).await, 1);
    assert_eq!(state(&scene, &flow).await["state"], "pending");
    scene.provider.decide_devices(true);
    assert_eq!(after(&scene, 5).await, 1);
    let ended = state(&scene, &flow).await;
    assert_eq!(ended["state"], "connected");
    let id = ended["connection_id"].as_str().unwrap();
    assert_eq!(id, flow["connection_id"]);
    assert_eq!(after(&scene, 600).await, 0, "nothing is asked any more");

    let path = format!("/connections/{id}?provider_config_key=tv");
    let connection = scene.app.get(&path).await.json();
    assert!(
        connection["credentials"]["access_token"]
            .as_str()
            .unwrap()
            .starts_with("access-")
    );
    assert_eq!(connection["end_user"]["id"], "user-1");
    let told = scene.webhooks().await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["operation"], &told[0]["success"]),
        (&json!("creation"), &json!(true))
    );
    assert_eq!(told[0]["endUser"]["endUserId"], "user-1");
}

#[tokio::test]
async fn providers_decide_how_often_they_are_asked() {
    let scene = scene().await;
    begin(
        &scene,
        json!({ "provider_config_key": "tv", "connection_id": "alice" }),
    )
    .await;
    scene.provider.answer_next(refuse("slow_down"));
    assert_eq!(after(&scene, 5).await, 1);
    assert_eq!(after(&scene, 9).await, 0, "five seconds more");
    scene.provider.answer_next(Answer::text(503, "later"));
    assert_eq!(after(&scene, 1).await, 1);
    assert_eq!(after(&scene, 19).await, 0, "twice as long after an outage");
    scene.provider.decide_devices(true);
    assert_eq!(after(&scene, 1).await, 1);
    assert!(scene.has_connection("alice").await);
    assert_eq!(scene.provider.device_questions(), 3);
}

#[tokio::test]
async fn a_refusal_is_told_and_ends_the_flow() {
    let scene = scene().await;
    let flow = begin(&scene, json!({ "provider_config_key": "tv" })).await;
    scene.provider.decide_devices(false);
    assert_eq!(after(&scene, 5).await, 1);
    let ended = state(&scene, &flow).await;
    assert_eq!(ended["state"], "denied");
    assert_eq!(ended["connection_id"], json!(null));
    let failures = scene.failures().await;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0]["error"]["type"], "access_denied");
    assert_eq!(after(&scene, 60).await, 0);
}

#[tokio::test]
async fn a_code_that_nobody_types_runs_out() {
    let scene = scene().await;
    let flow = begin(&scene, json!({ "provider_config_key": "tv" })).await;
    assert_eq!(after(&scene, 601).await, 1);
    assert_eq!(state(&scene, &flow).await["state"], "expired");
    assert_eq!(
        scene.provider.device_questions(),
        0,
        "nobody asks for what is over"
    );
    assert!(scene.failures().await.is_empty());
    // The provider may also say it first.
    let flow = begin(&scene, json!({ "provider_config_key": "tv" })).await;
    scene.provider.answer_next(refuse("expired_token"));
    assert_eq!(after(&scene, 5).await, 1);
    assert_eq!(state(&scene, &flow).await["state"], "expired");
}

/// FAULTS 24, for devices: nodes come and go, the flow goes on, and nobody asks twice.
#[tokio::test]
async fn another_node_goes_on_with_a_flow() {
    let scene = scene().await;
    let flow = begin(
        &scene,
        json!({ "provider_config_key": "tv", "connection_id": "alice" }),
    )
    .await;
    scene.provider.decide_devices(true);
    scene.app.clock.advance(SECOND * 5);
    let nodes = ["one", "two"].map(|name| DevicePoller::new(scene.app.node(name)));
    let (one, two) = tokio::join!(nodes[0].ask_due(), nodes[1].ask_due());
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert_eq!(scene.provider.device_questions(), 1);
    assert_eq!(state(&scene, &flow).await["state"], "connected");
}

/// FAULTS 41.
#[tokio::test]
async fn faults_41_a_session_begins_and_sees_only_what_it_may() {
    let scene = scene().await;
    scene.integration_of("radio", "device").await;
    let body = json!({ "end_user": { "id": "u" }, "allowed_integrations": ["tv"] });
    let session = || scene.app.session(body.clone());
    let (mine, other) = (session().await, session().await);
    let post = |token: &str, body: Value| -> app::Request {
        scene
            .app
            .anonymous("POST", "/oauth/device")
            .bearer(token)
            .json(&body)
    };
    let refused = post(&mine, json!({ "provider_config_key": "radio" }))
        .send()
        .await;
    assert_eq!(refused.refusal(), "400 integration_not_allowed");
    let chosen = json!({ "provider_config_key": "tv", "connection_id": "victim" });
    assert_eq!(
        post(&mine, chosen).send().await.refusal(),
        "400 invalid_body | custom connection_id"
    );
    let begun = post(&mine, json!({ "provider_config_key": "tv" }))
        .send()
        .await
        .json();
    let path = format!("/oauth/device/{}", begun["data"]["id"].as_str().unwrap());
    let look = |token: &str| scene.app.anonymous("GET", &path).bearer(token).send();
    assert_eq!(look(&mine).await.status(), 200);
    assert_eq!(look(&other).await.refusal(), "404 not_found");
    scene.app.clock.advance(Duration::from_secs(31 * 60));
    assert_eq!(look(&mine).await.status(), 401);
}

#[tokio::test]
async fn settings_of_syncs_come_with_the_first_request() {
    let scene = scene().await;
    let schema = json!({"definitions": {"Item": {}, "SyncMetadata_tv_items": {
        "type": "object", "required": ["team"],
        "properties": {"team": {"type": "string"}, "days": {"type": "integer", "default": 30}},
    }}});
    let wants = sync("items")
        .with("providerConfigKey", json!("tv"))
        .with("input", json!("SyncMetadata_tv_items"))
        .with("models_json_schema", schema);
    scene.app.deploy_flows(&[wants]).await;
    let asked = scene.app.get("/connect/settings/tv").await.json();
    assert_eq!(asked["data"]["fields"].as_array().unwrap().len(), 2);

    let session = |asks: bool| {
        let body = json!({ "end_user": { "id": "u" }, "ask_settings": asks });
        scene.app.session(body)
    };
    let (asking, silent) = (session(true).await, session(false).await);
    let body = json!({ "provider_config_key": "tv", "metadata": { "team": "ops" } });
    for (token, expected) in [
        (None, json!({ "team": "ops", "days": 30 })),
        (Some(&asking), json!({ "team": "ops", "days": 30 })),
        (Some(&silent), Value::Null),
    ] {
        let begin = |body: &Value| {
            let key = match token {
                Some(token) => token.as_str(),
                None => scene.app.secret_key.expose(),
            };
            let request = scene.app.anonymous("POST", "/oauth/device").bearer(key);
            request.json(body).send()
        };
        let mut wrong = body.clone();
        wrong["metadata"]["days"] = json!("many");
        if !expected.is_null() {
            assert_eq!(
                begin(&wrong).await.refusal(),
                "400 invalid_body | custom metadata.days"
            );
        }
        let begun = begin(&body).await;
        assert_eq!(begun.status(), 201, "{}", begun.text());
        scene.provider.decide_devices(true);
        after(&scene, 5).await;
        let id = begun.json()["data"]["connection_id"].clone();
        let path = format!(
            "/connections/{}?provider_config_key=tv",
            id.as_str().unwrap()
        );
        assert_eq!(scene.app.get(&path).await.json()["metadata"], expected);
    }
}

#[tokio::test]
async fn a_provider_without_devices_says_so() {
    let scene = Scene::start().await;
    let body = json!({ "provider_config_key": "crm" });
    let answer = scene.app.post("/oauth/device", body).await;
    assert_eq!(answer.refusal(), "400 device_flow_unsupported");
}
