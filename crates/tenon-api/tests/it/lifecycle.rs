//! What follows from a connection: webhooks, functions, syncs.

use serde_json::{Value, json};
use tenon_core::function::{RunFailure, RunOutcome};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::{TestApp, app::Deployment};

/// A server whose environment announces to a receiver.
async fn with_receiver() -> (TestApp, Upstream) {
    let receiver = Upstream::start(|_| Answer::text(200, "ok")).await;
    let app = TestApp::start().await;
    let settings = json!({"webhook_settings": {"primary_url": receiver.url("/hook")}});
    assert_eq!(app.patch("/environment", settings).await.status(), 200);
    (app, receiver)
}

/// What the receiver got since the last look.
fn bodies(receiver: &Upstream) -> Vec<Value> {
    receiver
        .take()
        .iter()
        .map(|request| serde_json::from_str(&request.text()).expect("webhooks are JSON"))
        .collect()
}

fn done() -> RunOutcome {
    RunOutcome::Succeeded {
        output: "null".into(),
    }
}

fn thrown(message: &str) -> RunOutcome {
    RunOutcome::Failed(RunFailure {
        kind: "script_internal_error".to_owned(),
        message: message.to_owned(),
        payload: json!({}),
        status: 500,
        additional_properties: None,
    })
}

#[tokio::test]
async fn the_app_hears_of_new_connections_and_of_those_authorised_again() {
    let (app, receiver) = with_receiver().await;
    app.integration("plain", "unverified").await;
    let import = json!({
        "provider_config_key": "plain",
        "connection_id": "alice",
        "credentials": {"type": "API_KEY", "apiKey": "k"},
        "tags": {"team": "red"},
    });
    app.post("/connections", import.clone()).await;
    app.run_until_idle().await;
    let expected = |operation: &str| {
        json!({
            "from": "nango", "type": "auth", "connectionId": "alice", "providerConfigKey": "plain",
            "authMode": "API_KEY", "provider": "unverified", "environment": "dev", "operation": operation,
            "success": true, "tags": {"team": "red"},
        })
    };
    assert_eq!(bodies(&receiver), [expected("creation")]);

    let quiet = json!({"webhook_settings": {"on_auth_creation": false}});
    app.patch("/environment", quiet).await;
    app.connection("open", "bob").await;
    app.post("/connections", import).await;
    app.run_until_idle().await;
    assert_eq!(
        bodies(&receiver),
        [expected("override")],
        "an override has no switch"
    );

    app.delete("/connections/alice?provider_config_key=plain")
        .await;
    app.run_until_idle().await;
    assert_eq!(
        bodies(&receiver),
        Vec::<Value>::new(),
        "deletions are not announced"
    );
}

#[tokio::test]
async fn a_connection_of_its_own_mind_is_announced_elsewhere() {
    let (app, receiver) = with_receiver().await;
    app.integration("plain", "unverified").await;
    let import = json!({
        "provider_config_key": "plain",
        "connection_id": "alice",
        "credentials": {"type": "API_KEY", "apiKey": "k"},
        "webhook_url_override": receiver.url("/own"),
    });
    app.post("/connections", import).await;
    app.run_until_idle().await;
    let paths: Vec<String> = receiver
        .take()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/own"]);
}

#[tokio::test]
async fn functions_can_refuse_a_connection() {
    let (app, receiver) = with_receiver().await;
    app.integration("open", "none").await;
    app.deploy(Deployment::default().on_event("open", "check", "validate-connection"))
        .await;
    app.functions.on("check", |request, _| async move {
        match request.context.connection_id.as_str() {
            "good" => done(),
            _ => thrown("not this one"),
        }
    });
    let import = |id: &str| json!({"provider_config_key": "open", "connection_id": id, "credentials": {"type": "NONE"}});
    let good = app.post("/connections", import("good")).await;
    assert_eq!(good.status(), 201, "{}", good.text());
    let bad = app.post("/connections", import("bad")).await;
    assert_eq!(bad.refusal(), "400 connection_validation_failed");
    let list = app.get("/connections").await.json();
    assert_eq!(list["connections"].as_array().unwrap().len(), 1);
    app.run_until_idle().await;
    let told: Vec<(Value, Value)> = bodies(&receiver)
        .iter()
        .map(|body| (body["connectionId"].clone(), body["success"].clone()))
        .collect();
    // Of a connection that never was nobody is told.
    assert_eq!(told, [(json!("good"), json!(true))]);
}

#[tokio::test]
async fn a_refused_reconnection_leaves_the_connection_marked() {
    let app = TestApp::start().await;
    app.integration("open", "none").await;
    app.connection("open", "alice").await;
    app.deploy(Deployment::default().on_event("open", "check", "validate-connection"))
        .await;
    app.functions
        .on("check", |_, _| async { thrown("not any more") });
    let import = json!({"provider_config_key": "open", "connection_id": "alice", "credentials": {"type": "NONE"}});
    assert_eq!(
        app.post("/connections", import).await.refusal(),
        "400 connection_validation_failed"
    );
    let list = app.get("/connections").await.json();
    assert_eq!(list["connections"][0]["errors"][0]["type"], "auth");
}

#[tokio::test]
async fn syncs_start_with_the_connection_and_end_with_it() {
    let app = TestApp::start().await;
    app.integration("open", "none").await;
    app.deploy(Deployment::default().sync("open", "issues", "every hour", &["Issue"]))
        .await;
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = runs.clone();
    app.functions.on("issues", move |_, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { done() }
    });
    let count = || runs.load(std::sync::atomic::Ordering::SeqCst);
    app.connection("open", "alice").await;
    app.run_until_idle().await;
    assert_eq!(count(), 1);
    app.clock.advance(std::time::Duration::from_secs(3600));
    app.run_until_idle().await;
    assert_eq!(count(), 2);
    app.delete("/connections/alice?provider_config_key=open")
        .await;
    app.clock.advance(std::time::Duration::from_secs(2 * 3600));
    app.run_until_idle().await;
    assert_eq!(count(), 2);
}
