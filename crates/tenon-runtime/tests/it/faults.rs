//! Faults 68 to 71: functions that mean harm, or do it without meaning to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::function::{
    FunctionRunner, Hold, Host, HostCall, HostError, HostErrorKind, HostReply, RunOutcome,
    RunRequest,
};
use tenon_runtime::{WorkerPool, WorkerPoolOptions};

use crate::common::{
    TestHost, action, action_request, answering, failed, json_response, options, output, pool,
    refused, succeeded, value,
};

/// An action with this body under limits that a test can wait for.
fn limited(body: &str) -> RunRequest {
    let mut request = action_request(&action(body), Value::Null);
    request.limits.busy = Duration::from_millis(300);
    request.limits.heap_bytes = 64 * 1024 * 1024;
    request
}

/// Runs `bad` beside a neighbour that waits and answers; how `bad` ended.
async fn beside_a_neighbour(pool: &WorkerPool, bad: RunRequest) -> RunOutcome {
    let neighbour = "let n = 0; for (let i = 0; i < 20; i++) { n += (await nango.get({ endpoint: '/n' })).data.n; await new Promise((r) => setTimeout(r, 5)) } return n";
    let good = action_request(&action(neighbour), Value::Null);
    let (bad, good) = tokio::join!(
        pool.run(bad, TestHost::silent()),
        pool.run(good, answering(json!({"n": 1})))
    );
    assert_eq!(succeeded(good), json!(20), "the neighbour goes on");
    bad
}

#[tokio::test]
async fn faults_68_what_computes_without_end_is_stopped_and_neighbours_are_unhurt() {
    let pool = pool();
    let before = wait_for_worker(&pool).await;
    for body in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch {} finally { continue } }",
        "const again = () => Promise.resolve().then(again); await again()",
        "const flood = () => { queueMicrotask(flood) }; flood(); await new Promise(() => {})",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        "'a'.repeat(40).replace(/(a|aa)+$/g, (m) => { while (true) {} })",
        "[3, 2, 1].sort(() => { while (true) {} })",
        "await (async () => { while (true) await null })()",
        "JSON.stringify({ toJSON() { while (true) {} } })",
        "class A { static { while (true) {} } }",
    ] {
        let failure = failed(beside_a_neighbour(&pool, limited(body)).await);
        // A chain of promises that only grows may fill the heap before its time is over.
        let kinds: &[&str] = if body.contains("again()") {
            &["execution_timeout", "script_out_of_memory"]
        } else {
            &["execution_timeout"]
        };
        assert!(
            kinds.contains(&failure.kind.as_str()),
            "{body}: {} {}",
            failure.kind,
            failure.message
        );
    }
    assert_eq!(before, wait_for_worker(&pool).await, "no worker died");
}

