//! Faults 69 and 70, tried in earnest: every way out of an isolate, out of its worker and into the host that we could
//! think of, each against a locked-down worker in which a neighbour is at work.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::{Value, json};
use tenon_core::{
    function::{FunctionRunner, Host, HostCall, HostError, HostReply, RunOutcome},
    names::EnvironmentPk,
};
use tenon_runtime::{WorkerPool, WorkerPoolOptions};
use tokio::sync::Semaphore;

use crate::common::{TestHost, action, action_request, failed, json_response, options, succeeded};

/// A host whose answers wait until the test lets them go.
struct Gate {
    asked: AtomicUsize,
    open: Semaphore,
}

#[async_trait::async_trait]
impl Host for Gate {
    async fn call(&self, _: HostCall) -> Result<HostReply, HostError> {
        self.asked.fetch_add(1, SeqCst);
        self.open.acquire().await.unwrap().forget();
        Ok(HostReply::Json(json!({ "n": 1 })))
    }
}

/// A pool of one worker, and a run in it that asks its host once per attempt and counts the answers.
struct Neighbourhood {
    pool: WorkerPool,
    gate: Arc<Gate>,
    neighbour: tokio::task::JoinHandle<RunOutcome>,
    attempts: usize,
}

impl Neighbourhood {
    fn new(attempts: usize) -> Self {
        let pool = WorkerPool::start(WorkerPoolOptions {
            workers: 1,
            ..options()
        })
        .unwrap();
        let gate = Arc::new(Gate {
            asked: AtomicUsize::new(0),
            open: Semaphore::new(0),
        });
        let body = format!(
            "let sum = 0; for (let i = 0; i < {attempts}; i++) sum += (await nango.getCheckpoint()).n; return [sum, ({{}}).polluted ?? null, typeof JSON.stringify]"
        );
        let (runner, host) = (pool.clone(), gate.clone());
        let neighbour = tokio::spawn(async move {
            runner
                .run(action_request(&action(&body), Value::Null), host)
                .await
        });
        Self {
            pool,
            gate,
            neighbour,
            attempts,
        }
    }

    /// Runs an attempt while the neighbour waits in the same worker.
    async fn attempt(&self, body: &str) -> RunOutcome {
        let mut request = action_request(&action(body), Value::Null);
        request.limits.busy = std::time::Duration::from_millis(500);
        request.limits.heap_bytes = 48 * 1024 * 1024;
        let outcome = self.pool.run(request, everything()).await;
        self.gate.open.add_permits(1);
        outcome
    }

    /// The neighbour has got all its answers, and the worker is the one it began in.
    async fn finishes_unhurt(self) {
        let seen = succeeded(self.neighbour.await.unwrap());
        assert_eq!(seen, json!([self.attempts, null, "function"]));
        assert_eq!(self.gate.asked.load(SeqCst), self.attempts);
    }
}

/// Answers whatever an attempt asks for.
fn everything() -> Arc<TestHost> {
    TestHost::new(|call| match call {
        HostCall::Proxy(_) | HostCall::UncontrolledFetch(_) => {
            json_response(200, &json!({"a": [1]}))
        }
        HostCall::PaginationSettings { .. } => Ok(HostReply::Json(Value::Null)),
        _ => Ok(HostReply::Json(json!({ "metadata": {} }))),
    })
}

