//! Actions.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::function::{HostCall, HostReply, RunFailure, RunOutcome};

use crate::{
    TestApp,
    app::{Answer, action, failed, succeeded},
};

/// A connection and actions of these names.
async fn with_actions(names: &[&str]) -> TestApp {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let flows: Vec<_> = names.iter().map(|name| action(name)).collect();
    app.deploy_flows(&flows).await;
    app
}

/// An action `echo` that answers its input.
async fn echo() -> TestApp {
    let app = with_actions(&["echo"]).await;
    app.functions.on("echo", |request, _| async move {
        match request.entry {
            tenon_core::function::Entry::Action { input } => succeeded(&json!({ "input": input })),
            other => panic!("{other:?}"),
        }
    });
    app
}

async fn trigger(app: &TestApp, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = app
        .request("POST", "/action/trigger")
        .header("provider-config-key", "crm")
        .header("connection-id", "alice");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.json(body).send().await
}

async fn run(app: &TestApp, name: &str) -> Answer {
    trigger(app, &json!({ "action_name": name }), &[]).await
}

#[tokio::test]
async fn an_action_answers_with_its_output() {
    let app = echo().await;
    let input = json!({ "a": [1, "é", null], "b": { "c": true } });
    for (given, seen) in [
        (input.clone(), input),
        (json!([1]), json!([1])),
        (json!("text"), json!("text")),
        (json!(null), json!({})),
        (json!(0), json!({})),
        (json!(""), json!({})),
        (json!(false), json!({})),
    ] {
        let answer = trigger(&app, &json!({ "action_name": "echo", "input": given }), &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json(), json!({ "input": seen }));
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
    let answer = trigger(&app, &json!({ "action_name": "echo", "x": 1 }), &[]).await;
    assert_eq!(answer.json(), json!({ "input": {} }));
}

#[tokio::test]
async fn falsy_outputs_come_back_as_themselves() {
    let app = with_actions(&["out"]).await;
    for output in [json!(0), json!(false), json!(""), json!(null), json!(3.5)] {
        let value = output.clone();
        app.functions.on("out", move |_, _| {
            let value = value.clone();
            async move { succeeded(&value) }
        });
        let answer = run(&app, "out").await;
        assert_eq!((answer.status(), answer.json()), (200, output));
    }
}

#[tokio::test]
async fn what_a_function_throws_is_told() {
    let app = with_actions(&["own", "plain", "http"]).await;
    app.functions.on("own", |_, _| async {
        RunOutcome::Failed(RunFailure {
            kind: "action_script_runtime_error".to_owned(),
            message: "own message".to_owned(),
            payload: json!({ "field": "f" }),
            status: 500,
            additional_properties: None,
        })
    });
    app.functions.on("plain", |_, _| async {
        failed("script_internal_error", "oh")
    });
    app.functions.on("http", |_, _| async {
        let upstream = json!({ "status": 422, "headers": { "content-type": "text/plain" }, "body": { "a": 1 } });
        let mut additional = serde_json::Map::new();
        additional.insert("upstream_response".to_owned(), upstream);
        RunOutcome::Failed(RunFailure {
            kind: "script_http_error".to_owned(),
            message: "it said no".to_owned(),
            payload: json!({ "a": 1 }),
            status: 422,
            additional_properties: Some(additional),
        })
    });
    let own = run(&app, "own").await;
    assert_eq!(own.status(), 500);
    let error = own.json()["error"].clone();
    assert_eq!(error["code"], "action_script_runtime_error");
    assert_eq!(error["payload"], json!({ "field": "f" }));
    assert_eq!(error.get("additional_properties"), None);
    let plain = run(&app, "plain").await;
    assert_eq!(plain.refusal(), "500 script_internal_error");
    let http = run(&app, "http").await;
    assert_eq!(http.status(), 424);
    assert_eq!(
        http.json(),
        json!({ "error": {
            "payload": { "a": 1 },
            "code": "script_http_error",
            "upstream": { "status": 422, "headers": { "content-type": "text/plain" }, "body": { "a": 1 } },
        } })
    );
}

#[tokio::test]
async fn bad_calls_are_refused() {
    let app = echo().await;
    let good = json!({ "action_name": "echo" });
    let cases = [
        (
            json!({}),
            vec![],
            "400 invalid_body | invalid_type action_name",
        ),
        (
            json!({ "action_name": "" }),
            vec![],
            "400 invalid_body | invalid_format action_name",
        ),
        (
            json!({ "action_name": 4 }),
            vec![],
            "400 invalid_body | invalid_type action_name",
        ),
        (json!({ "action_name": "nope" }), vec![], "404 not_found"),
        (
            good.clone(),
            vec![("connection-id", "nobody")],
            "400 unknown_connection",
        ),
        (
            good.clone(),
            vec![("provider-config-key", "nope")],
            "400 unknown_connection",
        ),
        (
            good.clone(),
            vec![("x-async", "")],
            "400 invalid_headers | invalid_value x-async",
        ),
        (
            good.clone(),
            vec![("x-max-retries", "6")],
            "400 invalid_headers | too_big x-max-retries",
        ),
    ];
    for (body, headers, refusal) in cases {
        let answer = trigger(&app, &body, &headers).await;
        assert_eq!(answer.refusal(), refusal, "{body} {headers:?}");
    }
    let headless = app.request("POST", "/action/trigger");
    let headless = headless.header("connection-id", "alice").json(&good);
    assert_eq!(
        headless.send().await.refusal(),
        "400 invalid_headers | invalid_type provider-config-key"
    );
    for path in ["/action/trigger", "/action/nope"] {
        assert_eq!(
            app.get(path).await.refusal(),
            "400 invalid_uri_params | invalid_format id"
        );
    }
}

#[tokio::test]
async fn an_asynchronous_action_is_fetched_by_its_id() {
    let app = echo().await;
    let body = json!({ "action_name": "echo", "input": [1] });
    let queued = trigger(&app, &body, &[("x-async", "true")]).await;
    assert_eq!(queued.status(), 202);
    let id = queued.json()["id"].as_str().unwrap().to_owned();
    let url = format!("/action/{id}");
    assert_eq!(queued.json(), json!({ "id": id, "statusUrl": url }));
    assert_eq!(queued.header("location"), url);
    assert_eq!(app.get(&url).await.refusal(), "404 not_found");
    app.run_until_idle().await;
    for _ in 0..2 {
        let result = app.get(&url).await;
        assert_eq!(
            (result.status(), result.json()),
            (200, json!({ "input": [1] }))
        );
    }
    assert_eq!(
        app.webhooks("async_action").await,
        [json!({
            "connectionId": "alice",
            "from": "nango",
            "payload": { "id": id, "statusUrl": url },
            "providerConfigKey": "crm",
            "type": "async_action",
        })]
    );
}

#[tokio::test]
async fn an_asynchronous_null_is_a_result() {
    let app = with_actions(&["out"]).await;
    app.functions
        .on("out", |_, _| async { succeeded(&json!(null)) });
    let body = json!({ "action_name": "out" });
    let queued = trigger(&app, &body, &[("x-async", "1")]).await.json();
    app.run_until_idle().await;
    let result = app.get(queued["statusUrl"].as_str().unwrap()).await;
    assert_eq!((result.status(), result.json()), (200, json!(null)));
}

#[tokio::test]
async fn a_failed_action_is_tried_again_as_often_as_allowed() {
    let app = with_actions(&["flaky"]).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    app.functions.on("flaky", move |_, _| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if run < 2 {
                return failed("script_internal_error", "oh");
            }
            succeeded(&json!(run))
        }
    });
    let body = json!({ "action_name": "flaky" });
    let queued = async |retries: &str| {
        let headers = [("x-async", "true"), ("x-max-retries", retries)];
        let queued = trigger(&app, &body, &headers).await.json();
        app.run_until_idle().await;
        app.get(queued["statusUrl"].as_str().unwrap()).await
    };
    let result = queued("1").await;
    assert_eq!(result.refusal(), "500 script_internal_error");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // One webhook: the attempt with a retry left said nothing.
    assert_eq!(app.webhooks("async_action").await.len(), 1);
    runs.store(0, Ordering::SeqCst);
    let result = queued("2").await;
    assert_eq!((result.status(), result.json()), (200, json!(2)));
    assert_eq!(app.webhooks("async_action").await.len(), 2);
}