async fn wait_for_worker(pool: &WorkerPool) -> u32 {
    loop {
        // The worker that has the environment is the first.
        if let Some(id) = pool.process_ids().first() {
            return *id;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn faults_68_what_fills_the_memory_is_stopped_and_neighbours_are_unhurt() {
    let pool = pool();
    let before = wait_for_worker(&pool).await;
    for body in [
        "const all = []; for (;;) all.push(new Array(100_000).fill(1))",
        "let s = 'x'; for (;;) s += s + Math.random()",
        "new Uint8Array(4 * 1024 ** 3)",
        "globalThis.kept = []; for (;;) globalThis.kept.push({ a: [1, 2, 3] })",
        "'x'.repeat(2 ** 29)",
        "const all = []; for (let i = 0; i < 1e7; i++) all.push(new Promise(() => {}))",
        "const m = new Map(); for (let i = 0; ; i++) m.set('k' + i, i)",
        "await Promise.all(Array.from({ length: 1e8 }, (_, i) => i))",
    ] {
        let mut request = limited(body);
        request.limits.busy = Duration::from_secs(20);
        let failure = failed(beside_a_neighbour(&pool, request).await);
        let range =
            failure.kind == "script_internal_error" && failure.payload["name"] == "RangeError";
        let too_long = failure.message == "string too long";
        assert!(
            failure.kind == "script_out_of_memory" || range || too_long,
            "{body}: {} {}",
            failure.kind,
            failure.message
        );
    }
    assert_eq!(before, wait_for_worker(&pool).await, "no worker died");
}

/// A host that lets its runs wait until the test opens the gate.
#[derive(Default)]
struct Gate {
    asked: AtomicUsize,
    open: AtomicBool,
}

#[async_trait::async_trait]
impl Host for Gate {
    async fn call(&self, _: HostCall) -> Result<HostReply, HostError> {
        self.asked.fetch_add(1, SeqCst);
        while !self.open.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(HostReply::Json(json!({ "n": 1 })))
    }
}

#[tokio::test]
async fn faults_68_runs_that_fill_their_worker_together_end_clearly_and_small_ones_go_on() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        heaps_bytes: 48 * 1024 * 1024,
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let start = |body: &str| {
        let gate = Arc::new(Gate::default());
        let (pool, host) = (pool.clone(), gate.clone());
        let request = action_request(&action(body), Value::Null);
        let run = tokio::spawn(async move { pool.run(request, host).await });
        (gate, run)
    };
    let small = start(
        "const kept = []; for (let i = 0; i < 50; i++) { kept.push('x'.repeat(20_000)); await nango.getCheckpoint() } return kept.length",
    );
    wait_until(|| small.0.asked.load(SeqCst) > 0).await;
    let first = wait_for_worker(&pool).await;

    let large = "const kept = new Uint8Array(20 * 1024 * 1024).fill(1); await nango.getCheckpoint(); return kept.length";
    let (one, two) = (start(large), start(large));
    wait_until(|| one.0.asked.load(SeqCst) + two.0.asked.load(SeqCst) == 2).await;
    assert_eq!(pool.process_ids(), [first]);
    let too_much = "const kept = new Uint8Array(60 * 1024 * 1024); return kept.length";
    let failure = failed(
        pool.run(
            action_request(&action(too_much), Value::Null),
            TestHost::silent(),
        )
        .await,
    );
    assert_eq!(failure.kind, "script_out_of_memory");
    assert!(failure.message.contains("together"), "{}", failure.message);

    // Whoever comes now gets another process; the full one ends what it has.
    let next = pool.run(
        action_request(&action("return 1"), Value::Null),
        TestHost::silent(),
    );
    assert_eq!(succeeded(next.await), json!(1));
    assert!(
        pool.process_ids().iter().any(|id| *id != first),
        "{:?}",
        pool.process_ids()
    );
    for (gate, run) in [small, one, two] {
        gate.open.store(true, SeqCst);
        assert!(succeeded(run.await.unwrap()).as_u64().unwrap() >= 50);
    }
    wait_until(|| !pool.process_ids().contains(&first)).await;
}

/// Counts the holds that live.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test]
async fn faults_68_large_answers_are_held_until_the_function_has_them() {
    let pool = pool();
    let held = Arc::new(AtomicUsize::new(0));
    let at_last = Arc::new(AtomicUsize::new(usize::MAX));
    let (counted, left) = (held.clone(), at_last.clone());
    let host = TestHost::new(move |call| {
        if !matches!(call, HostCall::Proxy(_)) {
            // The last time, the function has had all answers and its worker has said so.
            left.store(counted.load(SeqCst), SeqCst);
            return Ok(HostReply::Done);
        }
        let Ok(HostReply::Response(mut reply)) =
            crate::common::response(200, "text/plain", "x".repeat(200_000))
        else {
            unreachable!("an answer is an answer")
        };
        reply.hold = Hold::on(Held::new(&counted));
        Ok(HostReply::Response(reply))
    });
    let body = "const asked = Array.from({ length: 8 }, () => nango.get({ endpoint: '/x' })); \
                const until = Date.now() + 300; while (Date.now() < until) {} \
                const got = await Promise.all(asked); await nango.getCheckpoint(); await nango.getCheckpoint(); return got.length";
    let running = tokio::spawn({
        let (pool, host) = (pool.clone(), host.clone());
        async move {
            pool.run(action_request(&action(body), Value::Null), host)
                .await
        }
    });
    // The function computes: its answers wait for it.
    wait_until(|| held.load(SeqCst) == 8).await;
    assert_eq!(succeeded(running.await.unwrap()), json!(8));
    assert_eq!(
        at_last.load(SeqCst),
        0,
        "they were let go of as they were taken"
    );

    // A run that is given up takes its answers along.
    let endless = "nango.get({ endpoint: '/x' }); while (true) {}";
    let mut request = action_request(&action(endless), Value::Null);
    request.limits.busy = Duration::from_millis(200);
    assert_eq!(
        failed(pool.run(request, host).await).kind,
        "execution_timeout"
    );
    wait_until(|| held.load(SeqCst) == 0).await;
}

/// Ends when the condition holds; fails after ten seconds.
async fn wait_until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to hold");
}

#[tokio::test]
async fn faults_68_deep_recursion_is_an_error_that_can_be_caught() {
    let pool = pool();
    for body in [
        "const deep = (n) => deep(n + 1) + 1; try { deep(0) } catch (error) { return error.name }",
        "let text = '['.repeat(1_000_000); try { JSON.parse(text) } catch (error) { return error.name }",
        "let list = []; for (let i = 0; i < 1_000_000; i++) list = [list]; try { JSON.stringify(list) } catch (error) { return error.name }",
    ] {
        let seen =
            succeeded(beside_a_neighbour(&pool, action_request(&action(body), Value::Null)).await);
        assert!(
            seen == "RangeError" || seen == "SyntaxError" || seen == "InternalError",
            "{body}: {seen}"
        );
    }
}

#[tokio::test]
async fn faults_68_promises_and_timers_in_great_numbers_are_borne_or_refused() {
    let pool = pool();
    let many = action(
        "const all = await Promise.all(Array.from({ length: 100_000 }, async (_, i) => i)); return all.length",
    );
    assert_eq!(
        succeeded(beside_a_neighbour(&pool, action_request(&many, Value::Null)).await),
        json!(100_000)
    );
    let timers = limited("for (let i = 0; i < 1e6; i++) setTimeout(() => {}, 1e6)");
    let failure = failed(beside_a_neighbour(&pool, timers).await);
    assert_eq!(
        (failure.payload["name"].as_str(), failure.kind.as_str()),
        (Some("RangeError"), "script_internal_error")
    );
}

#[tokio::test]
async fn faults_69_pollution_stays_data() {
    let poisoned = r#"{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 2}}, "list": [{"__proto__": null}]}"#;
    let host = TestHost::new(move |call| match call {
        HostCall::Proxy(_) => crate::common::response(200, "application/json", poisoned),
        _ => Ok(HostReply::JsonText(poisoned.into())),
    });
    let body = "const seen = [input, (await nango.get({ endpoint: '/x' })).data, await nango.getMetadata(), await nango.getCheckpoint()]; \
                return [({}).polluted ?? null, Object.prototype.polluted ?? null, typeof nango.get, typeof ({}).toString, seen.map((s) => s && Object.hasOwn(s, '__proto__'))]";
    let input: Value = serde_json::from_str(poisoned).unwrap();
    let seen = output(body, input, host).await;
    assert_eq!(
        seen,
        json!([null, null, "function", "function", [true, true, null, true]])
    );
}

#[tokio::test]
async fn faults_69_what_one_run_breaks_the_next_does_not_see() {
    let pool = pool();
    let vandal = action(
        "Object.prototype.polluted = 1; Array.prototype.map = () => 'broken'; Promise.prototype.then = function () { return this }; JSON.stringify = () => '\"forged\"'; \
         globalThis.leak = 'secret'; Buffer.from = null; require('crypto').createHash = null; require('zod').z.string = null; return 1",
    );
    let check = action(
        "return [({}).polluted ?? null, [1].map((x) => x + 1), typeof leak, typeof Buffer.from, typeof require('crypto').createHash, require('zod').z.string().parse('x')]",
    );
    for _ in 0..4 {
        pool.run(action_request(&vandal, Value::Null), TestHost::silent())
            .await;
        let seen = succeeded(
            pool.run(action_request(&check, Value::Null), TestHost::silent())
                .await,
        );
        assert_eq!(
            seen,
            json!([null, [2], "undefined", "function", "function", "x"])
        );
    }
}

#[tokio::test]
async fn faults_70_there_is_no_way_out_of_an_isolate() {
    let gone = "['process', 'global', 'fetch', 'XMLHttpRequest', 'WebSocket', 'SharedArrayBuffer', 'Atomics', 'WebAssembly', 'Deno', 'std', 'os', 'print', 'scriptArgs', 'native', 'navigator', '__loadScript', 'Worker', 'module_', 'performance_']";
    let seen = value(&format!(
        "return {gone}.filter((name) => typeof globalThis[name] !== 'undefined')"
    ))
    .await;
    assert_eq!(seen, json!([]));
    let pool = pool();
    for code in [
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')()",
        "Function('return this')()",
        "(() => {}).constructor('return 1')()",
        "Object.getPrototypeOf(async () => {}).constructor('return 1')()",
        "Object.getPrototypeOf(function* () {}).constructor('yield 1')()",
        "nango.get.constructor('return 1')()",
        "nango.ActionError.constructor('return 1')()",
        "require.constructor('return process')()",
        "setTimeout.constructor('return 1')()",
        "Reflect.construct(Function, ['return 1'])()",
        "await import('fs')",
        "await import('data:text/javascript,export default 1')",
        "require('fs')",
        "require('../../../../etc/passwd')",
        "setTimeout('globalThis.x = 1', 1)",
        "require.main.require('fs')",
        "require.cache.fs.exports",
        "module.constructor._load('fs')",
        "console.constructor.constructor('return 1')()",
        "nango.constructor",
    ] {
        let body = action(&format!(
            "try {{ const out = {code}; return ['out', String(out)] }} catch (error) {{ return ['kept', error.name] }}"
        ));
        let seen = succeeded(
            pool.run(action_request(&body, Value::Null), TestHost::silent())
                .await,
        );
        assert_eq!(seen[0], "kept", "{code}: {seen}");
    }
}

#[tokio::test]
async fn faults_70_our_own_functions_do_not_leak_through_errors_or_callers() {
    let seen = value(
        "const names = new Set(); const look = (thing, depth) => { if (depth > 3 || (typeof thing !== 'object' && typeof thing !== 'function') || thing === null) return; \
         for (const key of Reflect.ownKeys(thing)) { let inner; try { inner = thing[key] } catch { continue } names.add(String(key)); if (typeof inner === 'object' || typeof inner === 'function') look(inner, depth + 1) } }; \
         look(require, 0); look(module, 0); look(nango.logger, 0); look(setTimeout(() => {}, 1), 0); \
         return ['callHost', 'loadModule', 'finish', 'relax', 'native'].filter((name) => names.has(name))",
    )
    .await;
    assert_eq!(seen, json!([]));
    assert_eq!(
        value("try { return typeof arguments.callee.caller } catch (error) { return error.name }")
            .await,
        json!("TypeError")
    );
}

#[tokio::test]
async fn faults_71_requests_only_go_where_the_host_lets_them() {
    let host = TestHost::new(|call| match call {
        HostCall::UncontrolledFetch(_) => refused(HostErrorKind::Action, "url_not_allowed"),
        HostCall::Proxy(call) if call.connection_id.is_some() => {
            refused(HostErrorKind::Http, "unknown_connection")
        }
        HostCall::Proxy(_) => json_response(200, &json!({})),
        _ => Ok(HostReply::Done),
    });
    let seen = output(
        "const tries = [() => nango.uncontrolledFetch({ url: new URL('http://127.0.0.1:3003/connections') }), \
         () => nango.uncontrolledFetch({ url: 'file:///etc/passwd' }), \
         () => nango.get({ endpoint: '/x', connectionId: 'of somebody else', providerConfigKey: 'helpdesk' })]; \
         const seen = []; for (const one of tries) { try { await one(); seen.push('through') } catch (error) { seen.push(error.payload?.code ?? error.code) } } return seen",
        Value::Null,
        host.clone(),
    )
    .await;
    assert_eq!(
        seen,
        json!(["url_not_allowed", "url_not_allowed", "unknown_connection"])
    );
    assert_eq!(
        host.calls().len(),
        3,
        "every try is seen by the host, which logs it"
    );
}

#[tokio::test]
async fn a_run_that_never_ends_ends_at_its_deadline() {
    let pool = pool();
    for body in [
        "await new Promise((r) => setTimeout(r, 60_000))",
        "for (;;) await new Promise((r) => setTimeout(r, 1))",
    ] {
        let mut request = action_request(&action(body), Value::Null);
        request.limits.run = Duration::from_millis(300);
        let failure = failed(pool.run(request, TestHost::silent()).await);
        assert_eq!(failure.kind, "execution_timeout", "{body}");
        assert!(
            failure.message.contains("longer than"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn what_cannot_be_interrupted_takes_its_worker_with_it_and_no_more() {
    let pool = pool();
    let mut request = action_request(
        &action("let n = 3n; for (let i = 0; i < 40; i++) n *= n; return String(n).length"),
        Value::Null,
    );
    request.limits.run = Duration::from_millis(500);
    request.limits.busy = Duration::from_millis(500);
    let outcome = tokio::time::timeout(
        Duration::from_secs(20),
        pool.run(request, TestHost::silent()),
    )
    .await
    .unwrap();
    assert!(matches!(outcome, RunOutcome::Failed(_)), "{outcome:?}");
    let after = pool
        .run(
            action_request(&action("return 1"), Value::Null),
            TestHost::silent(),
        )
        .await;
    assert_eq!(succeeded(after), json!(1));
}

#[tokio::test]
async fn an_isolate_gets_only_what_it_asks_for_at_a_time() {
    // More calls than may be open at once wait inside the isolate.
    let most = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let open = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    struct Counting(
        Arc<std::sync::atomic::AtomicUsize>,
        Arc<std::sync::atomic::AtomicUsize>,
    );
    #[async_trait::async_trait]
    impl tenon_core::function::Host for Counting {
        async fn call(&self, _: HostCall) -> Result<HostReply, tenon_core::function::HostError> {
            use std::sync::atomic::Ordering::SeqCst;
            self.1.fetch_max(self.0.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            self.0.fetch_sub(1, SeqCst);
            json_response(200, &json!({}))
        }
    }
    let body = action(
        "await Promise.all(Array.from({ length: 5000 }, () => nango.get({ endpoint: '/x' }))); return 1",
    );
    let outcome = pool()
        .run(
            action_request(&body, Value::Null),
            Arc::new(Counting(open, most.clone())),
        )
        .await;
    assert_eq!(succeeded(outcome), json!(1));
    let most = most.load(std::sync::atomic::Ordering::SeqCst);
    assert!((2..=100).contains(&most), "{most}");
}