/// Expressions that must throw.
const THROWN: &[&str] = &[
    // Code out of text.
    "eval('1')",
    "(0, eval)('this')",
    "globalThis['ev' + 'al']('1')",
    "Function('return this')()",
    "new Function('return process')()",
    "new (class extends Function {})('return 1')()",
    "new (new Proxy(Function, {}))('return 1')()",
    "Reflect.construct(Function, ['return 1'])()",
    "Reflect.apply(Function, null, ['return 1'])()",
    "Function.bind(null, 'return 1')()()",
    "(() => {}).constructor('return 1')()",
    "(async () => {}).constructor('return 1')()",
    "Object.getPrototypeOf(function* () {}).constructor('yield 1')()",
    "Object.getPrototypeOf(async function* () {}).constructor('yield 1')()",
    "[].constructor.constructor('return 1')()",
    "''.constructor.constructor('return 1')()",
    "(1n).constructor.constructor('return 1')()",
    "Symbol.iterator.constructor.constructor('return 1')()",
    "new Error('x').constructor.constructor('return 1')()",
    "nango.get.constructor('return 1')()",
    "nango.ActionError.constructor('return 1')()",
    "Object.getPrototypeOf(nango.log).constructor('return 1')()",
    "require.constructor('return process')()",
    "require('crypto').createHash.constructor('return 1')()",
    "require('zod').z.string.constructor('return 1')()",
    "setTimeout.constructor('return 1')()",
    "setTimeout(() => {}, 1).constructor.constructor('return 1')()",
    "console.log.constructor('return 1')()",
    "Buffer.from.constructor('return 1')()",
    "new URL('https://a.example').constructor.constructor('return 1')()",
    "(await nango.get({ endpoint: '/x' })).data.constructor.constructor('return 1')()",
    "(await nango.get({ endpoint: '/x' })).headers.constructor.constructor('return 1')()",
    "(await nango.uncontrolledFetch({ url: 'https://a.example' })).constructor.constructor('return 1')()",
    "input.constructor.constructor('return 1')()",
    "module.constructor.constructor('return 1')()",
    "setTimeout('globalThis.out = 1', 1)",
    "setInterval('globalThis.out = 1', 1)",
    "queueMicrotask('globalThis.out = 1')",
    // Modules.
    "await import('fs')",
    "await import('node:child_process')",
    "await import('/proc/self/environ')",
    "await import('file:///etc/passwd')",
    "await import('./tickets.js')",
    "await import('tenon:start')",
    "await import('data:text/javascript,export default 1')",
    "await import(Buffer.from([2, 1, 1]))",
    "require('fs')",
    "require('node:fs/promises')",
    "require('child_process')",
    "require('net')",
    "require('dgram')",
    "require('http')",
    "require('https')",
    "require('os')",
    "require('vm')",
    "require('v8')",
    "require('module')",
    "require('process')",
    "require('worker_threads')",
    "require('inspector')",
    "require('/etc/passwd')",
    "require('../../../../etc/passwd')",
    "require('tenon:start')",
    "require('start')",
    "require('http')",
    "require('guard')",
    "require('replay')",
    "require('zod/../start')",
    "require('__proto__')",
    "require({ toString: () => 'start' })",
    "require(['crypto', 'start'])",
    "require.main.require('fs')",
    "require.cache.fs.exports",
    "require.extensions['.node']()",
    "require.resolve('fs')",
    "module.constructor._load('fs')",
    "module.require('fs')",
    "module.parent.require('fs')",
    // The surroundings that other engines have.
    "process.exit(1)",
    "process.binding('fs')",
    "process.kill(process.ppid, 9)",
    "process.stdout.write('x')",
    "global.process",
    "globalThis.process.env.HOME",
    "__dirname",
    "fetch('http://127.0.0.1:3003/')",
    "new XMLHttpRequest()",
    "new WebSocket('ws://127.0.0.1:3003/')",
    "new EventSource('http://127.0.0.1:3003/')",
    "navigator.sendBeacon('http://127.0.0.1/')",
    "new Worker('x')",
    "importScripts('x')",
    "Deno.readTextFileSync('/etc/passwd')",
    "Bun.file('/etc/passwd')",
    "std.open('/etc/passwd', 'r')",
    "std.popen('id', 'r')",
    "os.exec(['id'])",
    "os.signal(9, null)",
    "print('x')",
    "loadFile('/etc/passwd')",
    "__loadScript('x')",
    "load('x')",
    "gc()",
    // Bytecode and machine code.
    "bjson.read(new ArrayBuffer(8), 0, 8, 1)",
    "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
    "new WebAssembly.Memory({ initial: 65536 })",
    "await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
    "new SharedArrayBuffer(8)",
    "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)",
    // Memory beyond what an isolate has.
    "new ArrayBuffer(2 ** 40)",
    "new ArrayBuffer(8, { maxByteLength: 2 ** 50 })",
    "Buffer.alloc(2 ** 31)",
    "'x'.repeat(2 ** 30 - 1)",
    "new Array(2 ** 32)",
    "2n ** (2n ** 40n)",
    "'a'.padEnd(2 ** 30)",
    "require('crypto').randomBytes(2 ** 30)",
    "require('crypto').pbkdf2Sync('p', 's', 5_000_000, 2 ** 24, 'sha1')",
    // Into the SDK.
    "nango.constructor('x')",
    "nango.__proto__.x",
    "nango.persistClient",
    "nango.nango",
    "nango['getProxyConfig']",
    "Object.getPrototypeOf(nango).constructor",
    "arguments.callee.caller",
    "(function () { return arguments.callee })()",
    "(function f() { return f.caller })()",
];

