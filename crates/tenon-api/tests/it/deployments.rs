//! Deployments of the past: looked at, compared, taken back.

use serde_json::{Value, json};

use crate::{
    TestApp,
    app::{Flow, action, flows::body, succeeded, sync},
};

async fn list(app: &TestApp) -> Vec<Value> {
    let answer = app.get("/deployments").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["deployments"].as_array().unwrap().clone()
}

async fn newest(app: &TestApp) -> i64 {
    list(app).await[0]["id"].as_i64().unwrap()
}

async fn diff(app: &TestApp, id: i64, query: &str) -> Value {
    let answer = app.get(&format!("/deployments/{id}/diff{query}")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

/// `type name version` of the active functions.
async fn active(app: &TestApp) -> Vec<String> {
    let functions = app
        .engine
        .reader()
        .functions_of_environment(app.environment.pk)
        .await
        .unwrap();
    functions
        .iter()
        .map(|one| format!("{} {} {}", one.kind, one.name, one.version))
        .collect()
}

fn source(flow: Flow, javascript: &str, typescript: &str) -> Flow {
    flow.with("fileBody", json!({ "js": javascript, "ts": typescript }))
}

#[tokio::test]
async fn each_deployment_tells_what_it_changed() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.deploy_flows(&[sync("items"), action("close")]).await;
    let first = newest(&app).await;
    let faster = source(sync("items"), "// items 2", "a\nb\n").with("runs", json!("every 2 hours"));
    app.deploy_flows(&[faster, action("open")]).await;
    let second = newest(&app).await;

    let all = list(&app).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["mode"], "integration");
    assert_eq!(all[0]["created"], json!(["open"]));
    assert_eq!(all[0]["updated"], json!(["items"]));
    assert_eq!(all[0]["deleted"], json!(["close"]));
    let page = app.get("/deployments?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let page = app
        .get(&format!("/deployments?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(page.json()["deployments"][0]["id"], first);

    let changed = diff(&app, second, "").await;
    assert_eq!(
        (&changed["from"], &changed["to"]),
        (&json!(first), &json!(second))
    );
    let words: Vec<String> = changed["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap();
            format!("{} {} {}", text("type"), text("name"), text("change"))
        })
        .collect();
    assert_eq!(
        words,
        [
            "action close deleted",
            "action open created",
            "sync items updated"
        ]
    );
    let items = &changed["functions"][2];
    assert_eq!(items["settings"], json!(["version", "bundle", "runs"]));
    assert_eq!(
        items["code"],
        "@@ -1,1 +1,2 @@\n-// items in TypeScript\n+a\n+b\n"
    );
    assert_eq!(items["before"]["version"], "1");
    assert_eq!(items["after"]["version"], "2");

    let back = diff(&app, first, &format!("?from={second}")).await;
    assert_eq!(back["functions"][0]["change"], "created");
    assert_eq!(diff(&app, first, "").await["from"], json!(null));
    let one = app.get(&format!("/deployments/{first}")).await.json();
    assert_eq!(one["functions"].as_array().unwrap().len(), 2);
    assert_eq!(one["functions"][0]["deployment"], first);
}

#[tokio::test]
async fn a_source_that_differs_only_in_its_types_is_a_version_of_its_own() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.deploy_flows(&[source(action("a"), "// same", "let a: number")])
        .await;
    app.deploy_flows(&[source(action("a"), "// same", "let a: bigint")])
        .await;
    let code = app.get("/integrations/crm/functions/a/code").await.json();
    assert_eq!(code["code"], "let a: bigint");
    let changed = diff(&app, newest(&app).await, "").await;
    assert_eq!(changed["functions"][0]["settings"], json!([]));
    let text = changed["functions"][0]["code"].as_str().unwrap();
    assert!(text.contains("-let a: number\n+let a: bigint\n"), "{text}");
    // Deployed once more as it is, nothing changes.
    app.deploy_flows(&[source(action("a"), "// same", "let a: bigint")])
        .await;
    let changed = diff(&app, newest(&app).await, "").await;
    assert_eq!(changed["functions"], json!([]));
}

#[tokio::test]
async fn an_earlier_deployment_comes_back_whole() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions.on("items", |request, _| async move {
        succeeded(&json!(request.bundle.javascript.to_string()))
    });
    let mut deploy = body(&[sync("items"), action("close")]);
    deploy["onEventScriptsByProvider"] = json!([{ "providerConfigKey": "crm", "scripts": [
        { "name": "hello", "event": "post-connection-creation", "fileBody": { "js": "// hello", "ts": "//" } },
    ] }]);
    assert_eq!(app.deploy_body(deploy).await.status(), 200);
    let first = newest(&app).await;
    let before = active(&app).await;
    app.run_until_idle().await;

    let mut deploy = body(&[sync("items").code("// worse"), action("open")]);
    deploy["onEventScriptsByProvider"] = json!([]);
    assert_eq!(app.deploy_body(deploy).await.status(), 200);
    let second = newest(&app).await;
    let after = active(&app).await;
    assert_ne!(before, after);

    let answer = app
        .post(&format!("/deployments/{first}/revert"), json!({}))
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(active(&app).await, before);
    let third = list(&app).await[0].clone();
    assert_eq!(
        (&third["mode"], &third["reverted_to"]),
        (&json!("revert"), &json!(first))
    );
    let id = third["id"].as_i64().unwrap();
    let same = diff(&app, id, &format!("?from={first}")).await;
    for one in same["functions"].as_array().unwrap() {
        assert_eq!(
            (&one["settings"], &one["code"]),
            (&json!([]), &json!("")),
            "{one}"
        );
    }
    let code = app
        .get("/integrations/crm/functions/items/code")
        .await
        .json();
    assert_eq!(code["code"], "// items in TypeScript");
    assert_eq!(
        app.sync_status("items", "alice").await["frequency"],
        "every hour"
    );

    // And forth again.
    let answer = app
        .post(&format!("/deployments/{second}/revert"), json!({}))
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(active(&app).await, after);
}

#[tokio::test]
async fn a_deleted_function_comes_back() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.deploy_flows(&[action("a"), action("b")]).await;
    let first = newest(&app).await;
    let path = "/integrations/crm/functions/b?type=action";
    assert_eq!(app.delete(path).await.status(), 200);
    let deletion = list(&app).await[0].clone();
    assert_eq!(
        (&deletion["mode"], &deletion["deleted"]),
        (&json!("delete"), &json!(["b"]))
    );
    assert_eq!(active(&app).await, ["action a 1"]);
    app.post(&format!("/deployments/{first}/revert"), json!({}))
        .await;
    assert_eq!(active(&app).await, ["action a 1", "action b 1"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_reverted() {
    let app = TestApp::start().await;
    app.integration("crm", "none").await;
    app.deploy_flows(&[action("a")]).await;
    let id = newest(&app).await;
    for path in ["/deployments/1", "/deployments/x", "/deployments/-1"] {
        assert_eq!(app.get(path).await.refusal(), "404 not_found", "{path}");
        let revert = app.post(&format!("{path}/revert"), json!({})).await;
        assert_eq!(revert.refusal(), "404 not_found", "{path}");
    }
    let other = app.get(&format!("/deployments/{id}/diff?from=77")).await;
    assert_eq!(other.refusal(), "404 not_found");
    let bad = app.get("/deployments?limit=0").await;
    assert_eq!(bad.status(), 400);
    let stranger = app.anonymous("GET", "/deployments").send().await;
    assert_eq!(stranger.status(), 401);
    assert_eq!(list(&app).await.len(), 1, "nothing happened");
}
