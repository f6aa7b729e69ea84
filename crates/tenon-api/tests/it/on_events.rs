//! Functions that run when a connection appears or goes.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{
    TestApp,
    app::{action, failed, flows::body, succeeded, sync},
};

/// Deploys one function per event and notes who was called, for which connection.
async fn with_events() -> (TestApp, Arc<Mutex<Vec<String>>>) {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    let called: Arc<Mutex<Vec<String>>> = Arc::default();
    let scripts: Vec<Value> = [
        ("hello", "post-connection-creation"),
        ("check", "validate-connection"),
        ("bye", "pre-connection-deletion"),
    ]
    .iter()
    .map(|(name, event)| {
        let noted = Arc::clone(&called);
        app.functions.on(name, move |request, _| {
            let noted = Arc::clone(&noted);
            async move {
                let line = format!(
                    "{} {}",
                    request.context.function, request.context.connection_id
                );
                noted.lock().unwrap().push(line);
                if request.context.connection_id == "mallory" {
                    return failed("action_script_runtime_error", "not this one");
                }
                succeeded(&json!(null))
            }
        });
        json!({ "name": name, "event": event, "fileBody": { "js": format!("// {name}"), "ts": "//" } })
    })
    .collect();
    let mut deploy = body(&[sync("items"), action("a")]);
    deploy["onEventScriptsByProvider"] =
        json!([{ "providerConfigKey": "crm", "scripts": scripts }]);
    app.functions
        .on("items", |_, _| async { succeeded(&json!(null)) });
    let answer = app.deploy_body(deploy).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    (app, called)
}

#[tokio::test]
async fn a_connection_that_a_function_accepts_comes_to_life() {
    let (app, called) = with_events().await;
    app.connection("crm", "alice").await;
    assert_eq!(*called.lock().unwrap(), ["check alice"]);
    assert_eq!(app.webhooks("auth").await.len(), 1);
    app.run_until_idle().await;
    assert_eq!(*called.lock().unwrap(), ["check alice", "hello alice"]);
    assert_eq!(app.sync_status("items", "alice").await["status"], "SUCCESS");
    let deleted = app
        .delete("/connections/alice?provider_config_key=crm")
        .await;
    assert_eq!(deleted.json(), json!({ "success": true }));
    assert_eq!(
        *called.lock().unwrap(),
        ["check alice", "hello alice", "bye alice"]
    );
}

#[tokio::test]
async fn a_connection_that_a_function_refuses_is_not_there() {
    let (app, called) = with_events().await;
    let body = json!({
        "provider_config_key": "crm",
        "connection_id": "mallory",
        "credentials": { "type": "NONE" },
    });
    let answer = app.post("/connections", body).await;
    assert_eq!(answer.refusal(), "400 connection_validation_failed");
    assert_eq!(answer.json()["error"]["message"], "not this one");
    let path = "/connections/mallory?provider_config_key=crm";
    assert_eq!(app.get(path).await.refusal(), "404 not_found");
    app.run_until_idle().await;
    assert_eq!(*called.lock().unwrap(), ["check mallory"]);
    assert_eq!(app.webhooks("auth").await.len(), 0);
    let syncs = app
        .get("/sync/status?syncs=*&provider_config_key=crm")
        .await;
    assert_eq!(syncs.json(), json!({ "syncs": [] }));
}

#[tokio::test]
async fn a_connection_authorised_again_is_not_greeted_again() {
    let (app, called) = with_events().await;
    app.connection("crm", "alice").await;
    app.run_until_idle().await;
    app.connection("crm", "alice").await;
    app.run_until_idle().await;
    assert_eq!(
        *called.lock().unwrap(),
        ["check alice", "hello alice", "check alice"]
    );
    let path = "/sync/status?syncs=*&provider_config_key=crm";
    let syncs = app.get(path).await.json();
    assert_eq!(syncs["syncs"].as_array().unwrap().len(), 1);
}