#[tokio::test]
async fn faults_70_escapes_throw_and_a_neighbour_in_the_same_worker_goes_on() {
    assert!(THROWN.len() >= 60);
    let around = Neighbourhood::new(THROWN.len());
    for code in THROWN {
        let body = format!(
            "let out; try {{ out = {code} }} catch (error) {{ return 'kept' }} return ['out', String(out)]"
        );
        match around.attempt(&body).await {
            RunOutcome::Succeeded { output } => {
                let seen: Value = serde_json::from_slice(&output).unwrap();
                assert_eq!(seen, "kept", "{code}");
            }
            RunOutcome::Failed(failure) => {
                assert_eq!(failure.kind, "script_out_of_memory", "{code}")
            }
            RunOutcome::Crashed { detail } => panic!("{code}: {detail}"),
        }
    }
    around.finishes_unhurt().await;
}

/// Attempts that end, and what they have then got: nothing of ours.
const FRUITLESS: &[(&str, &str)] = &[
    // Builtins replaced before our own code uses them, to get hold of what passes through.
    (
        "const found = []; const look = (list) => { for (const one of list) if (one && (typeof one === 'object' || typeof one === 'function')) for (const name of ['callHost', 'loadModule', 'relax', 'native', 'host', 'finish']) if (name in one) found.push(name) };",
        "for (const proto of [Function.prototype, Map.prototype, Array.prototype, Promise.prototype, Set.prototype, Object, Reflect, JSON, Promise]) for (const name of Reflect.ownKeys(proto)) { const own = proto[name]; if (typeof own !== 'function' || name === 'constructor' || name === Symbol.iterator || name === 'defineProperty') continue; try { proto[name] = function (...list) { look([this, ...list]); return Reflect_apply(own, this, list) } } catch {} }",
    ),
    (
        "const found = [];",
        "Function.prototype.call = function (...list) { found.push(...list.filter((one) => one && one.native)); return Reflect.apply(this, list[0], list.slice(1)) }; new URL('https://a.example'); new FormData(); require('crypto'); require('soap'); require('unzipper'); await nango.get({ endpoint: '/x' })",
    ),
    (
        "const found = [];",
        "Object.defineProperty(Object.prototype, 'native', { set(value) { found.push('native') }, get() { return undefined }, configurable: true }); Object.defineProperty(Object.prototype, 'begin', { set(value) { found.push('begin') }, configurable: true }); new Headers(); require('crypto'); await nango.get({ endpoint: '/x' })",
    ),
    // Functions of ours on the stack of an error.
    (
        "const found = [];",
        "Error.prepareStackTrace = (error, sites) => { if (Array.isArray(sites)) for (const site of sites) { const f = site.getFunction?.(); if (typeof f === 'function') found.push(f.name) } return '' }; const trap = { toJSON() { new Error('x').stack; return 1 } }; await nango.log('x', trap, { level: 'error' }); await nango.saveCheckpoint({ get a() { new Error('y').stack; return 1 } }); new Error('z').stack",
    ),
    (
        "const found = []; const sites = {};",
        "Error.captureStackTrace(sites); delete Error.prepareStackTrace; Error.prepareStackTrace = (e, s) => { found.push(typeof s); return s }; Error.captureStackTrace(sites); sites.stack; new Error('x').stack",
    ),
    // What is left lying about in the global object.
    (
        "const known = new Set(['Object', 'Function', 'Array']); const found = [];",
        "for (const name of Reflect.ownKeys(globalThis)) if (['native', 'shared', 'start', 'fire', 'deliver', 'process', 'SharedArrayBuffer', 'WebAssembly', 'Atomics', 'fetch', 'std', 'os', 'bjson', 'gc', 'print', 'performance_'].includes(String(name))) found.push(String(name))",
    ),
    (
        "const found = [];",
        "const names = new Set(); const look = (thing, depth) => { if (depth > 4 || (typeof thing !== 'object' && typeof thing !== 'function') || thing === null) return; for (const key of Reflect.ownKeys(thing)) { let inner; try { inner = thing[key] } catch { continue } names.add(String(key)); look(inner, depth + 1) } }; look(require, 0); look(module, 0); look(exports, 0); look(console, 0); look(nango.logger, 0); look(setTimeout(() => {}, 1), 0); for (const name of ['callHost', 'callRecords', 'loadModule', 'finish', 'relax', 'native', 'setTimer']) if (names.has(name)) found.push(name)",
    ),
    (
        "const found = [];",
        "for (const name of Reflect.ownKeys(nango)) if (/persist|telemetry|^attributes|abortSignal|memoized|integrationConfig|secret/i.test(String(name))) found.push(String(name))",
    ),
    // Poisoned prototypes and what the platform makes of them.
    (
        "const found = [];",
        "Object.prototype.polluted = 1; Array.prototype.polluted = 1; Object.prototype.toJSON = function () { return { GetEnvironmentVariables: null } }; try { await nango.getMetadata() } catch {} delete Object.prototype.toJSON",
    ),
    (
        "const found = [];",
        "JSON.parse('{\"__proto__\": {\"polluted\": 1}}'); Object.assign({}, JSON.parse('{\"__proto__\": {\"polluted\": 1}}')); structuredClone(JSON.parse('{\"__proto__\": {\"polluted\": 1}}')); if (({}).polluted) found.push('polluted')",
    ),
    (
        "const found = [];",
        "Object.setPrototypeOf(globalThis, null); Object.freeze(Object.prototype); globalThis.globalThis = null",
    ),
    (
        "const found = [];",
        "Promise = class { constructor() { throw 1 } }; Map.prototype.set = null; Map.prototype.get = null; Array.prototype.push = null; try { await nango.getMetadata() } catch {}",
    ),
    // Answers to somebody else's calls.
    (
        "const found = [];",
        "Promise.reject(new Error('nobody listens')); new Promise(() => { throw 1 }); (async () => { throw null })()",
    ),
    // Output tricks.
    (
        "const found = [];",
        "for (let i = 0; i < 2_000; i++) console.log('\\u0000\\u0001\\u001b[2J' + 'x'.repeat(1_000)); console.error({ get x() { throw 1 } }, new Proxy({}, { ownKeys() { throw 2 } })); console.table(1n, Symbol('s'))",
    ),
    // The cage of the next run.
    (
        "const found = [];",
        "Symbol.for('leak').x; globalThis[Symbol.for('leak')] = 1; new FinalizationRegistry(() => { globalThis.out = 1 }).register({}, 1); globalThis.ref = new WeakRef({})",
    ),
];

