//! Records against the schemas of their models (fault 73), and runs that fail half-way (fault 76).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::function::{HostCall, RejectedRecord};

use crate::{
    TestApp,
    app::{failed, succeeded, sync},
    syncs::{record, save},
};

type Items = Arc<Mutex<Vec<(&'static str, Value)>>>;

const HOUR: Duration = Duration::from_secs(3_600);

/// The model of these tests: a title that is a text, and perhaps a date.
fn schema(title: &str) -> Value {
    json!({ "definitions": { "Item": {
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "title": { "type": title },
            "due": { "type": "string", "format": "date-time" },
        },
        "required": ["id", "title"],
        "additionalProperties": false,
    } } })
}

/// A connection and a sync of it that saves what the list holds; its environment validates in this way.
async fn app(mode: &str, items: &Items) -> TestApp {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let body = json!({"function_settings": {"record_validation": mode}});
    assert_eq!(app.patch("/environment", body).await.status(), 200);
    let items = Arc::clone(items);
    app.functions.on("items", move |request, host| {
        let items = items.lock().unwrap().clone();
        async move {
            save(&host, "Item", &items).await;
            if request.context.keeps_misfits {
                let rejected = HostCall::RejectRecords {
                    model: "Item".to_owned(),
                    records: vec![RejectedRecord {
                        id: Some("circular".to_owned()),
                        reason: "circular reference".to_owned(),
                    }],
                };
                host.call(rejected).await.unwrap();
            }
            succeeded(&json!(null))
        }
    });
    let flow = sync("items").with("models_json_schema", schema("string"));
    app.deploy_flows(&[flow]).await;
    app.run_until_idle().await;
    app
}

fn items() -> Items {
    Arc::new(Mutex::new(vec![
        ("good", json!({"title": "t", "due": "2026-01-01T00:00:00Z"})),
        ("number", json!({"title": 7})),
        ("missing", json!({})),
        ("date", json!({"title": "t", "due": null})),
        ("extra", json!({"title": "t", "more": 1})),
        ("last", json!({"title": "u"})),
    ]))
}

async fn ids(app: &TestApp) -> Vec<String> {
    let request = app.request("GET", "/records?model=Item");
    let request = request.header("provider-config-key", "crm");
    let answer = request.header("connection-id", "alice").send().await;
    let list = answer.json()["records"].as_array().cloned();
    let live = list.unwrap_or_default().into_iter();
    let live = live.filter(|one| one["_nango_metadata"]["deleted_at"].is_null());
    let mut ids: Vec<String> = live
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

/// `record_id` and the first reason of what is kept aside.
async fn quarantined(app: &TestApp) -> Vec<(String, String)> {
    let answer = app.get("/quarantine").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let mut list: Vec<(String, String)> = answer.json()["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let reason = &one["reasons"][0];
            (
                one["record_id"].as_str().unwrap().to_owned(),
                format!(
                    "{} {}",
                    reason["path"].as_str().unwrap(),
                    reason["reason"].as_str().unwrap()
                ),
            )
        })
        .collect();
    list.sort_unstable();
    list
}

#[tokio::test]
async fn records_that_do_not_fit_are_saved_unless_they_are_to_be_kept_aside() {
    for mode in ["off", "warn"] {
        let app = app(mode, &items()).await;
        assert_eq!(ids(&app).await.len(), 6, "{mode}");
        assert_eq!(quarantined(&app).await, []);
    }
}

#[tokio::test]
async fn faults_73_poison_records_are_kept_aside_and_the_rest_is_saved() {
    let app = app("quarantine", &items()).await;
    assert_eq!(ids(&app).await, ["good", "last"]);
    let pair = |id: &str, reason: &str| (id.to_owned(), reason.to_owned());
    assert_eq!(
        quarantined(&app).await,
        [
            pair("circular", "/ circular reference"),
            pair("date", "/due must be a string"),
            pair("extra", "/more is not allowed"),
            pair("missing", "/ must have `title`"),
            pair("number", "/title must be a string"),
        ]
    );
    // The sync went on and is announced as a success, with what it saved.
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks[0]["success"], true);
    assert_eq!(webhooks[0]["responseResults"]["added"], 2);
    let one = app.get("/quarantine?model=Item&connection_id=alice&provider_config_key=crm&limit=1");
    let page = one.await.json();
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/quarantine?cursor={next}")).await.json();
    assert_eq!(rest["records"].as_array().unwrap().len(), 4);
    assert_eq!(
        app.get("/quarantine?model=Other").await.json()["records"],
        json!([])
    );
    let number = rest["records"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["record_id"] == "number");
    assert_eq!(number.unwrap()["record"], json!({"title": 7}));

    // Another run keeps the same ones aside, once each.
    app.pass(HOUR).await;
    assert_eq!(quarantined(&app).await.len(), 5);
}

