//! Records, as apps read and prune them.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{
    function::RecordInput,
    names::{RunPk, SyncPk, TaskPk},
};
use tenon_engine::records::{self, Writer, WriterKeys};
use tenon_store::work::tasks::NewTask;

use crate::{
    TestApp,
    app::{Answer, Request},
};

/// A server with a connection and a run that writes to it.
struct World {
    app: TestApp,
    run: Writer,
}

impl World {
    async fn start() -> Self {
        let app = TestApp::start().await;
        app.connection("open", "alice").await;
        let reader = app.engine.reader();
        let environment = app.environment.pk;
        let found = reader.find_connection(environment, "open", "alice").await;
        let connection = found.unwrap().unwrap().pk;
        let now = app.engine.clock.now();
        let task = NewTask {
            pk: TaskPk(1),
            id: "task".to_owned(),
            environment,
            connection,
            schedule: None,
            kind: "sync",
            group_key: "sync".to_owned(),
            payload: Bytes::from_static(b"{}"),
            retry_max: 0,
            idempotency_key: None,
            operation: "operation".to_owned(),
            created_at: now,
            start_by: now.plus(Duration::from_secs(60)),
            begun_by: Some(("test".to_owned(), now.plus(Duration::from_secs(60)))),
        };
        let inserted = app
            .engine
            .store
            .write(move |tx| async move { tx.insert_task(&task).await });
        assert!(inserted.await.unwrap());
        let run = Writer::new(WriterKeys {
            environment,
            connection,
            sync: SyncPk(1),
            variant: "base".to_owned(),
            run: RunPk(1),
            task: TaskPk(1),
            fence: 1,
            checkpoint_key: "sync".to_owned(),
        });
        Self { app, run }
    }

    async fn save(&self, model: &str, rows: &[(&str, &str)]) {
        let saved = records::save(&self.app.engine, &self.run, model, inputs(rows)).await;
        assert_eq!(saved.unwrap().unchanged, 0);
    }

    async fn delete(&self, model: &str, id: &str) {
        let deleted = records::delete(&self.app.engine, &self.run, model, inputs(&[(id, "{}")]));
        assert_eq!(deleted.await.unwrap().counts.deleted, 1);
    }

    fn request(&self, method: &str, path: &str) -> Request {
        self.app
            .request(method, path)
            .header("connection-id", "alice")
            .header("provider-config-key", "open")
    }