#[tokio::test]
async fn faults_70_replaced_builtins_catch_nothing_of_the_platform() {
    let around = Neighbourhood::new(FRUITLESS.len());
    for (before, code) in FRUITLESS {
        let body = format!(
            "const Reflect_apply = Reflect.apply; const text = JSON.stringify; {before} try {{ {code} }} catch {{}} return found.length === 0 ? 'nothing' : found.map(String)"
        );
        match around.attempt(&body).await {
            RunOutcome::Succeeded { output } => {
                let seen: Value = serde_json::from_slice(&output).unwrap();
                assert_eq!(seen, "nothing", "{code}");
            }
            // It has broken itself, and only itself.
            RunOutcome::Failed(failure) => assert!(
                ["script_internal_error", "script_out_of_memory"].contains(&failure.kind.as_str()),
                "{code}: {failure:?}"
            ),
            RunOutcome::Crashed { detail } => panic!("{code}: {detail}"),
        }
        let after = "return [({}).polluted ?? null, typeof globalThis[Symbol.for('leak')], [1].map((x) => x), typeof ref]";
        let after = action_request(&action(after), Value::Null);
        let after = succeeded(around.pool.run(after, everything()).await);
        assert_eq!(
            after,
            json!([null, "undefined", [1], "undefined"]),
            "{code}"
        );
    }
    around.finishes_unhurt().await;
}