#[tokio::test]
async fn one_hanging_action_holds_up_no_other() {
    let app = with_actions(&["hang", "quick"]).await;
    let go = Arc::new(tokio::sync::Notify::new());
    let gate = Arc::clone(&go);
    app.functions.on("hang", move |_, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            succeeded(&json!("at last"))
        }
    });
    app.functions
        .on("quick", |_, _| async { succeeded(&json!("quick")) });
    let queue = async |name: &str| {
        let body = json!({ "action_name": name });
        let queued = trigger(&app, &body, &[("x-async", "true")]).await.json();
        queued["statusUrl"].as_str().unwrap().to_owned()
    };
    let hanging = queue("hang").await;
    let quick = queue("quick").await;
    let loops = app.loops();
    while app.get(&quick).await.status() == 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.get(&hanging).await.status(), 404);
    go.notify_one();
    while app.get(&hanging).await.status() == 404 {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
}

#[tokio::test]
async fn an_action_may_call_an_action() {
    let app = with_actions(&["outer", "inner", "broken", "endless"]).await;
    app.functions.on("inner", |_, _| async {
        succeeded(&json!({ "deep": true }))
    });
    app.functions.on("broken", |_, _| async {
        failed("action_script_runtime_error", "no")
    });
    let call = |name: &str| HostCall::TriggerAction {
        provider_config_key: "crm".to_owned(),
        connection_id: "alice".to_owned(),
        action: name.to_owned(),
        input: json!({}),
    };
    app.functions.on("outer", move |_, host| async move {
        let inner = match host.call(call("inner")).await {
            Ok(HostReply::JsonText(text)) => serde_json::from_slice::<Value>(&text).unwrap(),
            other => panic!("{other:?}"),
        };
        let error = host.call(call("broken")).await.expect_err("it throws");
        let response = error.response.expect("as over HTTP");
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        succeeded(&json!({
            "inner": inner,
            "status": response.status,
            "code": body["error"]["code"],
        }))
    });
    let answer = run(&app, "outer").await.json();
    assert_eq!(
        answer,
        json!({
            "inner": { "deep": true },
            "status": 500,
            "code": "action_script_runtime_error",
        })
    );
    app.functions.on("endless", move |_, host| async move {
        match host.call(call("endless")).await {
            Ok(_) => succeeded(&json!(null)),
            Err(error) => failed("script_internal_error", &error.message),
        }
    });
    assert_eq!(run(&app, "endless").await.status(), 500);
}

