//! Syncs: what runs, what is saved, what is announced.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value, json};
use tenon_core::function::{Host, HostCall, HostReply, RecordInput, RunOutcome};

use crate::{
    TestApp,
    app::{failed, succeeded, sync},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A record of the isolate: its id and its JSON without it.
pub(crate) fn record(id: &str, json: &Value) -> RecordInput {
    RecordInput {
        id: id.to_owned(),
        json: json.to_string().into(),
    }
}

/// `nango.batchSave`
pub(crate) async fn save(host: &Arc<dyn Host>, model: &str, records: &[(&str, Value)]) {
    let call = HostCall::BatchSave {
        model: model.to_owned(),
        records: records.iter().map(|(id, json)| record(id, json)).collect(),
    };
    host.call(call).await.expect("records are saved");
}

fn checkpoint(page: i64) -> HostCall {
    let mut checkpoint = Map::new();
    checkpoint.insert("page".to_owned(), json!(page));
    HostCall::SaveCheckpoint { checkpoint }
}

/// A connection and a sync `items` that saves what the list holds at the time.
async fn saving(items: &Arc<Mutex<Vec<(&'static str, Value)>>>) -> TestApp {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let items = Arc::clone(items);
    app.functions.on("items", move |_, host| {
        let items = items.lock().unwrap().clone();
        async move {
            save(&host, "Item", &items).await;
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    app
}

async fn ids(app: &TestApp) -> Vec<String> {
    let request = app.request("GET", "/records?model=Item");
    let request = request.header("provider-config-key", "crm");
    let answer = request.header("connection-id", "alice").send().await;
    let records = answer.json()["records"].as_array().cloned();
    let mut ids: Vec<String> = records
        .unwrap_or_default()
        .iter()
        .filter(|one| one["_nango_metadata"]["deleted_at"].is_null())
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn the_first_run_announces_what_it_saved() {
    let items = Arc::new(Mutex::new(vec![("1", json!({})), ("2", json!({}))]));
    let app = saving(&items).await;
    assert_eq!(ids(&app).await, ["1", "2"]);
    let webhooks = app.webhooks("sync").await;
    assert_eq!(
        webhooks,
        [json!({
            "connectionId": "alice",
            "from": "nango",
            "model": "Item",
            "modifiedAfter": "2026-01-01T00:00:00.000Z",
            "providerConfigKey": "crm",
            "queryTimeStamp": "2026-01-01T00:00:00.000Z",
            "responseResults": { "added": 2, "deleted": 0, "updated": 0 },
            "success": true,
            "syncName": "items",
            "syncType": "INITIAL",
            "syncVariant": "base",
            "type": "sync",
        })]
    );
    let status = app.sync_status("items", "alice").await;
    let mut expected = json!({
        "connection_id": "alice",
        "type": "INITIAL",
        "finishedAt": "2026-01-01T00:00:00.000Z",
        "nextScheduledSyncAt": "2026-01-01T01:00:00.000Z",
        "name": "items",
        "variant": "base",
        "status": "SUCCESS",
        "frequency": "every hour",
        "latestResult": { "Item": { "added": 2, "updated": 0, "deleted": 0 } },
        "latestExecutionStatus": "SUCCESS",
        "recordCount": { "Item": 2 },
        "checkpoint": null,
    });
    expected["id"] = status["id"].clone();
    assert_eq!(status, expected);
}

#[tokio::test]
async fn unchanged_data_is_not_announced_again() {
    let items = Arc::new(Mutex::new(vec![("1", json!({ "a": 1 }))]));
    let app = saving(&items).await;
    app.pass(HOUR).await;
    assert_eq!(app.webhooks("sync").await.len(), 1);
    items.lock().unwrap()[0].1 = json!({ "a": 2 });
    app.pass(HOUR).await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 2);
    assert_eq!(
        webhooks[1]["responseResults"],
        json!({ "added": 0, "deleted": 0, "updated": 1 })
    );
    assert_eq!(webhooks[1]["syncType"], "INCREMENTAL");
    assert_eq!(webhooks[1]["modifiedAfter"], "2026-01-01T02:00:00.000Z");
    // Who wants to hear of every run does.
    let wanted = json!({ "webhook_settings": { "on_sync_completion_always": true } });
    app.patch("/environment", wanted).await;
    app.pass(HOUR).await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 3);
    assert_eq!(
        webhooks[2]["responseResults"],
        json!({ "added": 0, "deleted": 0, "updated": 0 })
    );
}

#[tokio::test]
async fn what_a_failed_run_saved_is_announced_by_the_next_success() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    app.functions.on("items", move |_, host| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move {
            if run == 0 {
                save(&host, "Item", &[("1", json!({}))]).await;
                return failed("script_internal_error", "it broke");
            }
            save(&host, "Item", &[("1", json!({})), ("2", json!({}))]).await;
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(
        webhooks[0],
        json!({
            "connectionId": "alice",
            "error": {
                "description": "it broke",
                "payload": { "message": "it broke" },
                "type": "script_error",
            },
            "failedAt": "2026-01-01T00:00:00.000Z",
            "from": "nango",
            "model": "Item",
            "providerConfigKey": "crm",
            "startedAt": "2026-01-01T00:00:00.000Z",
            "success": false,
            "syncName": "items",
            "syncType": "INITIAL",
            "syncVariant": "base",
            "type": "sync",
        })
    );
    let status = app.sync_status("items", "alice").await;
    assert_eq!(status["status"], "ERROR");
    assert_eq!(status["latestExecutionStatus"], "STOPPED");
    assert_eq!(
        status["latestResult"],
        json!({ "Item": { "added": 1, "updated": 0, "deleted": 0 } })
    );
    let path = "/connections/alice?provider_config_key=crm";
    assert_eq!(app.get(path).await.json()["errors"][0]["type"], "sync");

    app.pass(HOUR).await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 2);
    assert_eq!(
        webhooks[1]["responseResults"],
        json!({ "added": 2, "deleted": 0, "updated": 0 })
    );
    // A reader that starts from here misses nothing of the failed run.
    assert_eq!(webhooks[1]["modifiedAfter"], "2026-01-01T00:00:00.000Z");
    assert_eq!(app.get(path).await.json()["errors"], json!([]));
}

#[tokio::test]
async fn failures_are_quiet_where_nobody_wants_to_know() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions.on("items", |_, _| async {
        failed("script_internal_error", "it broke")
    });
    let unwanted = json!({ "webhook_settings": { "on_sync_error": false } });
    app.patch("/environment", unwanted).await;
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    assert_eq!(app.sync_status("items", "alice").await["status"], "ERROR");
    assert_eq!(app.webhooks("sync").await.len(), 0);
}

#[tokio::test]
async fn a_paused_sync_runs_only_when_told() {
    let items = Arc::new(Mutex::new(vec![("1", json!({}))]));
    let app = saving(&items).await;
    let paused = app.command("pause", json!(["items"])).await;
    assert_eq!(paused.json(), json!({ "success": true }));
    items.lock().unwrap().push(("2", json!({})));
    app.pass(3 * HOUR).await;
    assert_eq!(ids(&app).await, ["1"]);
    let triggered = app.command("trigger", json!(["items"])).await;
    assert_eq!(triggered.json(), json!({ "success": true }));
    app.run_until_idle().await;
    assert_eq!(ids(&app).await, ["1", "2"]);
    assert_eq!(app.sync_status("items", "alice").await["status"], "PAUSED");
    items.lock().unwrap().push(("3", json!({})));
    app.command("start", json!([])).await;
    app.run_until_idle().await;
    // On the grid again: not now.
    assert_eq!(ids(&app).await, ["1", "2"]);
    app.pass(HOUR).await;
    assert_eq!(ids(&app).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn pausing_stops_the_run_and_its_writes() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let refused: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&refused);
    app.functions.on("items", move |request, host| {
        let noted = Arc::clone(&noted);
        async move {
            save(&host, "Item", &[("1", json!({}))]).await;
            request.cancel.raised().await;
            let late = HostCall::BatchSave {
                model: "Item".to_owned(),
                records: vec![record("2", &json!({}))],
            };
            let error = host.call(late).await.expect_err("the lease is void");
            noted.lock().unwrap().push(error.code.clone());
            failed("script_aborted", "aborted")
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    let loops = app.loops();
    while ids(&app).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.sync_status("items", "alice").await["status"], "RUNNING");
    app.command("pause", json!(["items"])).await;
    while refused.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
    assert_eq!(*refused.lock().unwrap(), ["script_aborted"]);
    assert_eq!(ids(&app).await, ["1"]);
    let status = app.sync_status("items", "alice").await;
    assert_eq!(status["status"], "PAUSED");
    assert_eq!(status["latestExecutionStatus"], "STOPPED");
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0]["success"], false);
    assert_eq!(webhooks[0]["model"], "");
}

#[tokio::test]
async fn a_trigger_during_a_run_changes_nothing() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(tokio::sync::Notify::new());
    let (counted, gate) = (Arc::clone(&runs), Arc::clone(&go));
    app.functions.on("items", move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    let loops = app.loops();
    while runs.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let triggered = app.command("trigger", json!(["items"])).await;
    assert_eq!(triggered.json(), json!({ "success": true }));
    go.notify_one();
    loops.stop().await;
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_begins_anew_and_an_empty_cache_announces_all() {
    let seen: Arc<Mutex<Vec<(bool, Value)>>> = Arc::default();
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let noted = Arc::clone(&seen);
    app.functions.on("items", move |request, host| {
        let noted = Arc::clone(&noted);
        async move {
            let before = match host.call(HostCall::GetCheckpoint).await {
                Ok(HostReply::Json(checkpoint)) => checkpoint,
                other => panic!("{other:?}"),
            };
            let first = request.context.last_sync_date.is_none();
            noted.lock().unwrap().push((first, before));
            save(&host, "Item", &[("1", json!({}))]).await;
            host.call(checkpoint(7)).await.unwrap();
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    app.command("trigger", json!(["items"])).await;
    app.run_until_idle().await;
    let trigger = async |extra: Value| {
        let mut body = json!({
            "syncs": [{ "name": "items" }],
            "provider_config_key": "crm",
            "connection_id": "alice",
        });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        assert_eq!(app.post("/sync/trigger", body).await.status(), 200);
        app.run_until_idle().await;
    };
    let page = json!({ "page": 7 });
    assert_eq!(
        *seen.lock().unwrap(),
        [(true, json!(null)), (false, page.clone())]
    );
    assert_eq!(app.sync_status("items", "alice").await["checkpoint"], page);
    trigger(json!({ "opts": { "reset": true } })).await;
    assert_eq!(seen.lock().unwrap()[2], (true, json!(null)));
    assert_eq!(app.webhooks("sync").await.len(), 1);
    // Without a reset the cache stays.
    trigger(json!({ "opts": { "emptyCache": true } })).await;
    assert_eq!(seen.lock().unwrap()[3], (false, page));
    assert_eq!(app.webhooks("sync").await.len(), 1);
    trigger(json!({ "opts": { "reset": true, "emptyCache": true } })).await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 2);
    assert_eq!(webhooks[1]["responseResults"]["added"], 1);
    trigger(json!({ "sync_mode": "full_refresh_and_clear_cache" })).await;
    assert_eq!(app.webhooks("sync").await.len(), 3);
}

#[tokio::test]
async fn an_interrupted_run_goes_on_at_once() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let pages: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = Arc::clone(&pages);
    app.functions.on("items", move |_, host| {
        let noted = Arc::clone(&noted);
        async move {
            let at = match host.call(HostCall::GetCheckpoint).await {
                Ok(HostReply::Json(checkpoint)) => checkpoint["page"].as_i64().unwrap_or(0),
                other => panic!("{other:?}"),
            };
            noted.lock().unwrap().push(at);
            if at == 2 {
                return succeeded(&json!(null));
            }
            host.call(checkpoint(at + 1)).await.unwrap();
            failed("execution_interrupted", "enough for now")
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    assert_eq!(*pages.lock().unwrap(), [0, 1, 2]);
    assert_eq!(app.sync_status("items", "alice").await["status"], "SUCCESS");
    // Nothing was finished before the last of them.
    app.pass(HOUR).await;
    assert_eq!(*pages.lock().unwrap(), [0, 1, 2, 2]);
}

#[tokio::test]
async fn faults_75_a_checkpoint_that_never_moves_is_a_failure() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    app.functions.on("items", move |_, host| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            host.call(HostCall::GetCheckpoint).await.unwrap();
            host.call(checkpoint(1)).await.unwrap();
            failed("execution_interrupted", "enough for now")
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    assert_eq!(app.sync_status("items", "alice").await["status"], "ERROR");
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0]["success"], false);
}

#[tokio::test]
async fn faults_76_deletions_are_detected_only_by_runs_that_saw_everything() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    app.functions.on("items", move |_, host| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move {
            let all = [("1", json!({})), ("2", json!({}))];
            let count = if run == 0 { 2 } else { 1 };
            save(&host, "Item", &all[..count]).await;
            if run == 1 {
                return failed("script_http_error", "the second page did not come");
            }
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items").with("track_deletes", json!(true))])
        .await;
    app.run_until_idle().await;
    app.pass(HOUR).await;
    assert_eq!(ids(&app).await, ["1", "2"]);
    app.pass(HOUR).await;
    assert_eq!(ids(&app).await, ["1"]);
    let webhooks = app.webhooks("sync").await;
    let last = webhooks.last().unwrap();
    assert_eq!(last["responseResults"]["deleted"], 1);
}

#[tokio::test]
async fn faults_77_a_run_finishes_on_the_version_it_began_with() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let go = Arc::new(tokio::sync::Notify::new());
    let hashes: Arc<Mutex<Vec<String>>> = Arc::default();
    let (gate, noted) = (Arc::clone(&go), Arc::clone(&hashes));
    app.functions.on("items", move |request, host| {
        let (gate, noted) = (Arc::clone(&gate), Arc::clone(&noted));
        async move {
            noted
                .lock()
                .unwrap()
                .push(request.bundle.javascript.to_string());
            if request.context.models.iter().any(|model| model == "Old") {
                save(&host, "Old", &[("1", json!({}))]).await;
                gate.notified().await;
                save(&host, "Old", &[("2", json!({}))]).await;
            }
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items").models(&["Item", "Old"])])
        .await;
    let loops = app.loops();
    while hashes.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    app.deploy_flows(&[sync("items").code("// new")]).await;
    go.notify_one();
    while app.webhooks("sync").await.is_empty() {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks[0]["model"], "Old");
    assert_eq!(webhooks[0]["responseResults"]["added"], 2);
    app.pass(HOUR).await;
    assert_eq!(*hashes.lock().unwrap(), ["// items", "// new"]);
}

#[tokio::test]
async fn faults_77_records_of_a_removed_model_and_of_older_ids_stay_until_they_are_removed() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions.on("items", |request, host| async move {
        let by_number = request.bundle.javascript.contains("number");
        let id = if by_number { "7" } else { "uuid-7" };
        save(&host, "Item", &[(id, json!({ "name": "seven" }))]).await;
        if request.context.models.iter().any(|model| model == "Old") {
            save(&host, "Old", &[("1", json!({}))]).await;
        }
        succeeded(&json!(null))
    });
    let first = sync("items").models(&["Item", "Old"]).code("// number");
    app.deploy_flows(&[first]).await;
    app.run_until_idle().await;
    assert_eq!(ids(&app).await, ["7"]);

    // The plan names the model that goes; its records stay readable.
    let second = sync("items").code("// uuid");
    let mut plan = crate::app::flows::body(std::slice::from_ref(&second));
    plan["reconcile"] = json!(false);
    let plan = app.post("/sync/deploy/confirmation", plan).await.json();
    assert_eq!(plan["deletedModels"], json!(["Old"]));
    app.deploy_flows(&[second]).await;
    app.pass(HOUR).await;
    let old = app
        .request("GET", "/records?model=Old")
        .header("provider-config-key", "crm")
        .header("connection-id", "alice");
    let old = old.send().await.json();
    assert_eq!(old["records"].as_array().unwrap().len(), 1);

    // A record under another id is another record, until a reset with an empty cache removes what was under the old one.
    assert_eq!(ids(&app).await, ["7", "uuid-7"]);
    let reset = json!({
        "syncs": ["items"],
        "provider_config_key": "crm",
        "connection_id": "alice",
        "opts": { "reset": true, "emptyCache": true },
    });
    assert_eq!(app.post("/sync/trigger", reset).await.status(), 200);
    app.run_until_idle().await;
    assert_eq!(ids(&app).await, ["uuid-7"]);
}

#[tokio::test]
async fn frequencies_of_one_connection() {
    let items = Arc::default();
    let app = saving(&items).await;
    let set = async |frequency: Value| {
        let body = json!({
            "sync_name": "items",
            "provider_config_key": "crm",
            "connection_id": "alice",
            "frequency": frequency,
        });
        let request = app.request("PUT", "/sync/update-connection-frequency");
        request.json(&body).send().await
    };
    for (given, shown) in [
        ("every 2 hours", "2 hours"),
        ("90m", "90m"),
        ("every day", "1d"),
        ("every week", "1w"),
    ] {
        let answer = set(json!(given)).await;
        assert_eq!(answer.json(), json!({ "frequency": shown }));
    }
    let status = app.sync_status("items", "alice").await;
    assert_eq!(status["frequency"], "1w");
    assert_eq!(status["nextScheduledSyncAt"], "2026-01-08T00:00:00.000Z");
    let answer = set(json!(null)).await;
    assert_eq!(answer.json(), json!({ "frequency": "every hour" }));
    let status = app.sync_status("items", "alice").await;
    assert_eq!(status["nextScheduledSyncAt"], "2026-01-01T01:00:00.000Z");
    for bad in ["half hour", "every minute", "every 5 seconds"] {
        assert_eq!(set(json!(bad)).await.refusal(), "400 invalid_body");
    }
    assert_eq!(
        set(json!("often")).await.refusal(),
        "400 invalid_body | invalid_format frequency"
    );
}

#[tokio::test]
async fn variants_have_records_of_their_own() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions.on("items", |request, host| async move {
        let id = request.context.variant.clone();
        save(&host, "Item", &[(id.as_str(), json!({}))]).await;
        succeeded(&json!(null))
    });
    app.deploy_flows(&[sync("items")]).await;
    let owner = json!({ "provider_config_key": "crm", "connection_id": "alice" });
    let path = "/sync/items/variant/v1";
    let created = app.post(path, owner.clone()).await.json();
    assert_eq!(created["name"], "items");
    assert_eq!(created["variant"], "v1");
    app.run_until_idle().await;
    assert_eq!(ids(&app).await, ["base"]);
    let request = app.request("GET", "/records?model=Item&variant=v1");
    let request = request.header("provider-config-key", "crm");
    let records = request.header("connection-id", "alice").send().await.json();
    assert_eq!(records["records"][0]["id"], "v1");
    let status = app.sync_status("items::v1", "alice").await;
    assert_eq!(status["variant"], "v1");
    assert_eq!(status["id"], created["id"]);

    let refusal = async |path: &str| app.post(path, owner.clone()).await.refusal();
    assert_eq!(refusal(path).await, "400 sync_variant_already_exists");
    assert_eq!(
        refusal("/sync/items/variant/Base").await,
        "400 invalid_variant"
    );
    assert_eq!(
        refusal("/sync/items/variant/a%20b").await,
        "400 invalid_uri_params | invalid_format variant"
    );
    assert_eq!(refusal("/sync/nope/variant/v1").await, "400 unknown_sync");
    let nobody = json!({ "provider_config_key": "crm", "connection_id": "nobody" });
    let unknown = app.post("/sync/items/variant/v2", nobody).await;
    assert_eq!(unknown.refusal(), "400 unknown_connection");

    let delete = async |path: &str| app.request("DELETE", path).json(&owner).send().await;
    assert_eq!(delete(path).await.json(), json!({ "success": true }));
    assert_eq!(delete(path).await.refusal(), "404 not_found");
    assert_eq!(
        delete("/sync/items/variant/base").await.refusal(),
        "400 invalid_variant"
    );
}

#[tokio::test]
async fn bad_commands_are_refused() {
    let items = Arc::default();
    let app = saving(&items).await;
    let key = "provider_config_key";
    let cases = [
        (
            json!({}),
            "400 invalid_body | invalid_type syncs | invalid_type provider_config_key",
        ),
        (
            json!({ "syncs": ["items"], key: "nope" }),
            "400 unknown_provider_config",
        ),
        (
            json!({ "syncs": ["nope"], key: "crm", "connection_id": "alice" }),
            "400 no_syncs_found",
        ),
        (
            json!({ "syncs": ["items::nope"], key: "crm" }),
            "400 no_syncs_found",
        ),
        (
            json!({ "syncs": ["items"], key: "crm", "connection_id": "nobody" }),
            "404 unknown_connection",
        ),
        (
            json!({ "syncs": "items", key: "crm" }),
            "400 invalid_body | invalid_type syncs",
        ),
        (
            json!({ "syncs": [], key: "crm", "x": 1 }),
            "400 invalid_body | unrecognized_keys",
        ),
    ];
    for (body, refusal) in cases {
        for command in ["start", "pause"] {
            let answer = app.post(&format!("/sync/{command}"), body.clone()).await;
            assert_eq!(answer.refusal(), refusal, "{command} {body}");
        }
    }
    let cases = [
        (
            json!({ "syncs": ["items"] }),
            "400 missing_provider_config_key",
        ),
        (
            json!({ "syncs": ["items"], key: "crm", "opts": { "reset": true }, "sync_mode": "incremental" }),
            "400 invalid_body",
        ),
        (
            json!({ "syncs": ["items"], key: "crm", "sync_mode": "nope" }),
            "400 invalid_body | invalid_value sync_mode",
        ),
    ];
    for (body, refusal) in cases {
        let answer = app.post("/sync/trigger", body.clone()).await;
        assert_eq!(answer.refusal(), refusal, "{body}");
    }
    let by_headers = app.request("POST", "/sync/trigger");
    let by_headers = by_headers.header("provider-config-key", "crm");
    let by_headers = by_headers.header("connection-id", "alice");
    let by_headers = by_headers.json(&json!({ "syncs": ["items"] }));
    assert_eq!(by_headers.send().await.json(), json!({ "success": true }));
    let status = async |query: &str| app.get(&format!("/sync/status?{query}")).await;
    assert_eq!(
        status("").await.refusal(),
        "400 invalid_query_params | invalid_type syncs | invalid_type provider_config_key"
    );
    for nothing in [
        "syncs=nope&provider_config_key=crm",
        "syncs=*&provider_config_key=nope",
        "syncs=&provider_config_key=crm",
    ] {
        assert_eq!(status(nothing).await.json(), json!({ "syncs": [] }));
    }
    let unknown = status("syncs=*&provider_config_key=crm&connection_id=nobody").await;
    assert_eq!(unknown.refusal(), "400 invalid_body");
}

/// FAULTS 19.
#[tokio::test]
async fn a_clock_that_jumps_brings_no_burst() {
    let runs = Arc::new(AtomicUsize::new(0));
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let counted = Arc::clone(&runs);
    app.functions.on("items", move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { succeeded(&json!(null)) }
    });
    app.deploy_flows(&[sync("items").with("runs", json!("every 30 seconds"))])
        .await;
    app.run_until_idle().await;
    let start = app.engine.clock.now();
    app.clock.jump(start.plus(24 * HOUR));
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    app.clock.jump(tenon_core::Timestamp::from_secs(0));
    app.run_until_idle().await;
    app.clock.jump(start.minus(HOUR));
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    app.clock
        .jump(start.plus(24 * HOUR + Duration::from_secs(31)));
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn records_of_a_deleted_connection_are_removed() {
    let items = Arc::new(Mutex::new(vec![("1", json!({})), ("2", json!({}))]));
    let app = saving(&items).await;
    let left = async || {
        let left = app.engine.reader().models_left_behind(10).await.unwrap();
        left.into_iter().map(|(_, model)| model).collect::<Vec<_>>()
    };
    assert_eq!(left().await, [""; 0]);
    let path = "/connections/alice?provider_config_key=crm";
    assert_eq!(app.delete(path).await.status(), 200);
    assert_eq!(left().await, ["Item"]);
    let loops = app.loops();
    app.settle().await;
    app.clock.advance(Duration::from_secs(61));
    app.settle().await;
    loops.stop().await;
    assert_eq!(left().await, [""; 0]);
}

#[tokio::test]
async fn a_function_that_is_no_outcome_of_ours_is_reported() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    app.functions.on("items", move |_, _| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if run < 2 {
                return RunOutcome::Crashed {
                    detail: "signal 11".to_owned(),
                };
            }
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    app.run_until_idle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(app.sync_status("items", "alice").await["status"], "SUCCESS");
    assert_eq!(app.webhooks("sync").await.len(), 0);
}