/// Attempts to get more than an isolate may have; each ends in one of the named ways.
const GREEDY: &[(&str, &[&str])] = &[
    // The extra heap for last words is given once.
    (
        "const all = []; for (;;) { try { all.push(new Array(50_000).fill(1)) } catch { Error.stackTraceLimit = 0 } }",
        &["script_out_of_memory", "execution_timeout"],
    ),
    // A size that lies about how many timers there are.
    (
        "Object.defineProperty(Map.prototype, 'size', { get: () => 0 }); Map.prototype.set = function () { return this }; for (;;) setTimeout(() => {}, 1e9)",
        &["script_internal_error", "execution_timeout"],
    ),
    // More open calls than the host takes of one run.
    (
        "Object.defineProperty(Map.prototype, 'size', { get: () => 0 }); await Promise.all(Array.from({ length: 20_000 }, () => nango.getMetadata().catch(() => {}))); throw new Error('done')",
        &["script_internal_error", "script_out_of_memory"],
    ),
    // The same call again and again.
    (
        "const begun = []; const set = Map.prototype.set; Map.prototype.set = function (key, value) { if (value && value.begin) begun.push(value); return set.call(this, key, value) }; nango.getMetadata(); for (let i = 5; i < 20_000; i++) begun[0].begin(i); throw new Error('done')",
        &["script_internal_error", "execution_timeout"],
    ),
    // Loops in native code over lengths that are made up: nothing interrupts them.
    (
        "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
        &["execution_timeout"],
    ),
    ("new Array(2 ** 32 - 1).join('')", &["execution_timeout"]),
];

#[tokio::test]
async fn faults_68_greed_ends_in_a_clear_outcome_and_a_neighbour_goes_on() {
    for (code, kinds) in GREEDY {
        let around = Neighbourhood::new(1);
        let outcome = around.attempt(code).await;
        let failure = failed(outcome);
        assert!(
            kinds.contains(&failure.kind.as_str()),
            "{code}: {failure:?}"
        );
        around.finishes_unhurt().await;
    }
}

/// Workers that somebody has taken over, and how their run ends.
const HOSTILE: &[&str] = &[
    "nonsense",
    "endless frame",
    "half a frame",
    "flood",
    "flood without end",
    "runs of others",
    "deep nesting",
    "lying length",
    "leaves",
    "silence",
    "output that is no JSON",
];

#[tokio::test]
async fn faults_70_a_worker_that_was_taken_over_harms_only_its_own_run() {
    // Another pool of the same host goes on meanwhile.
    let around = Neighbourhood::new(HOSTILE.len());
    for kind in HOSTILE {
        let pool = WorkerPool::start(WorkerPoolOptions {
            arguments: vec!["hostile".into(), (*kind).into()],
            ..options()
        })
        .unwrap();
        let mut request = action_request(&action("return 1"), Value::Null);
        request.environment = EnvironmentPk(7);
        request.limits.run = std::time::Duration::from_millis(300);
        let outcome = pool.run(request, everything()).await;
        match (*kind, outcome) {
            ("silence" | "flood" | "flood without end", RunOutcome::Failed(failure)) => {
                assert_eq!(failure.kind, "execution_timeout");
            }
            ("output that is no JSON", RunOutcome::Crashed { detail }) => {
                assert!(detail.contains("no JSON"), "{detail}");
            }
            ("silence" | "flood without end" | "output that is no JSON", other) => {
                panic!("{kind}: {other:?}")
            }
            (_, RunOutcome::Crashed { .. }) => {}
            (_, other) => panic!("{kind}: {other:?}"),
        }
        let beside = around.attempt("return 'beside'").await;
        assert_eq!(succeeded(beside), "beside", "{kind}");
    }
    around.finishes_unhurt().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn workers_of_a_pool_are_locked_down_seen_from_outside() {
    let around = Neighbourhood::new(1);
    assert_eq!(succeeded(around.attempt("return 1").await), 1);
    for id in around.pool.process_ids() {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        assert!(files.contains(" 16 "), "{files}");
    }
    around.finishes_unhurt().await;
}
