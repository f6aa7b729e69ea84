//! The catalogue over HTTP.

use serde_json::{Value, json};

use crate::{TestApp, app::PUBLIC_URL};

fn names(list: &Value) -> Vec<&str> {
    list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["name"].as_str().expect("names are text"))
        .collect()
}

#[tokio::test]
async fn a_search_looks_at_names_without_regard_to_case() {
    let app = TestApp::start().await;
    assert_eq!(
        names(&app.get("/providers?search=OAUTH%5Cd").await.json()),
        ["oauth2", "oauth1"]
    );
    assert_eq!(
        app.get("/providers?search=zzz").await.json(),
        json!({"data": []})
    );
    let cases = [
        (
            "/providers?search=%5B",
            "400 invalid_query_params | invalid_format search",
        ),
        (
            "/providers?search=key&x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "/providers/key?x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "/providers/a%20b%21",
            "400 invalid_uri_params | invalid_format provider",
        ),
        ("/providers/no-such", "404 not_found"),
        ("/providers/no-such/templates", "404 not_found"),
    ];
    for (path, refusal) in cases {
        assert_eq!(app.get(path).await.refusal(), refusal, "{path}");
    }
}

#[tokio::test]
async fn a_provider_is_shown_with_all_its_keys() {
    let app = TestApp::start().await;
    let data = app.get("/providers/unverified").await.json()["data"].clone();
    assert_eq!(
        data,
        json!({
            "display_name": "Unverified key",
            "categories": ["other"],
            "auth_mode": "API_KEY",
            "proxy": {"base_url": "http://127.0.0.1:9/api", "headers": {"x-api-key": "${apiKey}"}},
            "docs": "https://example.test/docs",
            "name": "unverified",
            "logo_url": format!("{PUBLIC_URL}/images/template-logos/unverified.svg"),
        })
    );
    assert_eq!(
        app.get("/providers/key/templates").await.json(),
        json!({"data": []})
    );
    let all = app.anonymous("GET", "/providers.json").send().await.json();
    assert_eq!(all["none"]["display_name"], "Open");
}

#[tokio::test]
async fn the_connect_ui_reads_providers_with_its_session() {
    let app = TestApp::start().await;
    let token = app.session(json!({"end_user": {"id": "u"}})).await;
    let answer = app
        .anonymous("GET", "/providers/key")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(answer.status(), 200);
}
