//! Functions that run when a connection appears or goes.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenon_core::function::{HostCall, HostReply};

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

/// Deploys event functions of these names, in this order, on the integration `keyed`, whose connections have keys.
async fn keyed(scripts: &[(&str, &str)]) -> TestApp {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.integration("keyed", "unverified").await;
    let scripts: Vec<Value> = scripts
        .iter()
        .map(|(name, event)| {
            json!({ "name": name, "event": event, "fileBody": { "js": format!("// {name}"), "ts": "//" } })
        })
        .collect();
    let mut deploy = body(&[action("a")]);
    deploy["onEventScriptsByProvider"] =
        json!([{ "providerConfigKey": "keyed", "scripts": scripts }]);
    let answer = app.deploy_body(deploy).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    app
}

async fn import(app: &TestApp, key: &str) -> crate::app::Answer {
    let body = json!({
        "provider_config_key": "keyed",
        "connection_id": "alice",
        "credentials": { "type": "API_KEY", "apiKey": key },
    });
    app.post("/connections", body).await
}

/// What functions saw, in order.
type Seen = Arc<Mutex<Vec<String>>>;

/// Notes the key that each function finds on its connection; those in `throwing` throw then.
fn look(app: &TestApp, names: &'static [&'static str], throwing: &'static [&'static str]) -> Seen {
    let seen = Seen::default();
    for name in names {
        let noted = Arc::clone(&seen);
        app.functions.on(name, move |request, host| {
            let noted = Arc::clone(&noted);
            async move {
                let ask = HostCall::GetConnection {
                    provider_config_key: None,
                    connection_id: None,
                    force_refresh: false,
                    refresh_token: false,
                    refresh_github_app_jwt_token: false,
                };
                let key = match host.call(ask).await {
                    Ok(HostReply::Json(found)) => found["credentials"]["apiKey"].clone(),
                    other => panic!("{other:?}"),
                };
                let name = request.context.function.as_str();
                let line = format!("{name} {}", key.as_str().unwrap_or("no key"));
                noted.lock().unwrap().push(line);
                if throwing.contains(&name) {
                    return failed("action_script_runtime_error", &format!("{name} says no"));
                }
                succeeded(&json!(null))
            }
        });
    }
    seen
}

#[tokio::test]
async fn functions_before_a_deletion_still_have_the_credentials_and_stop_nothing() {
    let app = keyed(&[
        ("second", "pre-connection-deletion"),
        ("first", "pre-connection-deletion"),
    ])
    .await;
    let seen = look(&app, &["first", "second"], &["first", "second"]);
    assert_eq!(import(&app, "k1").await.status(), 201);
    let path = "/connections/alice?provider_config_key=keyed";
    let deleted = app.delete(path).await;
    assert_eq!(deleted.json(), json!({ "success": true }));
    let mut lines = seen.lock().unwrap().clone();
    lines.sort_unstable();
    assert_eq!(lines, ["first k1", "second k1"]);
    assert_eq!(app.get(path).await.status(), 404);
}

#[tokio::test]
async fn the_first_function_that_refuses_ends_the_validation() {
    let app = keyed(&[
        ("one", "validate-connection"),
        ("two", "validate-connection"),
        ("hello", "post-connection-creation"),
    ])
    .await;
    let seen = look(&app, &["one", "two", "hello"], &["one", "two"]);
    let refused = import(&app, "k1").await;
    assert_eq!(refused.refusal(), "400 connection_validation_failed");
    let asked = seen.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let name = asked[0].split(' ').next().unwrap_or_default();
    assert_eq!(
        refused.json()["error"]["message"],
        format!("{name} says no")
    );
    app.run_until_idle().await;
    assert_eq!(seen.lock().unwrap().len(), 1, "nobody is greeted");
    let list = app.get("/connections").await.json();
    assert_eq!(list["connections"], json!([]));
    assert_eq!(app.webhooks("auth").await.len(), 0);
}

#[tokio::test]
async fn a_refused_reconnection_keeps_the_connection_and_tells_the_app() {
    let app = keyed(&[("check", "validate-connection")]).await;
    look(&app, &["check"], &[]);
    assert_eq!(import(&app, "k1").await.status(), 201);
    look(&app, &["check"], &["check"]);
    let refused = import(&app, "k2").await;
    assert_eq!(refused.refusal(), "400 connection_validation_failed");
    let list = app.get("/connections").await.json();
    assert_eq!(list["connections"][0]["connection_id"], "alice");
    assert_eq!(list["connections"][0]["errors"][0]["type"], "auth");
    let told = app.webhooks("auth").await;
    let last = told.last().unwrap();
    assert_eq!(last["success"], false);
    assert_eq!(last["operation"], "override");
    assert_eq!(last["error"]["type"], "connection_validation_failed");
}
