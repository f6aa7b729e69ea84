//! The event feed and what became of webhooks.

use serde_json::json;
use tenon_engine::environments;
use tenon_testkit::upstream::{Answer, Upstream};

use crate::TestApp;

#[tokio::test]
async fn deliveries_are_listed_shown_and_replayed() {
    let receiver = Upstream::start(|_| Answer::text(500, "no")).await;
    let app = TestApp::start().await;
    let settings = json!({"webhook_settings": {"primary_url": receiver.url("/hook")}});
    assert_eq!(app.patch("/environment", settings).await.status(), 200);
    app.connection("open", "c").await;
    app.run_until_idle().await;

    let list = app
        .get("/webhooks/deliveries?state=waiting&connection_id=c")
        .await
        .json();
    let delivery = &list["deliveries"][0];
    assert_eq!(list["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&delivery["type"], &delivery["last_status"]),
        (&json!("auth"), &json!(500))
    );
    assert_eq!(list["next_cursor"], json!(null));
    assert_eq!(
        app.get("/webhooks/deliveries?state=delivered").await.json()["deliveries"],
        json!([])
    );
    assert_eq!(
        app.get("/webhooks/deliveries?state=lost").await.code(),
        "invalid_query_params"
    );

    let id = delivery["id"].as_str().unwrap();
    let one = app.get(&format!("/webhooks/deliveries/{id}")).await.json();
    assert_eq!(one["requests"].as_array().unwrap().len(), 1);

    let replay = app
        .post(&format!("/webhooks/deliveries/{id}/replay"), json!({}))
        .await;
    assert_eq!(replay.json(), json!({"success": true}));
    app.run_until_idle().await;
    let seen = receiver.take();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));

    assert_eq!(app.get("/webhooks/deliveries/nobody").await.status(), 404);
    assert_eq!(
        app.post("/webhooks/deliveries/nobody/replay", json!({}))
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn the_feed_goes_on_where_a_reader_stopped() {
    let app = TestApp::start().await;
    for connection in ["a", "b", "c"] {
        app.connection("open", connection).await;
    }
    let first = app.get("/events?limit=2").await.json();
    assert_eq!(first["events"].as_array().unwrap().len(), 2);
    assert_eq!(first["events"][0]["payload"]["connectionId"], "a");
    assert_eq!(first["events"][0]["type"], "auth");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/events?cursor={cursor}")).await.json();
    assert_eq!(second["events"][0]["payload"]["connectionId"], "c");
    let cursor = second["next_cursor"].as_str().unwrap();
    let end = app.get(&format!("/events?cursor={cursor}")).await.json();
    assert_eq!(end, json!({"events": [], "next_cursor": cursor}));
    assert_eq!(
        app.get("/events?cursor=x").await.code(),
        "invalid_query_params"
    );
}

#[tokio::test]
async fn faults_80_events_of_another_environment_are_not_there() {
    let app = TestApp::start().await;
    let settings = json!({"webhook_settings": {"primary_url": "http://127.0.0.1:9/"}});
    app.patch("/environment", settings).await;
    app.connection("open", "c").await;
    let list = app.get("/webhooks/deliveries").await.json();
    let id = list["deliveries"][0]["id"].as_str().unwrap();

    let other = environments::ensure(&app.engine, "other").await.unwrap();
    let key = environments::secret_key(&app.engine, other.pk)
        .await
        .unwrap()
        .unwrap();
    let ask = |method: &str, path: &str| app.anonymous(method, path).bearer(key.expose()).send();
    assert_eq!(ask("GET", "/events").await.json()["events"], json!([]));
    assert_eq!(
        ask("GET", "/webhooks/deliveries").await.json()["deliveries"],
        json!([])
    );
    assert_eq!(
        ask("GET", &format!("/webhooks/deliveries/{id}"))
            .await
            .status(),
        404
    );
    assert_eq!(
        ask("POST", &format!("/webhooks/deliveries/{id}/replay"))
            .await
            .status(),
        404
    );
}
