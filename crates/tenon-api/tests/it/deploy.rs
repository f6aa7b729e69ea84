//! Deploys.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    TestApp,
    app::{Flow, action, flows::body, succeeded, sync},
};

const EMPTY_PLAN: [&str; 10] = [
    "newSyncs",
    "updatedSyncs",
    "newActions",
    "updatedActions",
    "deletedSyncs",
    "deletedActions",
    "deletedModels",
    "newOnEventScripts",
    "updatedOnEventScripts",
    "deletedOnEventScripts",
];

/// The members of a plan that are not empty.
async fn plan(app: &TestApp, body: Value) -> Value {
    let answer = app.post("/sync/deploy/confirmation", body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let plan = answer.json();
    let members = plan.as_object().unwrap();
    for name in EMPTY_PLAN {
        assert!(members.contains_key(name), "{name} is missing");
    }
    members
        .iter()
        .filter(|(_, list)| !list.as_array().unwrap().is_empty())
        .map(|(name, list)| (name.clone(), list.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn events(events: &[(&str, &str)]) -> Value {
    let scripts: Vec<Value> = events
        .iter()
        .map(|(name, event)| {
            json!({ "name": name, "event": event, "fileBody": { "js": format!("// {name}"), "ts": "//" } })
        })
        .collect();
    json!([{ "providerConfigKey": "crm", "scripts": scripts }])
}

#[tokio::test]
async fn a_plan_tells_what_a_deploy_then_does() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let mut first = body(&[sync("items"), action("close")]);
    first["onEventScriptsByProvider"] = events(&[("hello", "post-connection-creation")]);
    let item = json!({ "name": "items", "providerConfigKey": "crm", "connections": 1, "auto_start": true });
    let close = json!({ "name": "close", "providerConfigKey": "crm" });
    let hello =
        json!({ "name": "hello", "providerConfigKey": "crm", "event": "post-connection-creation" });
    assert_eq!(
        plan(&app, first.clone()).await,
        json!({ "newSyncs": [item], "newActions": [close], "newOnEventScripts": [hello] })
    );
    let deployed = app.deploy_body(first.clone()).await.json();
    assert_eq!(
        deployed,
        json!([
            { "name": "items", "models": ["Item"], "version": "1", "providerConfigKey": "crm", "type": "sync" },
            { "name": "close", "models": ["Out"], "version": "1", "providerConfigKey": "crm", "type": "action" },
            { "name": "hello", "models": [], "version": "0.0.1", "providerConfigKey": "crm", "type": "on-event" },
        ])
    );
    assert_eq!(
        plan(&app, first).await,
        json!({ "updatedSyncs": [item], "updatedActions": [close], "updatedOnEventScripts": [hello] })
    );

    let mut second = body(&[sync("items").models(&["Other"])]);
    second["onEventScriptsByProvider"] = json!([]);
    assert_eq!(
        plan(&app, second.clone()).await,
        json!({
            "updatedSyncs": [item],
            "deletedActions": [close],
            "deletedModels": ["Item"],
            "deletedOnEventScripts": [hello],
        })
    );
    assert_eq!(app.deploy_body(second.clone()).await.status(), 200);
    assert_eq!(plan(&app, second).await, json!({ "updatedSyncs": [item] }));
}

#[tokio::test]
async fn the_mode_says_what_is_deleted() {
    let app = TestApp::start().await;
    app.integration("other", "none").await;
    let elsewhere = action("far").with("providerConfigKey", json!("other"));
    let all = [action("a"), action("b"), elsewhere.clone()];
    let with_mode = |flows: &[Flow], mode: &str| {
        let mut body = body(flows);
        body["deployMode"] = json!(mode);
        body
    };
    let deleted = async |flows: &[Flow], mode: &str| -> Vec<String> {
        let plan = plan(&app, with_mode(flows, mode)).await;
        let list = plan["deletedActions"].as_array().cloned();
        let list = list.unwrap_or_default();
        list.iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    app.deploy_flows(&[]).await;
    app.deploy_body(with_mode(&all, "all")).await;
    assert_eq!(deleted(&[action("a")], "all").await, ["b", "far"]);
    assert_eq!(deleted(&[action("a")], "integration").await, ["b"]);
    assert_eq!(deleted(&[elsewhere], "integration").await, [""; 0]);
    assert_eq!(deleted(&[action("a")], "single").await, [""; 0]);
    assert_eq!(deleted(&[], "all").await, [""; 0]);
}

#[tokio::test]
async fn versions_are_counted_where_none_is_given() {
    let app = TestApp::start().await;
    let version = async |flow: Flow| app.deploy_flows(&[flow]).await[0]["version"].clone();
    assert_eq!(version(action("a")).await, "1");
    assert_eq!(version(action("a")).await, "1");
    assert_eq!(version(action("a").code("// two")).await, "2");
    let given = action("a").code("// three").with("version", json!("1.4.9"));
    assert_eq!(version(given).await, "1.4.9");
    assert_eq!(version(action("a").code("// four")).await, "1.4.10");
    assert_eq!(
        version(action("a").code("// four").with("version", json!("one"))).await,
        "one"
    );
}

#[tokio::test]
async fn bad_deploys_are_refused_by_both_endpoints() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    let one = |flow: Flow| body(&[flow]);
    let mut bad_sdk = one(action("a"));
    bad_sdk["sdkVersion"] = json!("x");
    let mut bad_mode = one(action("a"));
    bad_mode["deployMode"] = json!("some");
    let no_definition = action("a").with("models_json_schema", json!({ "definitions": {} }));
    let cases = [
        (
            one(action("a").without("fileBody")),
            "400 invalid_body | invalid_type flowConfigs.0.fileBody",
        ),
        (
            one(action("a").with("nope", json!(1))),
            "400 invalid_body | unrecognized_keys flowConfigs.0",
        ),
        (
            one(action("a").with("type", json!("function"))),
            "400 invalid_body | invalid_value flowConfigs.0.type",
        ),
        (
            one(sync("a").with("runs", json!("sometimes"))),
            "400 invalid_body | invalid_union flowConfigs.0.runs",
        ),
        (
            one(sync("a").with("runs", json!("every 1 second"))),
            "400 invalid_body | custom flowConfigs.0.runs",
        ),
        (
            one(sync("a").with("runs", json!("every minute"))),
            "400 invalid_body | custom flowConfigs.0.runs",
        ),
        (
            body(&[action("a"), action("a")]),
            "400 invalid_body | custom flowConfigs.1.syncName",
        ),
        (
            one(action("a b/c")),
            "400 invalid_body | invalid_format flowConfigs.0.syncName",
        ),
        (bad_sdk, "400 invalid_body | invalid_format sdkVersion"),
        (bad_mode, "400 invalid_body | invalid_value deployMode"),
        (
            one(no_definition),
            "400 invalid_body | custom flowConfigs.0.models_json_schema",
        ),
    ];
    for (body, refusal) in cases {
        for path in ["/sync/deploy", "/sync/deploy/confirmation"] {
            let answer = app.post(path, body.clone()).await;
            assert_eq!(answer.refusal(), refusal, "{path}: {}", answer.text());
        }
    }
    let empty = app.deploy_body(json!({})).await;
    assert_eq!(
        empty.refusal(),
        "400 invalid_body | invalid_type flowConfigs | invalid_type reconcile | invalid_type debug | invalid_type nangoYamlBody"
    );
    let query = app.post("/sync/deploy?x=1", body(&[])).await;
    assert_eq!(
        query.refusal(),
        "400 invalid_query_params | unrecognized_keys"
    );
    let old = app.request("POST", "/sync/deploy").json(&body(&[]));
    let old = old.header("user-agent", "nango-cli/0.30.0 (linux; node.js/20)");
    assert_eq!(old.send().await.refusal(), "400 invalid_cli_version");
    assert_eq!(app.get("/scripts/config").await.json(), json!([]));
}

#[tokio::test]
async fn an_integration_that_is_missing_is_named() {
    let app = TestApp::start().await;
    let flow = action("a").with("providerConfigKey", json!("nope"));
    let answer = app.deploy_body(body(&[action("b"), flow.clone()])).await;
    assert_eq!(answer.refusal(), "400 unknown_provider_config");
    app.integration("crm", "none").await;
    let answer = app.deploy_body(body(&[action("b"), flow.clone()])).await;
    assert_eq!(
        answer.json()["error"]["payload"],
        json!({ "providerConfigKey": "nope" })
    );
    // Nothing of it was taken.
    assert_eq!(app.get("/scripts/config").await.json(), json!([]));
    // The confirmation only tells what would be new, as in the reference.
    let plan = plan(&app, body(&[flow])).await;
    assert_eq!(
        plan,
        json!({ "newActions": [{ "name": "a", "providerConfigKey": "nope" }] })
    );
}

#[tokio::test]
async fn code_that_reaches_for_constructors_is_refused() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    let flow = action("a").code("exports.default = () => [].constructor('return this')()");
    let answer = app.deploy_body(body(&[flow])).await;
    assert_eq!(answer.refusal(), "400 deploy_script_security_rejected");
    assert_eq!(app.get("/scripts/config").await.json(), json!([]));
}

#[tokio::test]
async fn a_new_sync_starts_for_the_connections_that_are_there() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.connection("crm", "bob").await;
    for name in ["items", "later"] {
        app.functions
            .on(name, |_, _| async { succeeded(&json!(null)) });
    }
    app.deploy_flows(&[
        sync("items"),
        sync("later").with("auto_start", json!(false)),
    ])
    .await;
    app.run_until_idle().await;
    for connection in ["alice", "bob"] {
        let items = app.sync_status("items", connection).await;
        assert_eq!(items["status"], "SUCCESS");
        assert_eq!(items["nextScheduledSyncAt"], "2026-01-01T01:00:00.000Z");
        let later = app.sync_status("later", connection).await;
        assert_eq!(later["status"], "PAUSED");
        assert_eq!(later["nextScheduledSyncAt"], json!(null));
        assert_eq!(later.get("latestResult"), None);
    }
}

#[tokio::test]
async fn a_new_frequency_stays_on_the_grid() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.connection("crm", "bob").await;
    app.functions
        .on("items", |_, _| async { succeeded(&json!(null)) });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    let own = json!({
        "sync_name": "items",
        "provider_config_key": "crm",
        "connection_id": "bob",
        "frequency": "every 2 hours",
    });
    let put = app.request("PUT", "/sync/update-connection-frequency");
    assert_eq!(
        put.json(&own).send().await.json(),
        json!({ "frequency": "2 hours" })
    );
    app.clock.advance(Duration::from_secs(25 * 60));
    app.deploy_flows(&[sync("items").with("runs", json!("every 10 minutes"))])
        .await;
    let alice = app.sync_status("items", "alice").await;
    assert_eq!(alice["nextScheduledSyncAt"], "2026-01-01T00:30:00.000Z");
    assert_eq!(alice["frequency"], "every 10 minutes");
    let bob = app.sync_status("items", "bob").await;
    assert_eq!(bob["nextScheduledSyncAt"], "2026-01-01T02:00:00.000Z");
    assert_eq!(bob["frequency"], "2 hours");
}

