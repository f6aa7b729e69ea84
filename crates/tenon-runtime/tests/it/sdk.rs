//! The other members of `nango` (functions.md, section 2).

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_core::{
    Timestamp,
    function::{
        Entry, FunctionKind, FunctionRunner, HostCall, HostErrorKind, HostReply, LogLevel,
        RunContext,
    },
};

use crate::common::{
    TestHost, action, action_request, failed, failure, json_response, output, pool, refused,
    request, succeeded, sync, sync_request, value,
};

/// Answers every call with what it is called.
fn naming() -> Arc<TestHost> {
    TestHost::new(|call| {
        let name = serde_json::to_value(call).unwrap();
        let name = name.as_str().map_or_else(
            || name.as_object().unwrap().keys().next().unwrap().clone(),
            str::to_owned,
        );
        Ok(HostReply::Json(
            json!({ "answer": name, "metadata": {"kept": true}, "webhook_url": "https://hook" }),
        ))
    })
}

#[tokio::test]
async fn properties_show_the_surroundings() {
    let mut request = sync_request(&sync(
        "throw new nango.ActionError(Object.fromEntries(['connectionId', 'providerConfigKey', 'provider', 'environmentName', 'scriptType', 'variant', 'isCLI', 'syncJobId', 'track_deletes', 'emptyCache'].map((n) => [n, nango[n]]).concat([['date', nango.lastSyncDate]])))",
    ));
    request.context = RunContext {
        sync_job_id: Some(7),
        last_sync_date: Some(Timestamp::from_millis(1_000)),
        track_deletes: true,
        ..request.context
    };
    let seen = failed(pool().run(request, TestHost::silent()).await).payload;
    assert_eq!(
        seen,
        json!({
            "connectionId": "alice", "providerConfigKey": "helpdesk", "provider": "helpdesk", "environmentName": "dev",
            "scriptType": "sync", "variant": "base", "isCLI": false, "syncJobId": 7, "track_deletes": true, "emptyCache": false,
            "date": "1970-01-01T00:00:01.000Z",
        })
    );
}

#[tokio::test]
async fn what_is_private_cannot_be_touched() {
    for name in [
        "nango",
        "persistClient",
        "constructor",
        "__proto__",
        "abortSignal",
        "getProxyConfig",
    ] {
        let seen = value(&format!(
            "try {{ nango['{name}']; return 'open' }} catch (error) {{ return error.message }}"
        ))
        .await;
        assert_eq!(seen, json!(format!("Access to \"{name}\" is not allowed.")));
    }
    assert_eq!(
        value("return Object.getPrototypeOf(nango)").await,
        Value::Null
    );
}

#[tokio::test]
async fn the_connection_is_asked_for_once_a_minute_unless_forced() {
    let host = naming();
    output(
        "await nango.getConnection(); await nango.getConnection(); await nango.getMetadata(); \
         await nango.getConnection('k', 'c'); await nango.getConnection('k', 'c', { forceRefresh: true }); await nango.getConnection('k', 'c')",
        Value::Null,
        host.clone(),
    )
    .await;
    let asked: Vec<(Option<String>, bool)> = host
        .calls()
        .into_iter()
        .map(|call| match call {
            HostCall::GetConnection {
                provider_config_key,
                force_refresh,
                ..
            } => (provider_config_key, force_refresh),
            other => panic!("only connections: {other:?}"),
        })
        .collect();
    assert_eq!(
        asked,
        [
            (None, false),
            (Some("k".into()), false),
            (Some("k".into()), true)
        ]
    );
}

