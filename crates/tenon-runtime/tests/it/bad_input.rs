//! Functions that are broken or do what nobody expects: each ends in a clear outcome, its neighbour goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_core::function::{FunctionRunner, HostCall, RunFailure, RunOutcome, RunRequest};
use tenon_runtime::WorkerPool;

use crate::common::{
    TestHost, action, action_request, answering, failed, pool, response, succeeded, sync,
    sync_request,
};

/// Runs `bad` in the worker in which a neighbour works; how it ended.
async fn beside(pool: &WorkerPool, bad: RunRequest) -> RunOutcome {
    let neighbour = "let n = 0; for (let i = 0; i < 10; i++) n += (await nango.get({ endpoint: '/n' })).data.n; return n";
    let good = action_request(&action(neighbour), Value::Null);
    let (bad, good) = tokio::join!(
        pool.run(bad, TestHost::silent()),
        pool.run(good, answering(json!({"n": 1})))
    );
    assert_eq!(succeeded(good), json!(10), "the neighbour goes on");
    bad
}

async fn fails(pool: &WorkerPool, javascript: &str) -> RunFailure {
    failed(beside(pool, action_request(javascript, Value::Null)).await)
}

#[tokio::test]
async fn whatever_is_thrown_is_told() {
    let pool = pool();
    for (body, message) in [
        ("throw null", "null"),
        ("throw undefined", "undefined"),
        ("throw 0", "0"),
        ("throw ''", "\"\""),
        ("throw []", "[]"),
        (
            "throw new Proxy({ message: 'm' }, {})",
            "{\"message\":\"m\"}",
        ),
        ("throw new Proxy(() => {}, {})", "native code"),
        (
            "throw new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 }, getPrototypeOf() { throw 3 } })",
            "cannot be read",
        ),
        (
            "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy",
            "cannot be read",
        ),
        ("throw Object.create(null)", "{}"),
        (
            "throw new AggregateError([new Error('a')], 'several')",
            "several",
        ),
        (
            "throw Object.assign(new Error('cause'), { cause: new Error('inner') })",
            "cause",
        ),
        ("throw new Error('\\ud800 lone')", "lone"),
        ("throw new Error({ toString() { return 'odd' } })", "odd"),
    ] {
        let failure = fails(&pool, &action(body)).await;
        assert_eq!(failure.kind, "script_internal_error", "{body}");
        assert!(
            failure.message.contains(message),
            "{body}: {}",
            failure.message
        );
        assert_eq!(failure.status, 500);
    }
}

#[tokio::test]
async fn ten_megabytes_of_message_are_cut() {
    let pool = pool();
    for body in [
        "throw new Error('x'.repeat(10_000_000))",
        "throw 'x'.repeat(10_000_000)",
        "throw { text: 'x'.repeat(10_000_000) }",
        "throw new nango.ActionError({ text: 'x'.repeat(10_000_000) })",
        "const e = new Error('x'); e.stack = 'at exec (tickets.js:1:1)\\n'.repeat(500_000); throw e",
        "const e = new Error('x'); e.name = 'n'.repeat(10_000_000); e.code = 'c'.repeat(10_000_000); throw e",
        "throw Object.assign(new Error('h'), { isAxiosError: true, response: { status: 500, headers: {}, data: 'x'.repeat(10_000_000) } })",
    ] {
        let failure = fails(&pool, &action(body)).await;
        assert!(
            failure.message.len() <= 10_000,
            "{body}: {}",
            failure.message.len()
        );
        let size = failure.payload.to_string().len();
        assert!(size <= 1_100_000, "{body}: {size}");
    }
}

#[tokio::test]
async fn what_is_thrown_after_the_deadline_comes_too_late() {
    let pool = pool();
    for body in [
        "setTimeout(() => { throw new Error('late') }, 60_000); await new Promise(() => {})",
        "try { await new Promise((r) => setTimeout(r, 60_000)) } finally { throw new Error('late') }",
        "for (;;) { try { await new Promise((r) => setTimeout(r, 1)) } catch { throw new Error('late') } }",
        "try { while (true) {} } finally { throw new Error('late') }",
        "new Promise((_, no) => setTimeout(no, 60_000, new Error('late'))); await new Promise((r) => setTimeout(r, 60_000))",
    ] {
        let mut request = action_request(&action(body), Value::Null);
        request.limits.run = Duration::from_millis(300);
        let failure = failed(beside(&pool, request).await);
        assert_eq!(
            failure.kind, "execution_timeout",
            "{body}: {}",
            failure.message
        );
        assert!(!failure.message.contains("late"));
    }
}

