//! Functions from source: what is refused before anything is compiled. That they really run is tested with the binary
//! (`tests/compat`).

use std::time::Duration;

use serde_json::{Value, json};
use tenon_core::function::{BuildFailure, Built, FunctionKind};

use crate::{TestApp, app::succeeded};

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let compile = "/functions/compile";
    let answer = app.post(compile, json!({})).await;
    assert_eq!(answer.refusal(), "400 invalid_body | invalid_type code");
    let large = json!({ "code": "x".repeat(256 * 1024 + 1) });
    assert_eq!(
        app.post(compile, large).await.refusal(),
        "400 invalid_body | too_big code"
    );
    let stranger = app.anonymous("POST", compile).json(&json!({ "code": "x" }));
    assert_eq!(stranger.send().await.status(), 401);

    let dryrun = json!({
        "integration_id": "crm",
        "function_type": "action",
        "code": "x",
        "connection_id": "alice",
    });
    let with = |name: &str, value: Value| {
        let mut body = dryrun.clone();
        body[name] = value;
        body
    };
    for (body, expected) in [
        (
            with("function_type", json!("on-event")),
            "400 invalid_body | invalid_value function_type",
        ),
        (
            with("last_sync_date", json!("soon")),
            "400 invalid_body | invalid_format last_sync_date",
        ),
        (
            with("metadata", json!(1)),
            "400 invalid_body | invalid_type metadata",
        ),
        (
            with("integration_id", json!("nope")),
            "404 integration_not_found",
        ),
        (
            with("connection_id", json!("nobody")),
            "404 connection_not_found",
        ),
    ] {
        let answer = app.post("/functions/dryruns", body).await;
        assert_eq!(answer.refusal(), expected);
    }
    let path = "/functions/dryruns/01976c7e-0000-7000-8000-000000000000";
    assert_eq!(app.get(path).await.refusal(), "404 dryrun_not_found");

    let template = json!({ "type": "template", "integration_id": "crm", "template": "x" });
    let answer = app.post("/functions/deployments", template).await;
    assert_eq!(answer.status(), 400);
    let deploy = json!({
        "type": "function",
        "integration_id": "nope",
        "function_name": "a",
        "function_type": "action",
        "code": "x",
    });
    let answer = app.post("/functions/deployments", deploy).await;
    assert_eq!(answer.refusal(), "404 integration_not_found");
    let path = "/functions/deployments/x";
    assert_eq!(app.get(path).await.refusal(), "404 deployment_not_found");
}

/// The job once it has ended.
async fn ended(app: &TestApp, path: &str, begun: &Value) -> Value {
    let path = format!("{path}/{}", begun["id"].as_str().unwrap());
    loop {
        let job = app.get(&path).await.json();
        if job["status"] == "success" || job["status"] == "failed" {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

fn dryrun() -> Value {
    json!({
        "integration_id": "crm",
        "function_type": "action",
        "code": "good",
        "connection_id": "alice",
        "input": { "n": 1 },
    })
}

#[tokio::test]
async fn a_try_ends_with_what_the_function_returned_or_why_it_did_not() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions
        .builds(|source| match source.typescript.as_str() {
            "good" => Ok(Built {
                kind: FunctionKind::Action,
                javascript: "// built".to_owned(),
                models: Vec::new(),
                deployment: Value::Null,
            }),
            _ => Err(BuildFailure::Rejected("function.ts:1:1: no".to_owned())),
        });
    app.functions.on("dryrun", |request, _| async move {
        succeeded(&json!({ "ran": request.bundle.javascript.to_string() }))
    });
    let path = "/functions/dryruns";
    let begun = app.post(path, dryrun()).await;
    assert_eq!(begun.status(), 202);
    assert_eq!(begun.json()["status"], "waiting");
    let job = ended(&app, path, &begun.json()).await;
    assert_eq!(job["status"], "success", "{job}");
    assert_eq!(job["output"], json!({ "ran": "// built" }));
    assert_eq!(job["integration_id"], "crm");
    assert_eq!(job["duration_ms"], 0);

    let mut bad = dryrun();
    bad["code"] = json!("bad");
    let begun = app.post(path, bad).await.json();
    let job = ended(&app, path, &begun).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"]["code"], "compilation_error");

    let mut other = dryrun();
    other["function_type"] = json!("sync");
    let begun = app.post(path, other).await.json();
    let job = ended(&app, path, &begun).await;
    assert_eq!(job["error"]["code"], "validation_error");
    app.run_until_idle().await;
    let functions = app.get("/integrations/crm/functions").await.json();
    assert_eq!(functions["data"], json!([]), "nothing was deployed");
}

#[tokio::test]
async fn a_try_whose_node_died_is_told_as_failed() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.functions.builds(|_| {
        Ok(Built {
            kind: FunctionKind::Action,
            javascript: String::new(),
            models: Vec::new(),
            deployment: Value::Null,
        })
    });
    app.functions.on("dryrun", |_, _| std::future::pending());
    let begun = app.post("/functions/dryruns", dryrun()).await.json();
    let path = format!("/functions/dryruns/{}", begun["id"].as_str().unwrap());
    app.settle().await;
    assert_eq!(app.get(&path).await.json()["status"], "running");
    for _ in 1..20 {
        assert_eq!(app.post("/functions/dryruns", dryrun()).await.status(), 202);
    }
    let refused = app.post("/functions/dryruns", dryrun()).await;
    assert_eq!(refused.refusal(), "429 too_many_request");
    app.clock.advance(Duration::from_secs(16 * 60));
    let job = ended(&app, "/functions/dryruns", &begun).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"]["code"], "timeout");
}
