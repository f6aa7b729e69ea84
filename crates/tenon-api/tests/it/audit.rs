//! Every read of a secret can be asked for afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_core::function::HostCall;
use tenon_engine::audit::Auditor;

use crate::{
    TestApp,
    app::{flows::action, succeeded},
};

async fn reads(app: &TestApp, query: &str) -> Vec<Value> {
    Auditor::new(app.engine.clone()).store().await.unwrap();
    let answer = app.get(&format!("/audit/secret-reads{query}")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["reads"].as_array().unwrap().clone()
}

/// Reader, door, subject and how often, without the reads of other subjects.
fn line(read: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} by {} {}: {} x {}",
        text(&read["door"]),
        text(&read["subject"]["type"]),
        text(&read["reader"]["type"]),
        text(&read["reader"]["name"]),
        text(&read["subject"]["name"]),
        read["reads"]
    )
}

#[tokio::test]
async fn reads_are_counted_per_key_connection_and_minute() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.connection("crm", "bob").await;
    let path = "/connections/alice?provider_config_key=crm";
    for _ in 0..5 {
        assert_eq!(app.get(path).await.status(), 200);
    }
    app.get("/connections/bob?provider_config_key=crm").await;
    app.clock.advance(Duration::from_secs(60));
    app.get(path).await;
    let mut found: Vec<String> = reads(&app, "").await.iter().map(line).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "api connection by key default: crm/alice x 1",
            "api connection by key default: crm/alice x 5",
            "api connection by key default: crm/bob x 1",
        ]
    );
    // More of the same minute is added to what is stored, also after the connection has gone.
    app.get(path).await;
    app.delete(path).await;
    let of_alice = reads(&app, "?subject=crm/alice").await;
    let counts: Vec<&Value> = of_alice.iter().map(|read| &read["reads"]).collect();
    assert_eq!(counts, [&json!(2), &json!(5)]);
    assert!(of_alice[0]["first_at"].as_str().unwrap() <= of_alice[0]["last_at"].as_str().unwrap());
    let page = app.get("/audit/secret-reads?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(reads(&app, &format!("?cursor={cursor}")).await.len(), 2);
}

#[tokio::test]
async fn who_sees_no_credentials_reads_none() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let body = json!({"name": "reader", "scopes": ["environment:connections:read"]});
    let key = app.post("/environment/api-keys", body).await.json()["data"]["key"].clone();
    let path = "/connections/alice?provider_config_key=crm";
    let request = app.anonymous("GET", path).bearer(key.as_str().unwrap());
    assert_eq!(request.send().await.status(), 200);
    assert_eq!(reads(&app, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn functions_variables_and_settings_are_doors_too() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.functions.on("peek", |_, host| async move {
        host.call(HostCall::GetToken).await.unwrap();
        host.call(HostCall::GetEnvironmentVariables).await.unwrap();
        succeeded(&json!(null))
    });
    app.deploy_flows(&[action("peek")]).await;
    app.connection("crm", "alice").await;
    let answer = app
        .request("POST", "/action/trigger")
        .header("provider-config-key", "crm")
        .header("connection-id", "alice")
        .json(&json!({"action_name": "peek", "input": {}}))
        .send()
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    app.get("/environment-variables").await;
    app.get("/environment").await;
    app.get("/integrations/crm?include=credentials").await;
    let mut found: Vec<String> = reads(&app, "").await.iter().map(line).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "api integration by key default: crm x 1",
            "api signing_key by key default: - x 1",
            "api variables by key default: - x 1",
            "function connection by function peek: crm/alice x 1",
            "function variables by function peek: - x 1",
        ]
    );
}