#[tokio::test]
async fn a_sync_that_is_gone_no_longer_runs() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions
        .on("items", |_, _| async { succeeded(&json!(null)) });
    app.deploy_flows(&[sync("items"), action("a")]).await;
    app.run_until_idle().await;
    app.deploy_flows(&[action("a")]).await;
    app.pass(Duration::from_secs(2 * 3_600)).await;
    let path = "/sync/status?syncs=*&provider_config_key=crm";
    assert_eq!(app.get(path).await.json(), json!({ "syncs": [] }));
    // Brought back it begins anew.
    app.deploy_flows(&[sync("items"), action("a")]).await;
    app.run_until_idle().await;
    let status = app.sync_status("items", "alice").await;
    assert_eq!(status["status"], "SUCCESS");
    assert_eq!(status["nextScheduledSyncAt"], "2026-01-01T03:00:00.000Z");
}

#[tokio::test]
async fn faults_78_of_two_deploys_at_once_one_is_told_to_wait() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    let (environment, now) = (app.environment.pk, app.engine.clock.now());
    let taken: Result<bool, tenon_store::StoreError> = app
        .engine
        .store
        .write(move |tx| async move {
            tx.take_deploy_lock(environment, "another", now, Duration::from_secs(60))
                .await
        })
        .await;
    assert!(taken.unwrap());
    let refused = app.deploy_body(body(&[action("a")])).await;
    assert_eq!(refused.refusal(), "409 concurrent_deployment");
    // The other one died: its lock runs out.
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(app.deploy_body(body(&[action("a")])).await.status(), 200);
    let (one, two) = tokio::join!(
        app.deploy_body(body(&[action("a").code("// 1")])),
        app.deploy_body(body(&[action("a").code("// 2")]))
    );
    let mut statuses = [one.status(), two.status()];
    statuses.sort_unstable();
    assert!(
        statuses == [200, 200] || statuses == [200, 409],
        "{statuses:?}"
    );
    assert_eq!(app.deploy_flows(&[action("a")]).await[0]["name"], "a");
}

#[tokio::test]
async fn the_command_line_is_answered() {
    let app = TestApp::start().await;
    let telemetry = json!({
        "deviceId": "0b8a3cfa-2f1c-4d0e-9a53-6f0f5f1a2b3c",
        "event": "cli:deploy",
        "ephemeral": false,
    });
    let answer = app.anonymous("POST", "/cli/telemetry").json(&telemetry);
    assert_eq!(answer.send().await.status(), 204);
    let bad = json!({ "deviceId": "d", "event": "cli:deploy", "ephemeral": false });
    let answer = app.anonymous("POST", "/cli/telemetry").json(&bad);
    assert_eq!(
        answer.send().await.refusal(),
        "400 invalid_body | invalid_format deviceId"
    );
    let environments = app.get("/api/v1/environments").await.json();
    assert_eq!(environments["data"][0]["name"], "dev");
}
