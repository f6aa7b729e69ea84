//! What functions ask of the platform: the same as apps get, and nothing that apps may not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tenon_core::{
    function::{FetchCall, HostCall, HostError, HostErrorKind, HostReply},
    limits,
};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::{
    TestApp,
    app::{action, succeeded, sync},
};

type Replies = Arc<Mutex<Vec<Result<HostReply, HostError>>>>;

/// Lets an action make these calls and returns what it got.
async fn asked(app: &TestApp, calls: Vec<HostCall>) -> Vec<Result<HostReply, HostError>> {
    let replies = Replies::default();
    let noted = Arc::clone(&replies);
    app.functions.on("ask", move |_, host| {
        let (noted, calls) = (Arc::clone(&noted), calls.clone());
        async move {
            for call in calls {
                let reply = host.call(call).await;
                noted.lock().unwrap().push(reply);
            }
            succeeded(&json!(null))
        }
    });
    let request = app
        .request("POST", "/action/trigger")
        .header("provider-config-key", "crm")
        .header("connection-id", "alice");
    let answer = request.json(&json!({ "action_name": "ask" })).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    std::mem::take(&mut *replies.lock().unwrap())
}

async fn with_provider(provider: &str) -> TestApp {
    let app = TestApp::start().await;
    app.integration("crm", provider).await;
    app.connection("crm", "alice").await;
    app
}

fn json_of(reply: &Result<HostReply, HostError>) -> Value {
    match reply {
        Ok(HostReply::Json(value)) => value.clone(),
        other => panic!("{other:?}"),
    }
}

/// Status and code of an answer of our own API.
fn refusal(reply: &Result<HostReply, HostError>) -> (u16, String) {
    let error = reply.as_ref().unwrap_err();
    assert_eq!(error.kind, HostErrorKind::Http);
    let response = error.response.as_ref().unwrap();
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let code = body["error"]["code"].as_str().unwrap().to_owned();
    (response.status, code)
}

#[tokio::test]
async fn an_integration_shows_itself_as_it_does_to_apps() {
    for provider in ["open-hooks", "unverified"] {
        let app = TestApp::start().await;
        app.integration("crm", provider).await;
        let credentials = if provider == "unverified" {
            json!({ "type": "API_KEY", "apiKey": "k" })
        } else {
            json!({ "type": "NONE" })
        };
        let body = json!({ "provider_config_key": "crm", "connection_id": "alice", "credentials": credentials });
        assert_eq!(app.post("/connections", body).await.status(), 201);
        app.deploy_flows(&[action("ask")]).await;
        let include = vec!["webhook".to_owned(), "credentials".to_owned()];
        let replies = asked(
            &app,
            vec![
                HostCall::GetIntegration { include },
                HostCall::GetIntegration { include: vec![] },
            ],
        )
        .await;
        let all = "/integrations/crm?include=webhook&include=credentials";
        let shown = app.get(all).await.json();
        let expected = shown["data"].as_object().unwrap();
        let got = json_of(&replies[0]);
        assert_eq!(got.as_object().unwrap(), expected, "{provider}");
        assert_eq!(got["webhook_url"].is_null(), provider == "unverified");
        assert_eq!(json_of(&replies[1]).get("webhook_url"), None);
    }
}

#[tokio::test]
async fn variables_of_the_environment_are_read() {
    let app = with_provider("none").await;
    app.deploy_flows(&[action("ask")]).await;
    let variables = json!([{ "name": "REGION", "value": "eu" }]);
    let set = app.request("PUT", "/environment-variables");
    let answer = set.json(&variables).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let replies = asked(&app, vec![HostCall::GetEnvironmentVariables]).await;
    assert_eq!(json_of(&replies[0]), variables);
}

fn trigger_sync(connection: &str, sync: Value, options: Value) -> HostCall {
    HostCall::TriggerSync {
        provider_config_key: "crm".to_owned(),
        connection_id: connection.to_owned(),
        sync,
        options,
    }
}