#[tokio::test]
async fn changed_metadata_and_refused_credentials_drop_the_kept_connection() {
    let host = TestHost::new(|call| match call {
        HostCall::Proxy(_) => json_response(401, &json!({})),
        _ => Ok(HostReply::Json(json!({"metadata": {}}))),
    });
    output(
        "await nango.getMetadata(); await nango.setMetadata({ a: 1 }); await nango.getMetadata(); await nango.updateMetadata({ b: 2 }); \
         await nango.getMetadata(); await nango.get({ endpoint: '/x' }).catch(() => {}); await nango.getMetadata(); await nango.getMetadata()",
        Value::Null,
        host.clone(),
    )
    .await;
    let asked = host
        .calls()
        .iter()
        .filter(|call| matches!(call, HostCall::GetConnection { .. }))
        .count();
    assert_eq!(asked, 4);
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    for (call, answer) in [
        ("getToken()", "GetToken"),
        ("getIntegration()", "GetIntegration"),
        ("getEnvironmentVariables()", "GetEnvironmentVariables"),
        ("triggerAction('k', 'c', 'a', { x: 1 })", "TriggerAction"),
        (
            "triggerSync('k', 'c', { name: 's', variant: 'v' }, { reset: true })",
            "TriggerSync",
        ),
        ("startSync('k', ['s'], 'c')", "StartSync"),
        ("getCheckpoint()", "GetCheckpoint"),
        ("tryAcquireLock({ key: 'l', ttlMs: 10 })", "TryAcquireLock"),
        ("releaseLock({ key: 'l' })", "ReleaseLock"),
    ] {
        let seen = output(
            &format!("return (await nango.{call}).answer"),
            Value::Null,
            naming(),
        )
        .await;
        assert_eq!(seen, json!(answer), "{call}");
    }
    assert_eq!(
        output("return nango.getWebhookURL()", Value::Null, naming()).await,
        json!("https://hook")
    );
    assert_eq!(
        output("return nango.getMetadata()", Value::Null, naming()).await,
        json!({"kept": true})
    );
}

#[tokio::test]
async fn an_integration_is_kept_per_include_list() {
    let host = naming();
    output(
        "await nango.getIntegration(); await nango.getIntegration(); await nango.getIntegration({ include: ['credentials'] }); await nango.getWebhookURL(); await nango.getWebhookURL()",
        Value::Null,
        host.clone(),
    )
    .await;
    assert_eq!(host.calls().len(), 3);
}

#[tokio::test]
async fn checkpoints_hold_only_flat_values() {
    let host = naming();
    output("await nango.saveCheckpoint({ page: 3, at: 'x', done: false }); await nango.clearCheckpoint()", Value::Null, host.clone()).await;
    assert!(
        matches!(&host.calls()[0], HostCall::SaveCheckpoint { checkpoint } if checkpoint["page"] == 3)
    );
    for bad in ["{ a: {} }", "{ a: null }", "{ a: [1] }", "null", "[1]"] {
        let failure = failure(&format!("await nango.saveCheckpoint({bad})"), naming()).await;
        assert!(
            failure.message.starts_with("Error saving checkpoint"),
            "{bad}"
        );
    }
}

async fn logged(level: LogLevel, body: &str) -> Vec<(LogLevel, String, Option<Value>)> {
    let host = TestHost::silent();
    let mut request = action_request(&action(body), Value::Null);
    request.context.log_level = level;
    succeeded(pool().run(request, host.clone()).await);
    let lines = host.calls().into_iter().map(|call| match call {
        HostCall::Log {
            level,
            message,
            payload,
        } => (level, message, payload.filter(|payload| !payload.is_null())),
        other => panic!("only lines: {other:?}"),
    });
    lines.collect()
}

#[tokio::test]
async fn log_lines_have_a_level_and_a_payload() {
    let lines = logged(
        LogLevel::Debug,
        "await nango.log('plain'); await nango.log('with', { a: 1 }); await nango.log('list', [1, 2], { level: 'error' }); \
         await nango.log('old', { level: 'verbose' }); await nango.log('lone \\ud800'); console.log('console', { b: 2 })",
    )
    .await;
    assert_eq!(
        lines,
        [
            (LogLevel::Info, "plain".into(), None),
            (LogLevel::Info, "with".into(), Some(json!({"a": 1}))),
            (
                LogLevel::Error,
                "list".into(),
                Some(json!({"0": 1, "1": 2}))
            ),
            (LogLevel::Debug, "old".into(), None),
            (LogLevel::Info, "lone \u{fffd}".into(), None),
            (LogLevel::Debug, "console {\"b\":2}".into(), None),
        ]
    );
}