#[tokio::test]
async fn faults_73_records_leave_the_quarantine_once_they_fit() {
    let list = items();
    let app = app("quarantine", &list).await;
    // The schema is mended: titles may be numbers. Nothing happens by itself.
    let flow = sync("items")
        .with("models_json_schema", schema("number"))
        .code("// mended");
    app.deploy_flows(&[flow]).await;
    list.lock().unwrap().clear();
    assert_eq!(quarantined(&app).await.len(), 5);
    let answer = app
        .post("/quarantine/retry", json!({"model": "Item"}))
        .await;
    assert_eq!(
        answer.json(),
        json!({"retried": 4}),
        "what was never JSON is not tried"
    );
    app.run_until_idle().await;
    assert_eq!(ids(&app).await, ["good", "last", "number"]);
    let left: Vec<String> = quarantined(&app)
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(left, ["circular", "date", "extra", "missing"]);
    let announced = app.webhooks("sync").await;
    assert_eq!(announced.last().unwrap()["responseResults"]["added"], 1);

    // The provider mends one: saving it takes it out, too.
    *list.lock().unwrap() = vec![("missing", json!({"title": 1}))];
    app.pass(HOUR).await;
    let left: Vec<String> = quarantined(&app)
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(left, ["circular", "date", "extra"]);
    let page = app.get("/quarantine?limit=1").await.json();
    let id = page["records"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/quarantine/{id}");
    assert_eq!(app.request("DELETE", &path).send().await.status(), 200);
    assert_eq!(app.request("DELETE", &path).send().await.status(), 404);
    assert_eq!(quarantined(&app).await.len(), 2);
    for body in [json!({"id": "x"}), json!({"x": 1})] {
        assert_eq!(app.post("/quarantine/retry", body).await.status(), 400);
    }
}

#[tokio::test]
async fn faults_73_a_record_in_quarantine_does_not_count_as_gone() {
    let list: Items = Arc::new(Mutex::new(vec![
        ("a", json!({"title": "t"})),
        ("b", json!({"title": "t"})),
        ("c", json!({"title": "t"})),
    ]));
    let app = app("quarantine", &list).await;
    let flow = sync("items")
        .with("models_json_schema", schema("string"))
        .with("track_deletes", json!(true));
    app.deploy_flows(&[flow]).await;
    app.pass(HOUR).await;
    assert_eq!(ids(&app).await, ["a", "b", "c"]);
    // One is broken, one is gone.
    *list.lock().unwrap() = vec![("a", json!({"title": "t"})), ("b", json!({"title": 1}))];
    app.pass(HOUR).await;
    assert_eq!(ids(&app).await, ["a", "b"]);
}

#[tokio::test]
async fn faults_73_a_quarantine_that_is_full_fails_the_run_instead_of_losing_records() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let body = json!({"function_settings": {"record_validation": "quarantine"}});
    app.patch("/environment", body).await;
    app.functions.on("items", |_, host| async move {
        for batch in 0..11 {
            let records = (0..1_000)
                .map(|number| record(&format!("{batch}-{number}"), &json!({"title": 1})))
                .collect();
            let call = HostCall::BatchSave {
                model: "Item".to_owned(),
                records,
            };
            if let Err(error) = host.call(call).await {
                return failed(
                    "script_internal_error",
                    &format!("{batch}: {}", error.message),
                );
            }
        }
        succeeded(&json!(null))
    });
    let flow = sync("items").with("models_json_schema", schema("string"));
    app.deploy_flows(&[flow]).await;
    app.run_until_idle().await;
    let webhooks = app.webhooks("sync").await;
    let error = webhooks[0]["error"]["description"]
        .as_str()
        .unwrap_or_default();
    assert!(
        error.contains("10: ") && error.contains("quarantine"),
        "{}",
        webhooks[0]
    );
}

#[tokio::test]
async fn faults_76_a_run_that_fails_half_way_deletes_nothing() {
    let broken = Arc::new(Mutex::new(false));
    for tracked_by_function in [true, false] {
        *broken.lock().unwrap() = false;
        let app = TestApp::start().await;
        app.connection("crm", "alice").await;
        let seen = Arc::clone(&broken);
        app.functions.on("items", move |_, host| {
            let broken = *seen.lock().unwrap();
            async move {
                let model = || "Item".to_owned();
                if tracked_by_function {
                    host.call(HostCall::TrackDeletesStart { model: model() })
                        .await
                        .unwrap();
                }
                let all = [("1", json!({})), ("2", json!({})), ("3", json!({}))];
                save(&host, "Item", &all[..if broken { 1 } else { 3 }]).await;
                if broken {
                    return failed("script_http_error", "the second page could not be fetched");
                }
                if tracked_by_function {
                    host.call(HostCall::TrackDeletesEnd { model: model() })
                        .await
                        .unwrap();
                }
                succeeded(&json!(null))
            }
        });
        let flow = sync("items").with("track_deletes", json!(!tracked_by_function));
        app.deploy_flows(&[flow]).await;
        app.run_until_idle().await;
        assert_eq!(ids(&app).await, ["1", "2", "3"]);
        *broken.lock().unwrap() = true;
        app.pass(HOUR).await;
        assert_eq!(ids(&app).await, ["1", "2", "3"], "nothing is deleted");
        *broken.lock().unwrap() = false;
        app.pass(HOUR).await;
        assert_eq!(ids(&app).await, ["1", "2", "3"]);
        let deleted = app.webhooks("sync").await;
        assert!(
            deleted
                .iter()
                .all(|webhook| webhook["responseResults"]["deleted"] != 1)
        );
    }
}
