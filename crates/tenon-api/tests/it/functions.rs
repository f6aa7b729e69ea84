//! Looking at deployed functions.

use serde_json::{Value, json};

use crate::{
    TestApp,
    app::{action, sync},
};

async fn deployed() -> TestApp {
    let app = TestApp::start().await;
    let strict = action("strict").with(
        "models_json_schema",
        json!({ "definitions": {
            "In": { "type": "object", "properties": { "n": { "type": "number" } }, "required": ["n"] },
            "Out": {},
        } }),
    );
    app.deploy_flows(&[sync("items"), action("close"), strict])
        .await;
    app
}

fn names(answer: &Value) -> Vec<&str> {
    let data = answer["data"].as_array().unwrap();
    data.iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn functions_are_listed_by_type_and_name() {
    let app = deployed().await;
    let all = app.get("/integrations/crm/functions").await.json();
    assert_eq!(names(&all), ["close", "strict", "items"]);
    assert_eq!(
        all["pagination"],
        json!({ "total": 3, "page": 0, "limit": 20 })
    );
    let first = &all["data"][0];
    let members: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "name",
            "type",
            "input",
            "returns",
            "json_schema",
            "id",
            "enabled",
            "last_deployed",
            "source"
        ]
    );
    let items = &all["data"][2];
    assert_eq!(items["runs"], "every hour");
    assert_eq!(items["auto_start"], true);
    assert_eq!(items["track_deletes"], false);

    let path = |query: &str| format!("/integrations/crm/functions?{query}");
    let found = app.get(&path("type=sync")).await.json();
    assert_eq!(names(&found), ["items"]);
    let found = app.get(&path("search=TRI")).await.json();
    assert_eq!(names(&found), ["strict"]);
    let found = app.get(&path("limit=2&page=1")).await.json();
    assert_eq!(names(&found), ["items"]);
    assert_eq!(
        app.get(&path("type=nope")).await.refusal(),
        "400 invalid_query_params | invalid_value type"
    );
    let unknown = app.get("/integrations/nope/functions").await;
    assert_eq!(unknown.refusal(), "404 not_found");
}

#[tokio::test]
async fn one_function_shows_itself_and_its_source() {
    let app = deployed().await;
    let close = app.get("/integrations/crm/functions/close").await.json();
    assert_eq!(close["data"]["type"], "action");
    let code = app.get("/integrations/crm/functions/close/code").await;
    assert_eq!(
        code.json(),
        json!({ "type": "action", "code": "// close in TypeScript" })
    );
    for path in ["nope", "nope/code"] {
        let path = format!("/integrations/crm/functions/{path}");
        assert_eq!(app.get(&path).await.refusal(), "404 not_found");
    }
}

#[tokio::test]
async fn a_name_that_two_functions_share_needs_the_type() {
    let app = TestApp::start().await;
    app.deploy_flows(&[sync("items"), action("items")]).await;
    let path = "/integrations/crm/functions/items";
    assert_eq!(app.get(path).await.refusal(), "409 ambiguous_function");
    let sync = app.get(&format!("{path}?type=sync")).await.json();
    assert_eq!(sync["data"]["type"], "sync");
    assert_eq!(
        app.delete(path).await.refusal(),
        "400 invalid_query_params | invalid_value type"
    );
    let deleted = app.delete(&format!("{path}?type=sync")).await;
    assert_eq!(deleted.json(), json!({ "success": true }));
    assert_eq!(app.get(path).await.json()["data"]["type"], "action");
}

#[tokio::test]
async fn the_older_list_groups_by_integration() {
    let app = deployed().await;
    let config = app.get("/scripts/config").await.json();
    assert_eq!(config[0]["providerConfigKey"], "crm");
    assert_eq!(config[0]["provider"], "none");
    assert_eq!(config[0]["syncs"][0]["runs"], "every hour");
    assert_eq!(config[0]["actions"][0]["name"], "close");
    assert_eq!(
        config[0]["actions"][0]["models"],
        json!([{ "name": "In", "fields": [] }, { "name": "Out", "fields": [] }])
    );
    assert_eq!(config[0]["on-events"], json!([]));

    let tools = app.get("/scripts/config?format=openai").await.json();
    assert_eq!(names(&tools), ["close", "strict"]);
    assert_eq!(
        tools["data"][1]["parameters"],
        json!({ "type": "object", "properties": { "n": { "type": "number" } }, "required": ["n"] })
    );
    let other = app.get("/scripts/config?format=nope").await.json();
    assert_eq!(other[0]["providerConfigKey"], "crm");
}
