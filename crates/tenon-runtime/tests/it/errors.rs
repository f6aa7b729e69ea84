//! What a thrown value means to the caller (functions.md, section 3).

use serde_json::{Value, json};
use tenon_core::function::{FunctionRunner, HostCall, HostErrorKind, HostReply};

use crate::common::{
    TestHost, action, action_request, failed, failure, json_response, pool, refused, response,
    succeeded, value,
};

/// Kind, status and payload without the stack.
async fn told(body: &str) -> (String, u16, Value) {
    told_by(body, TestHost::silent()).await
}

async fn told_by(body: &str, host: std::sync::Arc<TestHost>) -> (String, u16, Value) {
    let mut failure = failure(body, host).await;
    if let Some(payload) = failure.payload.as_object_mut()
        && let Some(stack) = payload.remove("stacktrace")
    {
        assert!(stack.is_array(), "the stack is a list of lines");
    }
    (failure.kind, failure.status, failure.payload)
}

#[tokio::test]
async fn an_action_error_keeps_its_payload() {
    let kind = "action_script_runtime_error";
    let cases = [
        (
            "throw new nango.ActionError({ message: 'own', type: 't', field: 'f' })",
            json!({"message": "own", "type": "t", "field": "f"}),
        ),
        ("throw new nango.ActionError()", json!({})),
        (
            "throw new nango.ActionError('only text')",
            json!({"message": "only text"}),
        ),
        ("throw new nango.ActionError([1])", json!({"message": [1]})),
        (
            "class Own extends nango.ActionError {}; throw new Own({ a: 1 })",
            json!({"a": 1}),
        ),
        (
            "throw new nango.ActionError({ big: 10n })",
            json!({"big": "10"}),
        ),
    ];
    for (body, payload) in cases {
        assert_eq!(told(body).await, (kind.into(), 500, payload), "{body}");
    }
}