#[tokio::test]
async fn a_module_that_is_not_a_function_of_ours_says_why() {
    let pool = pool();
    for (javascript, message) in [
        ("exports.default = {{{", "cannot be compiled"),
        (
            "exports.default = async () => { await }",
            "cannot be compiled",
        ),
        ("import x from 'y'; export default x", "cannot be compiled"),
        ("throw new Error('at load')", "at load"),
        ("null.x", "null"),
        ("", "no default export"),
        ("module.exports = null", "no default export"),
        ("exports.default = 7", "no default export"),
        ("exports.default = 'text'", "no default export"),
        ("exports.default = null", "no default export"),
        ("exports.default = []", "no default export"),
        (
            "exports.default = Promise.resolve({ exec() {} })",
            "no exec",
        ),
        ("exports.default = {}", "no exec"),
        ("exports.default = { exec: 'text' }", "no exec"),
        ("exports.default = class { constructor() {} }", "new"),
        (
            "Object.defineProperty(exports, 'default', { get() { throw new Error('getter') } })",
            "getter",
        ),
        (
            "exports.default = { get exec() { throw new Error('exec getter') } }",
            "exec getter",
        ),
        (
            "exports.default = new Proxy({}, { get() { throw new Error('trap') } })",
            "trap",
        ),
        ("while (true) {}", "computed for more than"),
        ("(function deep() { deep() })()", "stack"),
    ] {
        let mut request = action_request(javascript, Value::Null);
        request.limits.busy = Duration::from_millis(500);
        let failure = failed(beside(&pool, request).await);
        assert!(
            failure.message.contains(message),
            "{javascript}: {}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_default_export_that_is_a_proxy_of_a_function_runs() {
    let javascript = "exports.default = new Proxy({ exec: async () => 'ran' }, {})";
    let outcome = beside(&pool(), action_request(javascript, Value::Null)).await;
    assert_eq!(succeeded(outcome), "ran");
}

#[tokio::test]
async fn lone_surrogates_go_through_as_json_writes_them() {
    let host = TestHost::new(|call| match call {
        HostCall::Proxy(_) => response(
            200,
            "application/json",
            r#"{"half":"\ud800","whole":"\ud83d\ude00"}"#,
        ),
        _ => Ok(tenon_core::function::HostReply::Done),
    });
    let body = "const { data } = await nango.get({ endpoint: '/x\\ud800' }); nango.log('\\udfff'); \
                await nango.saveCheckpoint({ at: data.half }); return { ...data, length: data.half.length, url: new URL('https://a.test/?q=\\ud800').search }";
    let outcome = pool()
        .run(action_request(&action(body), Value::Null), host.clone())
        .await;
    let RunOutcome::Succeeded { output } = outcome else {
        panic!("{outcome:?}");
    };
    let text = std::str::from_utf8(&output).unwrap();
    assert_eq!(
        text,
        "{\"half\":\"\\ud800\",\"whole\":\"😀\",\"length\":1,\"url\":\"?q=%EF%BF%BD\"}"
    );
    let calls = host.calls();
    let Some(HostCall::SaveCheckpoint { checkpoint }) = calls.last() else {
        panic!("{calls:?}");
    };
    assert_eq!(checkpoint["at"], "\u{fffd}", "what is stored is text");
}

#[tokio::test]
async fn a_bigint_in_a_record_says_so_and_saves_nothing() {
    let host = TestHost::silent();
    let body = sync(
        "await nango.batchSave([{ id: 1, ok: 1 }, { id: 2, nested: { big: 2n ** 64n } }], 'Ticket')",
    );
    let failure = failed(pool().run(sync_request(&body), host.clone()).await);
    assert_eq!(failure.payload["name"], "TypeError");
    assert!(failure.message.contains("BigInt"), "{}", failure.message);
    assert!(host.calls().is_empty());
}

#[tokio::test]
async fn a_hundred_thousand_promises_are_borne() {
    let pool = pool();
    for body in [
        "return (await Promise.all(Array.from({ length: 100_000 }, async (_, i) => i))).length",
        "let p = Promise.resolve(0); for (let i = 0; i < 100_000; i++) p = p.then((n) => n + 1); return await p",
        "let n = 0; await Promise.allSettled(Array.from({ length: 100_000 }, () => Promise.reject(n++))); return n",
        "for (let i = 0; i < 100_000; i++) Promise.reject(new Error('nobody')); return 100_000",
    ] {
        let outcome = beside(&pool, action_request(&action(body), Value::Null)).await;
        assert_eq!(succeeded(outcome), 100_000, "{body}");
    }
}

#[tokio::test]
async fn regex_bombs_end_at_their_limit() {
    let pool = pool();
    for body in [
        "/^(a+)+$/.test('a'.repeat(50) + '!')",
        "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
        "/(x+x+)+y/.exec('x'.repeat(60))",
        "'a'.repeat(60).match(/(a|a?)+b/)",
        "'a'.repeat(50).split(/(a*)*b/)",
    ] {
        let mut request = action_request(&action(body), Value::Null);
        request.limits.busy = Duration::from_millis(300);
        let failure = failed(beside(&pool, request).await);
        assert!(
            [
                "execution_timeout",
                "script_out_of_memory",
                "script_internal_error"
            ]
            .contains(&failure.kind.as_str()),
            "{body}: {} {}",
            failure.kind,
            failure.message
        );
        assert_ne!(failure.message, "cannot be read", "{body}");
    }
}