#[tokio::test]
async fn syncs_are_triggered_and_started() {
    let app = with_provider("none").await;
    let runs: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&runs);
    app.functions.on("items", move |request, _| {
        let first = request.context.last_sync_date.is_none();
        let line = format!("{} {first}", request.context.variant);
        noted.lock().unwrap().push(line);
        async { succeeded(&json!(null)) }
    });
    let paused = sync("items").with("auto_start", json!(false));
    app.deploy_flows(&[paused, action("ask")]).await;
    let path = "/sync/items/variant/eu";
    let body = json!({ "provider_config_key": "crm", "connection_id": "alice" });
    assert_eq!(app.post(path, body).await.status(), 200);
    app.run_until_idle().await;
    assert_eq!(runs.lock().unwrap().len(), 0, "paused");

    let name = json!("items");
    let variant = json!({ "name": "items", "variant": "eu" });
    asked(&app, vec![trigger_sync("alice", name.clone(), Value::Null)]).await;
    app.run_until_idle().await;
    asked(&app, vec![trigger_sync("alice", name.clone(), Value::Null)]).await;
    app.run_until_idle().await;
    let reset = json!({ "reset": true });
    asked(&app, vec![trigger_sync("alice", name, reset)]).await;
    asked(&app, vec![trigger_sync("alice", variant, json!(true))]).await;
    app.run_until_idle().await;
    let mut seen = runs.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, ["base false", "base true", "base true", "eu true"]);

    let start = HostCall::StartSync {
        provider_config_key: "crm".to_owned(),
        syncs: vec![json!("items")],
        connection_id: Some("alice".to_owned()),
    };
    assert!(matches!(
        asked(&app, vec![start]).await[0],
        Ok(HostReply::Done)
    ));
    app.pass(Duration::from_secs(3_600)).await;
    assert_eq!(runs.lock().unwrap().len(), 5, "on its schedule");
}

#[tokio::test]
async fn commands_that_make_no_sense_fail_as_they_do_for_apps() {
    let app = with_provider("none").await;
    app.deploy_flows(&[action("ask"), sync("items")]).await;
    let elsewhere = HostCall::TriggerSync {
        provider_config_key: "nope".to_owned(),
        connection_id: "alice".to_owned(),
        sync: json!("items"),
        options: Value::Null,
    };
    let nothing = HostCall::StartSync {
        provider_config_key: "crm".to_owned(),
        syncs: vec![json!("nope")],
        connection_id: None,
    };
    let replies = asked(
        &app,
        vec![
            trigger_sync("alice", json!("nope"), Value::Null),
            trigger_sync("nobody", json!("items"), Value::Null),
            elsewhere,
            nothing,
        ],
    )
    .await;
    let codes: Vec<(u16, String)> = replies.iter().map(refusal).collect();
    let expected = [
        (400, "no_syncs_found"),
        (404, "unknown_connection"),
        (400, "unknown_provider_config"),
        (400, "no_syncs_found"),
    ];
    let expected = expected.map(|(status, code)| (status, code.to_owned()));
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn a_plain_fetch_reaches_only_what_it_may() {
    let upstream = Upstream::start(|_| Answer::json(200, &json!({ "ok": true }))).await;
    let app = with_provider("none").await;
    app.deploy_flows(&[action("ask")]).await;
    let fetch = |url: &str| {
        HostCall::UncontrolledFetch(FetchCall {
            url: url.to_owned(),
            ..FetchCall::default()
        })
    };
    let replies = asked(
        &app,
        vec![
            fetch(&upstream.url("/x")),
            fetch("http://tenon.test/connections"),
            fetch("http://169.254.169.254/latest"),
            fetch("file:///etc/passwd"),
        ],
    )
    .await;
    match &replies[0] {
        Ok(HostReply::Response(response)) => assert_eq!(response.status, 200),
        other => panic!("{other:?}"),
    }
    for reply in &replies[1..3] {
        let error = reply.as_ref().unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (HostErrorKind::Action, "url_not_allowed")
        );
    }
    assert!(replies[3].is_err());
    let received = upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("authorization"), None);
}

#[tokio::test]
async fn faults_68_answers_that_a_run_does_not_take_make_its_next_ones_wait() {
    const ANSWER_BYTES: usize = 10 * 1024 * 1024;
    let large = "x".repeat(ANSWER_BYTES);
    let upstream = Upstream::start(move |_| Answer::text(200, &large)).await;
    let app = with_provider("none").await;
    app.deploy_flows(&[action("ask")]).await;
    let url = upstream.url("/large");
    app.functions.on("ask", move |_, host| {
        let url = url.clone();
        async move {
            let mut asked: FuturesUnordered<_> = (0..12)
                .map(|_| {
                    host.call(HostCall::UncontrolledFetch(FetchCall {
                        url: url.clone(),
                        ..FetchCall::default()
                    }))
                })
                .collect();
            // As many as fit, and one that may go beyond.
            let mut held = Vec::new();
            while held.len() <= limits::RUN_REPLIES_BYTES / ANSWER_BYTES {
                held.push(asked.next().await.unwrap().unwrap());
            }
            let next = tokio::time::timeout(Duration::from_millis(300), asked.next()).await;
            let (waits, count) = (next.is_err(), held.len());
            drop(held);
            let rest = asked.filter(|reply| std::future::ready(reply.is_ok()));
            succeeded(&json!([waits, count + rest.count().await]))
        }
    });
    let request = app
        .request("POST", "/action/trigger")
        .header("provider-config-key", "crm")
        .header("connection-id", "alice");
    let answer = request.json(&json!({ "action_name": "ask" })).send().await;
    assert_eq!(answer.json(), json!([true, 12]));
}
