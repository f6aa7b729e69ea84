//! The log.

use serde_json::json;

use crate::TestApp;

#[tokio::test]
async fn operations_are_listed_newest_first_and_have_lines() {
    let app = TestApp::start().await;
    app.connection("open", "a").await;
    app.connection("open", "b").await;
    let all = app.get("/operations").await.json();
    let all = all["operations"].as_array().unwrap().clone();
    assert!(all.len() >= 2, "{all:?}");
    assert_eq!(all[0]["connection_id"], "b");
    assert_eq!(
        (&all[0]["type"], &all[0]["provider_config_key"]),
        (&json!("auth"), &json!("open"))
    );

    // Page by page one sees the same, though they share their instants.
    let mut paged = Vec::new();
    let mut path = "/operations?limit=1".to_owned();
    loop {
        let page = app.get(&path).await.json();
        paged.extend(page["operations"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/operations?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, all);

    let id = all[0]["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/operations/{id}")).await.json(), all[0]);
    let lines = app.get(&format!("/operations/{id}/messages")).await.json();
    let cursor = lines["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&format!("/operations/{id}/messages?cursor={cursor}"))
        .await
        .json();
    assert_eq!(rest, json!({ "messages": [], "next_cursor": cursor }));

    assert_eq!(
        app.get("/operations?cursor=x").await.code(),
        "invalid_query_params"
    );
    assert_eq!(app.get("/operations/nothing").await.code(), "not_found");
    assert_eq!(
        app.get("/operations/nothing/messages").await.code(),
        "not_found"
    );
}