#[tokio::test]
async fn other_errors_tell_their_name_and_message() {
    let kind = "script_internal_error";
    let cases = [
        (
            "throw new Error('plain error')",
            json!({"name": "Error", "message": "plain error"}),
        ),
        (
            "throw 'a string'",
            json!({"name": "Error", "message": "\"a string\""}),
        ),
        (
            "throw { code: 7 }",
            json!({"name": "Error", "message": "{\"code\":7}"}),
        ),
        ("throw null", json!({"name": "Error", "message": "null"})),
        (
            "throw undefined",
            json!({"name": "Error", "message": "undefined"}),
        ),
        (
            "throw Object.assign(new RangeError('r'), { code: 'E_R' })",
            json!({"name": "RangeError", "message": "r", "code": "E_R"}),
        ),
        (
            "throw 12345678901234567890n",
            json!({"name": "Error", "message": "12345678901234567890"}),
        ),
    ];
    for (body, payload) in cases {
        assert_eq!(told(body).await, (kind.into(), 500, payload), "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_still_an_outcome() {
    for body in [
        "throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 }, ownKeys() { throw 3 } })",
        "const e = new Error('x'); Object.defineProperty(e, 'message', { get() { throw e } }); throw e",
        "throw Symbol('s')",
        "throw { toJSON() { throw 1 }, toString() { throw 2 } }",
    ] {
        assert_eq!(told(body).await.0, "script_internal_error", "{body}");
    }
}

#[tokio::test]
async fn huge_messages_and_payloads_are_cut() {
    let failure_ = failure("throw new Error('x'.repeat(5_000_000))", TestHost::silent()).await;
    assert!(failure_.message.len() <= 10_000 && failure_.payload.to_string().len() < 100_000);
    let failure_ = failure(
        "throw new nango.ActionError({ list: Array.from({ length: 100_000 }, (_, i) => ({ i, text: 'é'.repeat(50) })), last: 1 })",
        TestHost::silent(),
    )
    .await;
    let size = failure_.payload.to_string().len();
    assert!((50_000..=99_000).contains(&size), "{size}");
}

#[tokio::test]
async fn deeply_nested_payloads_are_cut() {
    let deep = "let deep = {}; for (let i = 0; i < 300; i++) deep = { deep };";
    let thrown = failure(
        &format!("{deep} throw new nango.ActionError({{ a: 1, deep }})"),
        TestHost::silent(),
    )
    .await;
    assert_eq!(thrown.kind, "action_script_runtime_error");
    assert_eq!(thrown.payload["a"], 1);
    let thrown = failure(
        &format!("{deep} await nango.triggerAction('k', 'c', 'a', deep)"),
        TestHost::silent(),
    )
    .await;
    assert!(thrown.message.contains("too deeply"), "{}", thrown.message);
}

#[tokio::test]
async fn the_stack_names_only_lines_of_the_function() {
    let failure = failure(
        "function inner() { throw new Error('x') }\n function outer() { inner() }\n outer()",
        TestHost::silent(),
    )
    .await;
    let lines: Vec<&str> = failure.payload["stacktrace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert!(
        lines[0].contains("inner") && lines[0].contains("tickets.js:1"),
        "{lines:?}"
    );
    assert!(
        lines.len() <= 10 && lines.iter().all(|line| line.contains("tickets.js")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_answer_of_the_provider_is_an_http_error() {
    let host =
        TestHost::new(|_| json_response(422, &json!({"error": "bad", "nested": {"a": [1]}})));
    let failure = failure("await nango.post({ endpoint: '/x', data: {} })", host).await;
    assert_eq!(
        (failure.kind.as_str(), failure.status),
        ("script_http_error", 422)
    );
    assert_eq!(
        failure.payload,
        json!({"error": "bad", "nested": {"a": [1]}})
    );
    assert_eq!(
        Value::Object(failure.additional_properties.unwrap()),
        json!({"upstream_response": {
            "status": 422,
            "headers": {"content-type": "application/json"},
            "body": {"error": "bad", "nested": {"a": [1]}},
        }})
    );
}

#[tokio::test]
async fn a_text_answer_is_wrapped_and_a_payload_key_wins() {
    let host = TestHost::new(|_| response(500, "text/plain", "it broke"));
    let text = failure("await nango.get({ endpoint: '/x' })", host).await;
    assert_eq!(text.payload, json!({"message": "it broke"}));
    assert_eq!(
        text.additional_properties.unwrap()["upstream_response"]["body"],
        json!({"message": "it broke"})
    );

    let host = TestHost::new(|_| json_response(400, &json!({"payload": {"own": 1}, "rest": 2})));
    let keyed = failure("await nango.get({ endpoint: '/x' })", host).await;
    assert_eq!(keyed.payload, json!({"own": 1}));
}

#[tokio::test]
async fn no_answer_is_a_network_error() {
    let host = TestHost::new(|_| refused(HostErrorKind::Http, "ECONNREFUSED"));
    let (kind, status, payload) = told_by("await nango.get({ endpoint: '/x' })", host).await;
    assert_eq!((kind.as_str(), status), ("script_network_error", 500));
    assert_eq!(payload["code"], "ECONNREFUSED");
    assert_eq!(payload["name"], "AxiosError");
}

#[tokio::test]
async fn our_own_rate_limit_is_told_apart() {
    let limited = |call: &HostCall| match call {
        HostCall::Proxy(_) => json_response(429, &json!({"a": 1})),
        _ => {
            let Ok(HostReply::Response(reply)) =
                json_response(429, &json!({"error": {"code": "too_many_request"}}))
            else {
                unreachable!()
            };
            Err(tenon_core::function::HostError {
                code: "ERR_BAD_REQUEST".into(),
                message: "limited".into(),
                response: Some(reply),
                kind: HostErrorKind::Http,
            })
        }
    };
    let ours = failure(
        "await nango.triggerAction('a', 'b', 'c', {})",
        TestHost::new(limited),
    )
    .await;
    assert_eq!(
        (ours.kind.as_str(), ours.status),
        ("script_api_rate_limit_error", 424)
    );
    let theirs = failure(
        "await nango.get({ endpoint: '/x' })",
        TestHost::new(limited),
    )
    .await;
    assert_eq!(
        (theirs.kind.as_str(), theirs.status),
        ("script_http_error", 429)
    );
}

#[tokio::test]
async fn errors_with_a_code_of_the_platform_keep_it() {
    let host = || TestHost::new(|_| refused(HostErrorKind::Sdk, "execution_interrupted"));
    let (kind, ..) = told_by("await nango.saveCheckpoint({ page: 1 })", host()).await;
    assert_eq!(kind, "execution_interrupted");
    let caught = crate::common::output(
        "try { await nango.saveCheckpoint({ page: 1 }) } catch (error) { return [error.type, error.code, error instanceof Error] }",
        Value::Null,
        host(),
    )
    .await;
    assert_eq!(
        caught,
        json!(["execution_interrupted", "execution_interrupted", true])
    );
}

#[tokio::test]
async fn an_output_must_be_json_of_limited_size() {
    assert_eq!(
        value("return { a: 1, u: undefined, d: new Date(0), n: NaN }").await,
        json!({"a": 1, "d": "1970-01-01T00:00:00.000Z", "n": null})
    );
    assert_eq!(value("return").await, Value::Null);
    assert_eq!(value("return ''").await, json!(""));
    assert_eq!(told("return 1n").await.0, "script_internal_error");
    assert_eq!(
        told("const a = {}; a.a = a; return a").await.0,
        "script_internal_error"
    );
    assert_eq!(
        told("return { s: 'x'.repeat(3 * 1024 * 1024) }").await.0,
        "action_script_failure"
    );
}

#[tokio::test]
async fn a_bundle_that_cannot_start_says_why() {
    let pool = pool();
    let cases = [
        ("exports.default = {", "cannot be compiled"),
        ("exports.other = 1", "no default export"),
        ("exports.default = { type: 'action' }", "no exec"),
        (
            "require('fs'); exports.default = { exec() {} }",
            "Module 'fs' is not allowed",
        ),
        ("})(); (function () {", "is not"),
    ];
    for (javascript, part) in cases {
        let failure = failed(
            pool.run(action_request(javascript, Value::Null), TestHost::silent())
                .await,
        );
        assert_eq!(failure.kind, "script_internal_error");
        if part != "is not" {
            assert!(
                failure.message.contains(part),
                "{javascript}: {}",
                failure.message
            );
        }
    }
}

#[tokio::test]
async fn an_error_of_a_timer_ends_the_run() {
    let (kind, _, payload) =
        told("setTimeout(() => { throw new TypeError('late') }, 1); await new Promise(() => {})")
            .await;
    assert_eq!(
        (kind.as_str(), payload["name"].as_str()),
        ("script_internal_error", Some("TypeError"))
    );
}

#[tokio::test]
async fn waiting_for_nothing_ends_at_once() {
    let (kind, _, payload) = told("await new Promise(() => {})").await;
    assert_eq!(kind, "script_internal_error");
    assert!(payload["message"].as_str().unwrap().contains("never"));
}

#[tokio::test]
async fn input_arrives_as_it_was_sent_and_nothing_as_an_empty_object() {
    let pool = pool();
    let echo = action("return { input }");
    for (input, seen) in [
        (
            json!({"a": [1, "é", null], "b": {"c": true}}),
            json!({"a": [1, "é", null], "b": {"c": true}}),
        ),
        (json!([1]), json!([1])),
        (json!("text"), json!("text")),
        (Value::Null, json!({})),
        (json!(0), json!({})),
    ] {
        let output = succeeded(
            pool.run(action_request(&echo, input), TestHost::silent())
                .await,
        );
        assert_eq!(output, json!({ "input": seen }));
    }
}