#[tokio::test]
async fn lines_below_the_level_are_not_sent() {
    let lines = logged(
        LogLevel::Warn,
        "await nango.log('a'); await nango.log('b', { level: 'warn' }); nango.setLogger({ level: 'error' }); await nango.log('c', { level: 'warn' }); console.log('d')",
    )
    .await;
    assert_eq!(
        lines.iter().map(|line| line.1.as_str()).collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(
        logged(
            LogLevel::Off,
            "nango.setLogger({ level: 'debug' }); await nango.log('a', { level: 'error' })"
        )
        .await,
        []
    );
}

#[tokio::test]
async fn large_log_payloads_are_cut_and_the_line_says_so() {
    let lines = logged(
        LogLevel::Debug,
        "await nango.log('big', { text: 'x'.repeat(1_000_000) })",
    )
    .await;
    let (_, message, payload) = &lines[0];
    assert!(message.contains("truncated") && payload.as_ref().unwrap().to_string().len() <= 99_000);
}

#[tokio::test]
async fn a_lost_log_line_never_fails_the_function() {
    let host = TestHost::new(|_| refused(HostErrorKind::Plain, "disk_full"));
    let mut request = action_request(&action("await nango.log('x'); return 1"), Value::Null);
    request.context.log_level = LogLevel::Debug;
    assert_eq!(succeeded(pool().run(request, host).await), json!(1));
}

#[tokio::test]
async fn invalid_input_is_logged_and_thrown() {
    let schema = "const { z } = require('zod'); const schema = z.object({ x: z.number() });";
    let host = TestHost::silent();
    let failure = failure(
        &format!(
            "{schema} await nango.zodValidateInput({{ zodSchema: schema, input: {{ x: 'no' }} }})"
        ),
        host.clone(),
    )
    .await;
    assert_eq!(
        (failure.kind.as_str(), failure.payload),
        (
            "action_script_runtime_error",
            json!({"message": "Invalid input provided"})
        )
    );
    assert!(
        matches!(&host.calls()[..], [HostCall::Log { level: LogLevel::Error, message, .. }] if message.contains("'x'"))
    );
    let seen = value(&format!("{schema} return (await nango.zodValidateInput({{ zodSchema: schema, input: {{ x: 1 }} }})).data")).await;
    assert_eq!(seen, json!({"x": 1}));
}

#[tokio::test]
async fn webhooks_and_events_enter_by_their_own_doors() {
    let pool = pool();
    let javascript = "exports.default = { type: 'sync', exec: async () => { throw new Error('wrong door') }, \
                      onWebhook: async (nango, payload) => { throw new nango.ActionError({ type: nango.scriptType, payload, records: typeof nango.batchSave }) } }";
    let entry = Entry::Webhook {
        payload: json!({"n": 1}),
    };
    let seen = failed(
        pool.run(
            request(javascript, FunctionKind::Sync, entry.clone()),
            TestHost::silent(),
        )
        .await,
    );
    assert_eq!(
        seen.payload,
        json!({"type": "webhook", "payload": {"n": 1}, "records": "function"})
    );

    let legacy = "exports.onWebhookPayloadReceived = async (nango, payload) => { throw new nango.ActionError(payload) }";
    let seen = failed(
        pool.run(
            request(legacy, FunctionKind::Sync, entry.clone()),
            TestHost::silent(),
        )
        .await,
    );
    assert_eq!(seen.payload, json!({"n": 1}));

    let seen = failed(
        pool.run(
            request(&sync(""), FunctionKind::Sync, entry),
            TestHost::silent(),
        )
        .await,
    );
    assert!(seen.message.contains("onWebhook"));

    let event = "exports.default = { type: 'onEvent', exec: async (nango, ...rest) => { throw new nango.ActionError({ type: nango.scriptType, rest, records: typeof nango.batchSave }) } }";
    let seen = failed(
        pool.run(
            request(event, FunctionKind::OnEvent, Entry::OnEvent),
            TestHost::silent(),
        )
        .await,
    );
    assert_eq!(
        seen.payload,
        json!({"type": "on-event", "rest": [], "records": "undefined"})
    );
}

#[tokio::test]
async fn old_bundles_are_plain_functions() {
    let pool = pool();
    let run = async |input: Value| {
        let javascript = "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = async function (nango, input) { return [typeof input, input ?? null] }";
        succeeded(
            pool.run(action_request(javascript, input), TestHost::silent())
                .await,
        )
    };
    assert_eq!(run(json!({})).await, json!(["undefined", null]));
    assert_eq!(run(json!({"a": 1})).await, json!(["object", {"a": 1}]));
}

#[tokio::test]
async fn bundles_may_keep_their_wrappers() {
    let javascript = "const { createAction } = require('nango'); exports.default = createAction({ exec: async () => 1 })";
    assert_eq!(
        succeeded(
            pool()
                .run(action_request(javascript, Value::Null), TestHost::silent())
                .await
        ),
        json!(1)
    );
}
