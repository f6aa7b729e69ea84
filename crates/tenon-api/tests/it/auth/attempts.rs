//! What a session remembers of its latest attempt.

use std::time::Duration;

use serde_json::{Value, json};

use super::Scene;
use crate::TestApp;

async fn session(app: &TestApp) -> String {
    app.session(json!({ "end_user": { "id": "u" } })).await
}

async fn state(app: &TestApp, token: &str) -> Value {
    let request = app.anonymous("GET", "/connect/session/attempt");
    let answer = request.bearer(token).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["data"].clone()
}

const SOCKET: &str = "0b0e7a3c-27f4-4a0e-9d5a-3d0b4c3f1a11";

fn path(token: &str) -> String {
    format!("/oauth/connect/crm?connect_session_token={token}&ws_client_id={SOCKET}")
}

#[tokio::test]
async fn a_session_tells_how_its_attempt_stands() {
    let scene = Scene::start().await;
    let token = session(&scene.app).await;
    let fresh = state(&scene.app, &token).await;
    assert_eq!(fresh["expires_in"], 1800);
    assert_eq!(fresh["attempt"], Value::Null);
    assert!(fresh["operation_id"].is_string());

    let named = format!("{}&params[subdomain]=acme", path(&token));
    let trip = scene.open_at(&named).await;
    let pending = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(pending["state"], "pending");
    assert_eq!(pending.get("account"), None);
    assert_eq!(pending["ws_client_id"], SOCKET);
    assert_eq!(pending["provider_config_key"], "crm");
    assert_eq!(pending["ended_at"], Value::Null);

    scene.come_back(&trip).await;
    let connected = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(connected["state"], "connected");
    assert_eq!(connected["connection_id"], pending["connection_id"]);
    assert_eq!(connected["operation_id"], pending["operation_id"]);
    assert_eq!(connected["told"], false);
    assert_eq!(connected["account"], "acme");
    let request = scene.app.anonymous("POST", "/connect/session/attempt/told");
    let told = request.bearer(&token).send().await.json();
    assert_eq!(told["data"]["attempt"]["told"], true);

    // The next attempt starts anew.
    scene.open_at(&path(&token)).await;
    let next = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(
        (&next["state"], &next["told"]),
        (&json!("pending"), &json!(false))
    );
}

#[tokio::test]
async fn a_refusal_is_remembered_and_the_next_attempt_takes_its_place() {
    let scene = Scene::start().await;
    let token = session(&scene.app).await;
    let first = scene.open_at(&path(&token)).await;
    let refuse = |trip: &super::Trip| {
        let state = super::flows::param(&trip.location, "state");
        format!("/oauth/callback?state={state}&error=access_denied&error_description=no")
    };
    scene.browse(&refuse(&first), Some(&first.cookie)).await;
    let failed = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"]["type"], "callback_err");
    assert!(
        failed["error"]["message"]
            .as_str()
            .unwrap()
            .contains("access_denied")
    );

    // The first of two windows fails late: what counts is the second.
    let second = scene.open_at(&path(&token)).await;
    let third = scene.open_at(&path(&token)).await;
    scene.browse(&refuse(&second), Some(&second.cookie)).await;
    let pending = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(pending["state"], "pending");
    scene.come_back(&third).await;
    let connected = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(connected["state"], "connected");
    assert_eq!(connected.get("error"), None);
}

/// FAULTS 39.
#[tokio::test]
async fn faults_39_a_page_that_was_reloaded_after_its_session_ran_out_learns_the_end() {
    let scene = Scene::start().await;
    let token = session(&scene.app).await;
    let trip = scene.open_at(&path(&token)).await;
    scene.app.clock.advance(Duration::from_secs(31 * 60));
    let gone = scene
        .app
        .anonymous("GET", "/connect/session")
        .bearer(&token);
    assert_eq!(
        gone.send().await.refusal(),
        "401 unknown_connect_session_token"
    );
    let late = state(&scene.app, &token).await;
    assert_eq!(late["expires_in"], 0);
    assert_eq!(late["attempt"]["state"], "pending");
    scene.come_back(&trip).await;
    let late = state(&scene.app, &token).await;
    assert_eq!(late["attempt"]["state"], "connected");
    // Not for ever, and not of a session that was ended.
    scene.app.clock.advance(Duration::from_secs(3600));
    let request = scene.app.anonymous("GET", "/connect/session/attempt");
    let answer = request.bearer(&token).send().await;
    assert_eq!(answer.refusal(), "401 unknown_connect_session_token");
}

#[tokio::test]
async fn a_flow_that_nobody_came_back_from_has_failed() {
    let scene = Scene::start().await;
    let token = session(&scene.app).await;
    scene.open_at(&path(&token)).await;
    scene.app.clock.advance(Duration::from_secs(3601));
    let engine = &scene.app.engine;
    assert_eq!(tenon_engine::auth::flow::purge(engine).await.unwrap(), 1);
    let attempt = state(&scene.app, &token).await["attempt"].clone();
    assert_eq!(attempt["state"], "failed");
    assert_eq!(attempt["error"]["type"], "state_err");
}

#[tokio::test]
async fn keys_and_secret_keys_of_apps_learn_nothing_here() {
    let app = TestApp::start().await;
    app.integration("open", "none").await;
    let token = session(&app).await;
    let path = format!("/auth/unauthenticated/open?connect_session_token={token}");
    let connected = app.anonymous("POST", &path).send().await.json();
    let attempt = state(&app, &token).await["attempt"].clone();
    assert_eq!(attempt["state"], "connected");
    assert_eq!(attempt["connection_id"], connected["connectionId"]);
    assert_eq!(
        app.get("/connect/session/attempt").await.refusal(),
        "401 invalid_connect_session_token_format"
    );
}