    async fn get(&self, query: &str) -> Answer {
        self.request("GET", &format!("/records?{query}"))
            .send()
            .await
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        let answer = self.get(query).await;
        assert_eq!(answer.status(), 200, "{query}: {}", answer.text());
        let answer = answer.json();
        let ids = answer["records"].as_array().unwrap().iter();
        let mut ids: Vec<String> = ids
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    async fn prune(&self, body: Value) -> Answer {
        self.request("PATCH", "/records/prune")
            .json(&body)
            .send()
            .await
    }
}

fn inputs(rows: &[(&str, &str)]) -> Vec<RecordInput> {
    rows.iter()
        .map(|(id, json)| RecordInput {
            id: (*id).to_owned(),
            json: Bytes::copy_from_slice(json.as_bytes()),
        })
        .collect()
}

#[tokio::test]
async fn a_record_is_its_payload_between_id_and_metadata() {
    let world = World::start().await;
    let payload = r#"{"n":1.50,"nested":{"x":1,"y":[1,2]},"text":"é\n\"q\""}"#;
    world.save("Item", &[("3", payload)]).await;
    let answer = world.get("model=Item").await;
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    let record = &answer.json()["records"][0];
    let metadata = &record["_nango_metadata"];
    let expected = json!({
        "first_seen_at": "2026-01-01T00:00:00+00:00",
        "last_modified_at": "2026-01-01T00:00:00+00:00",
        "last_action": "ADDED",
        "deleted_at": null,
        "pruned_at": null,
        "cursor": metadata["cursor"],
    });
    assert_eq!(*metadata, expected);
    let start = format!(
        r#"{{"next_cursor":null,"records":[{{"id":"3",{}"#,
        &payload[1..payload.len() - 1]
    );
    assert!(answer.text().starts_with(&start), "{}", answer.text());
}

#[tokio::test]
async fn records_are_chosen_by_id_action_time_and_variant() {
    let world = World::start().await;
    world
        .save("Item", &[("a", "{}"), ("b", "{}"), ("gone", "{}")])
        .await;
    world.app.clock.advance(Duration::from_secs(60));
    world.save("Item", &[("b", r#"{"n":1}"#)]).await;
    world.delete("Item", "gone").await;
    let cases: [(&str, &[&str]); 14] = [
        ("model=Item", &["a", "b", "gone"]),
        ("model=Item&ids=a", &["a"]),
        ("model=Item&ids=a&ids=b&ids=none", &["a", "b"]),
        ("model=Item&ids[]=a&ids[]=b", &["a", "b"]),
        ("model=Item&filter=added", &["a"]),
        ("model=Item&filter=ADDED,Updated", &["a", "b"]),
        ("model=Item&filter=updated,deleted", &["b", "gone"]),
        (
            "model=Item&modified_after=2026-01-01T00:00:01.000Z",
            &["b", "gone"],
        ),
        ("model=Item&delta=2026-01-01T00:00:00Z", &["a", "b", "gone"]),
        (
            "model=Item&delta=2026-01-01T00:00:00Z&modified_after=2026-01-01T00:00:01Z",
            &["a", "b", "gone"],
        ),
        ("model=Item&variant=base&ids=a", &["a"]),
        ("model=Item&variant=none", &[]),
        ("model=Unknown", &[]),
        ("model=item", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(world.ids(query).await, expected, "{query}");
    }
    let slash = world.request("GET", "/records/?model=Item&ids=a");
    assert_eq!(slash.send().await.json()["records"][0]["id"], "a");
}

#[tokio::test]
async fn cursors_lead_from_page_to_page() {
    let world = World::start().await;
    let rows: Vec<String> = (0..10).map(|number| format!("r{number}")).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|id| (id.as_str(), "{}")).collect();
    world.save("Item", &rows).await;
    let first = world.get("model=Item&limit=4").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(*cursor, first["records"][3]["_nango_metadata"]["cursor"]);
    let encoded = cursor.replace('+', "%2B").replace('=', "%3D");
    let rest = world
        .get(&format!("model=Item&cursor={encoded}"))
        .await
        .json();
    assert_eq!(rest["records"].as_array().unwrap().len(), 6);
    assert!(rest["next_cursor"].is_null());
}

#[tokio::test]
async fn queries_are_checked() {
    let world = World::start().await;
    let many = (0..101).map(|id| format!("&ids={id}")).collect::<String>();
    let many = format!("model=Item{many}");
    let cases: [(&str, &[&str]); 16] = [
        ("", &["invalid_type model"]),
        ("model=1tem", &["invalid_format model"]),
        ("model=Item&limit=0", &["too_small limit"]),
        ("model=Item&limit=10001", &["too_big limit"]),
        ("model=Item&limit=x", &["invalid_type limit"]),
        ("model=Item&cursor=", &["too_small cursor"]),
        ("model=Item&cursor=%21%21", &["invalid_format cursor"]),
        (
            "model=Item&modified_after=yesterday",
            &["invalid_format modified_after", "custom modified_after"],
        ),
        (
            "model=Item&modified_after=2020-01-01T00:00:00Z",
            &["custom modified_after"],
        ),
        (
            "model=Item&modified_after=2030-01-01",
            &["invalid_format modified_after"],
        ),
        ("model=Item&filter=nope", &["invalid_value filter.0"]),
        ("model=Item&filter=added,", &["invalid_value filter.1"]),
        ("model=Item&variant=a%20b", &["invalid_format variant"]),
        ("model=Item&x=1", &["unrecognized_keys "]),
        ("model=Item&ids=", &["invalid_union ids"]),
        (&many, &["invalid_union ids"]),
    ];
    for (query, issues) in cases {
        let answer = world.get(query).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.code(), "invalid_query_params", "{query}");
        assert_eq!(answer.issues(), issues, "{query}");
    }
}

#[tokio::test]
async fn headers_name_the_connection() {
    let world = World::start().await;
    let bare = || world.app.request("GET", "/records?model=Item");
    let both = bare().send().await;
    assert_eq!(
        (both.status(), both.code().as_str()),
        (400, "invalid_headers")
    );
    assert_eq!(
        both.issues(),
        [
            "invalid_type connection-id",
            "invalid_type provider-config-key"
        ]
    );
    let one = bare().header("connection-id", "alice").send().await;
    assert_eq!(one.issues(), ["invalid_type provider-config-key"]);
    for (integration, connection) in [("open", "nobody"), ("nothing", "alice")] {
        let unknown = bare()
            .header("connection-id", connection)
            .header("provider-config-key", integration)
            .send()
            .await;
        assert_eq!(
            (unknown.status(), unknown.code().as_str()),
            (400, "unknown_connection")
        );
    }
    let nobody = world
        .app
        .anonymous("GET", "/records?model=Item")
        .send()
        .await;
    assert_eq!(nobody.status(), 401);
}

#[tokio::test]
async fn pruned_records_are_id_and_metadata() {
    let world = World::start().await;
    let payload = r#"{"n":1}"#;
    world
        .save("Item", &[("a", payload), ("b", payload), ("c", payload)])
        .await;
    let list = world.get("model=Item").await.json();
    let cursor = |place: usize| list["records"][place]["_nango_metadata"]["cursor"].clone();

    let pruned = world
        .prune(json!({"model": "Item", "until_cursor": cursor(1)}))
        .await;
    assert_eq!(pruned.json(), json!({"count": 2, "has_more": false}));
    let again = world
        .prune(json!({"model": "Item", "until_cursor": cursor(1)}))
        .await;
    assert_eq!(again.json(), json!({"count": 0, "has_more": false}));
    let all = json!({"model": "Item", "until_cursor": cursor(2), "variant": "none"});
    assert_eq!(
        world.prune(all).await.json(),
        json!({"count": 0, "has_more": false})
    );

    let after = world.get("model=Item").await.json();
    for place in 0..3 {
        let record = after["records"][place].as_object().unwrap();
        let pruned = place < 2;
        assert_eq!(record.len(), if pruned { 2 } else { 3 });
        assert_eq!(record["_nango_metadata"]["pruned_at"].is_string(), pruned);
        assert_eq!(record["_nango_metadata"]["cursor"], cursor(place));
    }
}

#[tokio::test]
async fn prunings_are_checked() {
    let world = World::start().await;
    let cases = [
        (json!({"until_cursor": "x"}), "invalid_type model"),
        (json!({"model": "Item"}), "invalid_type until_cursor"),
        (
            json!({"model": "Item", "until_cursor": "!!"}),
            "invalid_format until_cursor",
        ),
        (
            json!({"model": "Item", "until_cursor": "x", "limit": 0}),
            "too_small limit",
        ),
        (
            json!({"model": "Item", "until_cursor": "x", "x": 1}),
            "unrecognized_keys ",
        ),
    ];
    for (body, issue) in cases {
        let answer = world.prune(body.clone()).await;
        assert_eq!(
            (answer.status(), answer.code().as_str()),
            (400, "invalid_body")
        );
        assert_eq!(answer.issues(), [issue], "{body}");
    }
    let body = json!({"model": "Item", "until_cursor": "x"});
    let bare = world.app.patch("/records/prune", body).await;
    assert_eq!(bare.code(), "invalid_headers");
}