#[tokio::test]
async fn faults_79_a_key_makes_one_side_effect_and_one_answer() {
    let app = with_actions(&["pay"]).await;
    let payments = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&payments);
    app.functions.on("pay", move |_, _| {
        let payment = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            succeeded(&json!({ "payment": payment }))
        }
    });
    let body = json!({ "action_name": "pay", "input": { "amount": 7 } });
    let key = [("idempotency-key", "k1")];
    let calls = (0..8).map(|_| trigger(&app, &body, &key));
    let answers = futures::future::join_all(calls).await;
    for answer in &answers {
        assert_eq!(
            (answer.status(), answer.json()),
            (200, json!({ "payment": 0 }))
        );
    }
    assert_eq!(payments.load(Ordering::SeqCst), 1);
    let again = trigger(&app, &body, &key).await;
    assert_eq!(again.json(), json!({ "payment": 0 }));
    let other = json!({ "action_name": "pay", "input": { "amount": 8 } });
    let refused = trigger(&app, &other, &key).await;
    assert_eq!(refused.refusal(), "409 idempotency_key_reused");
    let fresh = trigger(&app, &body, &[("idempotency-key", "k2")]).await;
    assert_eq!(fresh.json(), json!({ "payment": 1 }));
}

#[tokio::test]
async fn faults_79_a_failure_under_a_key_is_remembered_too() {
    let app = with_actions(&["pay"]).await;
    let payments = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&payments);
    app.functions.on("pay", move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { failed("action_script_runtime_error", "no funds") }
    });
    let body = json!({ "action_name": "pay" });
    for _ in 0..2 {
        let answer = trigger(&app, &body, &[("idempotency-key", "k1")]).await;
        assert_eq!(answer.refusal(), "500 action_script_runtime_error");
    }
    assert_eq!(payments.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let app = with_actions(&["slow"]).await;
    let go = Arc::new(tokio::sync::Notify::new());
    let done: Arc<Mutex<bool>> = Arc::default();
    let started = Arc::new(tokio::sync::Notify::new());
    let (gate, noted, began) = (Arc::clone(&go), Arc::clone(&done), Arc::clone(&started));
    app.functions.on("slow", move |_, _| {
        let (gate, noted, began) = (Arc::clone(&gate), Arc::clone(&noted), Arc::clone(&began));
        async move {
            began.notify_one();
            gate.notified().await;
            *noted.lock().unwrap() = true;
            succeeded(&json!(null))
        }
    });
    {
        let call = run(&app, "slow");
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("it waits for the gate"),
            () = started.notified() => {}
        }
    }
    go.notify_one();
    while !*done.lock().unwrap() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn locks_keep_others_out_until_the_run_ends() {
    let app = with_actions(&["holder", "other"]).await;
    let take = |key: &str| HostCall::TryAcquireLock {
        key: key.to_owned(),
        ttl_ms: 60_000,
    };
    let go = Arc::new(tokio::sync::Notify::new());
    let held = Arc::new(tokio::sync::Notify::new());
    let (gate, told) = (Arc::clone(&go), Arc::clone(&held));
    app.functions.on("holder", move |_, host| {
        let (gate, told) = (Arc::clone(&gate), Arc::clone(&told));
        async move {
            for _ in 0..2 {
                let reply = host.call(take("a")).await;
                assert!(matches!(reply, Ok(HostReply::Json(Value::Bool(true)))));
            }
            told.notify_one();
            gate.notified().await;
            succeeded(&json!(null))
        }
    });
    app.functions.on("other", move |_, host| async move {
        match host.call(take("a")).await {
            Ok(HostReply::Json(taken)) => succeeded(&taken),
            other => panic!("{other:?}"),
        }
    });
    let holding = run(&app, "holder");
    tokio::pin!(holding);
    tokio::select! {
        _ = &mut holding => panic!("it waits for the gate"),
        () = held.notified() => {}
    }
    assert_eq!(run(&app, "other").await.json(), json!(false));
    go.notify_one();
    holding.await;
    while run(&app, "other").await.json() != json!(true) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn older_endpoints_run_actions() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let flow = action("close").with(
        "endpoints",
        json!([{ "method": "POST", "path": "/tickets/close" }]),
    );
    app.deploy_flows(&[flow]).await;
    app.functions.on("close", |request, _| async move {
        match request.entry {
            tenon_core::function::Entry::Action { input } => succeeded(&input),
            other => panic!("{other:?}"),
        }
    });
    let call = |method: &str, path: &str| {
        app.request(method, path)
            .header("provider-config-key", "crm")
            .header("connection-id", "alice")
    };
    let answer = call("POST", "/v1/tickets/close").json(&json!({ "id": 1 }));
    assert_eq!(answer.send().await.json(), json!({ "id": 1 }));
    for (method, path) in [("GET", "/v1/tickets/close"), ("POST", "/v1/nope")] {
        let answer = call(method, path).send().await;
        assert_eq!(answer.status(), 404);
        assert!(answer.json()["message"].is_string());
    }
    let headless = app.request("GET", "/v1/nope").send().await;
    assert_eq!(
        headless.refusal(),
        "400 invalid_headers | invalid_type provider-config-key | invalid_type connection-id"
    );
}

#[tokio::test]
async fn results_of_actions_are_kept_for_five_days() {
    let app = echo().await;
    let body = json!({ "action_name": "echo" });
    let queued = trigger(&app, &body, &[("x-async", "true")]).await.json();
    let url = queued["statusUrl"].as_str().unwrap().to_owned();
    app.run_until_idle().await;
    let day = Duration::from_secs(24 * 3_600);
    let look = async || {
        let loops = app.loops();
        app.settle().await;
        app.clock.advance(Duration::from_secs(61));
        app.settle().await;
        loops.stop().await;
        app.get(&url).await.status()
    };
    app.clock.advance(4 * day);
    assert_eq!(look().await, 200);
    app.clock.advance(2 * day);
    assert_eq!(look().await, 404);
}
