//! Workers: whose they are, how they die and how they are replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::{
    function::{Cancel, FunctionRunner, Host, HostCall, HostError, HostReply, RunOutcome},
    names::EnvironmentPk,
};
use tenon_runtime::{WorkerPool, WorkerPoolOptions};
use tokio::sync::Semaphore;

use crate::common::{
    TestHost, action, action_request, failed, options, pool, succeeded, sync, sync_request,
};

/// A host whose answers wait until the test lets them go.
struct Gate {
    asked: Semaphore,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            asked: Semaphore::new(0),
            open: Semaphore::new(0),
        }
    }
}

impl Gate {
    /// Waits until one more call has come in.
    async fn was_asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }

    /// Lets this many calls go on.
    fn let_go(&self, calls: usize) {
        self.open.add_permits(calls);
    }
}

#[async_trait::async_trait]
impl Host for Gate {
    async fn call(&self, _: HostCall) -> Result<HostReply, HostError> {
        self.asked.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        Ok(HostReply::Json(json!({"metadata": {}})))
    }
}

const WAITS: &str = "await nango.getCheckpoint(); return 1";

async fn one(pool: &WorkerPool) -> Value {
    succeeded(
        pool.run(
            action_request(&action("return 1"), Value::Null),
            TestHost::silent(),
        )
        .await,
    )
}

/// Ends when the condition holds; fails after ten seconds.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to hold");
}

fn alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_worker_that_dies_ends_its_runs_as_crashed_and_is_replaced() {
    let pool = pool();
    let gate = Arc::new(Gate::default());
    let running = tokio::spawn({
        let (pool, gate) = (pool.clone(), gate.clone());
        async move {
            pool.run(action_request(&action(WAITS), Value::Null), gate)
                .await
        }
    });
    gate.was_asked().await;
    let killed = pool.process_ids();
    for id in &killed {
        let id = id.to_string();
        let kill = std::process::Command::new("kill")
            .args(["-9", &id])
            .status();
        assert!(kill.unwrap().success());
    }
    assert!(matches!(running.await.unwrap(), RunOutcome::Crashed { .. }));
    until(|| !pool.process_ids().iter().any(|id| killed.contains(id))).await;
    assert_eq!(one(&pool).await, json!(1));
}

#[tokio::test]
async fn workers_leave_with_their_pool() {
    let pool = pool();
    assert_eq!(one(&pool).await, json!(1));
    let ids = pool.process_ids();
    assert!(!ids.is_empty() && ids.iter().all(|id| alive(*id)));
    drop(pool);
    until(|| !ids.iter().any(|id| alive(*id))).await;
}

#[tokio::test]
async fn environments_never_share_a_worker() {
    let pool = pool();
    let gate = Arc::new(Gate::default());
    let mut running = Vec::new();
    for environment in [1, 2, 3, 1, 2] {
        let mut request = action_request(&action(WAITS), Value::Null);
        request.environment = EnvironmentPk(environment);
        let (pool, host) = (pool.clone(), gate.clone());
        running.push(tokio::spawn(async move { pool.run(request, host).await }));
        gate.was_asked().await;
    }
    until(|| pool.workers() == 4).await; // three in use and a spare
    gate.let_go(5);
    for run in running {
        assert_eq!(succeeded(run.await.unwrap()), json!(1));
    }
}

#[tokio::test]
async fn many_runs_share_a_worker_while_they_wait() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let gate = Arc::new(Gate::default());
    let mut running = Vec::new();
    for _ in 0..100 {
        let (pool, host) = (pool.clone(), gate.clone());
        running.push(tokio::spawn(async move {
            pool.run(action_request(&action(WAITS), Value::Null), host)
                .await
        }));
    }
    for _ in 0..100 {
        gate.was_asked().await;
        gate.let_go(1);
    }
    for run in running {
        assert_eq!(succeeded(run.await.unwrap()), json!(1));
    }
    assert_eq!(pool.workers(), 1);
}

#[tokio::test]
async fn a_full_pool_makes_runs_wait_their_turn() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        workers: 1,
        runs_per_worker: 2,
        kept_for_actions: 0,
        ..options()
    })
    .unwrap();
    let runs = (0..20).map(|environment| {
        let mut request = action_request(
            &action("await new Promise((r) => setTimeout(r, 5)); return 1"),
            Value::Null,
        );
        request.environment = EnvironmentPk(environment % 3);
        pool.run(request, TestHost::silent())
    });
    for outcome in futures::future::join_all(runs).await {
        assert_eq!(succeeded(outcome), json!(1));
    }
    assert_eq!(pool.workers(), 1);
}

#[tokio::test]
async fn an_action_finds_a_place_although_syncs_compute() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        threads: 2,
        kept_for_actions: 1,
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let gate = Arc::new(Gate::default());
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut request = sync_request(&sync("await nango.getCheckpoint(); while (true) {}"));
        request.limits.busy = Duration::from_secs(30);
        let cancel = request.cancel.clone();
        let (pool, host) = (pool.clone(), gate.clone());
        busy.push((
            cancel,
            tokio::spawn(async move { pool.run(request, host).await }),
        ));
        gate.was_asked().await;
    }
    gate.let_go(4);
    let answered = tokio::time::timeout(Duration::from_secs(10), one(&pool)).await;
    assert_eq!(answered.unwrap(), json!(1));
    for (cancel, run) in busy {
        cancel.raise();
        assert_eq!(failed(run.await.unwrap()).kind, "script_aborted");
    }
}

#[tokio::test]
async fn a_cancelled_run_hears_of_it_at_its_next_call() {
    let pool = pool();
    let gate = Arc::new(Gate::default());
    let body = "await nango.getCheckpoint(); try { await nango.getCheckpoint(); return 'went on' } catch (error) { return error.type }";
    let request = action_request(&action(body), Value::Null);
    let cancel = request.cancel.clone();
    let running = tokio::spawn({
        let (pool, gate) = (pool.clone(), gate.clone());
        async move { pool.run(request, gate).await }
    });
    gate.was_asked().await;
    cancel.raise();
    // The frame that tells of it goes ahead of the answer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.let_go(1);
    assert_eq!(succeeded(running.await.unwrap()), json!("script_aborted"));
}

#[tokio::test]
async fn a_cancelled_run_that_does_not_listen_is_given_up() {
    let pool = pool();
    for body in [
        "await new Promise((r) => setTimeout(r, 60_000))",
        "for (;;) { await nango.log('x', { level: 'debug' }); await new Promise((r) => setTimeout(r, 1)) }",
    ] {
        let request = action_request(&action(body), Value::Null);
        let cancel = request.cancel.clone();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(request, TestHost::silent()).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.raise();
        assert_eq!(failed(running.await.unwrap()).kind, "script_aborted");
    }
    assert_eq!(one(&pool).await, json!(1));
}

#[tokio::test]
async fn a_run_cancelled_before_it_began_does_not_begin() {
    let host = TestHost::silent();
    let mut request = action_request(
        &action("await nango.log('x'); await nango.saveCheckpoint({ a: 1 })"),
        Value::Null,
    );
    request.cancel = Cancel::default();
    request.cancel.raise();
    assert_eq!(
        failed(pool().run(request, host.clone()).await).kind,
        "script_aborted"
    );
    assert!(host.calls().is_empty());
}

#[tokio::test]
async fn workers_are_replaced_after_many_runs() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        runs_until_recycled: 3,
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..9 {
        assert_eq!(one(&pool).await, json!(1));
        seen.extend(pool.process_ids());
    }
    assert_eq!(
        seen.len(),
        3 - usize::from(pool.workers() == 0 && seen.len() < 3),
        "{seen:?}"
    );
}

#[tokio::test]
async fn workers_with_nothing_to_do_are_let_go() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        idle: Duration::from_millis(100),
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    assert_eq!(one(&pool).await, json!(1));
    until(|| pool.workers() == 0).await;
    assert_eq!(one(&pool).await, json!(1));
}

#[tokio::test]
async fn workers_are_replaced_after_a_while_and_their_runs_may_end() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        age: Duration::from_millis(200),
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let gate = Arc::new(Gate::default());
    let running = tokio::spawn({
        let (pool, gate) = (pool.clone(), gate.clone());
        async move {
            pool.run(action_request(&action(WAITS), Value::Null), gate)
                .await
        }
    });
    gate.was_asked().await;
    let old = pool.process_ids();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(one(&pool).await, json!(1));
    assert!(
        pool.process_ids().len() == 2 || alive(old[0]),
        "the old one stays for its run"
    );
    gate.let_go(1);
    assert_eq!(succeeded(running.await.unwrap()), json!(1));
    until(|| !alive(old[0])).await;
}

#[tokio::test]
async fn an_environment_that_floods_the_pool_does_not_starve_another() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        workers: 2,
        runs_per_worker: 4,
        kept_for_actions: 0,
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let flooding = Arc::new(AtomicBool::new(true));
    let (mut flood, done) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..40 {
        let (pool, flooding, done) = (pool.clone(), flooding.clone(), done.clone());
        flood.push(tokio::spawn(async move {
            while flooding.load(SeqCst) {
                let body = action("await new Promise((r) => setTimeout(r, 20)); return 1");
                let request = action_request(&body, Value::Null);
                succeeded(pool.run(request, TestHost::silent()).await);
                done.fetch_add(1, SeqCst);
            }
        }));
    }
    until(|| done.load(SeqCst) > 20).await;
    for environment in 2..6 {
        let mut request = action_request(&action("return 1"), Value::Null);
        request.environment = EnvironmentPk(environment);
        let turn = pool.run(request, TestHost::silent());
        let turn = tokio::time::timeout(Duration::from_secs(10), turn).await;
        assert_eq!(succeeded(turn.expect("its turn comes")), json!(1));
    }
    // And the other way round: who floods is not shut out.
    let before = done.load(SeqCst);
    until(|| done.load(SeqCst) > before + 20).await;
    flooding.store(false, SeqCst);
    for run in flood {
        run.await.unwrap();
    }
    assert!(pool.workers() <= 2);
}

#[tokio::test]
async fn a_large_bundle_is_compiled_once_for_all_workers() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        runs_until_recycled: 1,
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let filling: String = (0..2_000)
        .map(|n| format!("exports.f{n} = (a) => a + {n};\n"))
        .collect();
    let body = "if (input.fail) throw new Error('here'); return exports.f7(1)";
    let bundle = format!("{filling}{}", action(body));
    let line = format!("tickets.js:{}", 2_001);
    let run = |input: Value| pool.run(action_request(&bundle, input), TestHost::silent());

    assert_eq!(succeeded(run(json!({})).await), json!(8));
    let from_source = failed(run(json!({"fail": true})).await).payload;
    until(|| pool.bundles_compiled() == 1).await;
    assert_eq!(succeeded(run(json!({})).await), json!(8));
    let from_bytecode = failed(run(json!({"fail": true})).await).payload;
    assert_eq!(from_bytecode, from_source);
    assert!(from_bytecode.to_string().contains(&line), "{from_bytecode}");
    assert_eq!(pool.bundles_compiled(), 1);
    until(|| pool.workers() == 0).await;
}

#[tokio::test]
async fn what_does_not_compile_is_said_by_every_run_that_tries() {
    let pool = pool();
    let broken = format!("{}\nlet let = ;", "// comment\n".repeat(10_000));
    for _ in 0..2 {
        let outcome = pool
            .run(action_request(&broken, Value::Null), TestHost::silent())
            .await;
        let message = failed(outcome).message;
        assert!(message.contains("cannot be compiled"), "{message}");
    }
    assert_eq!(one(&pool).await, json!(1));
    assert_eq!(pool.bundles_compiled(), 0);
}

#[tokio::test]
async fn calls_that_were_not_awaited_still_reach_the_host() {
    let host = TestHost::silent();
    let body = sync("nango.batchSave([{ id: 1 }], 'Ticket'); nango.saveCheckpoint({ a: 1 })");
    succeeded(pool().run(sync_request(&body), host.clone()).await);
    assert_eq!(host.calls().len(), 2);

    let host = TestHost::silent();
    let body = sync("for (let i = 0; i < 500; i++) nango.saveCheckpoint({ i })");
    succeeded(pool().run(sync_request(&body), host.clone()).await);
    assert_eq!(host.calls().len(), 500);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_run_along() {
    let pool = WorkerPool::start(WorkerPoolOptions {
        spare_workers: 0,
        ..options()
    })
    .unwrap();
    let gate = Arc::new(Gate::default());
    let running = tokio::spawn({
        let (pool, gate) = (pool.clone(), gate.clone());
        async move {
            pool.run(action_request(&action(WAITS), Value::Null), gate)
                .await
        }
    });
    gate.was_asked().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(one(&pool).await, json!(1));
}

#[tokio::test]
async fn large_bodies_cross_both_ways() {
    let text = "x".repeat(20 * 1024 * 1024);
    let host = TestHost::new(move |call| match call {
        HostCall::Proxy(_) => crate::common::response(200, "text/plain", text.clone()),
        _ => Ok(HostReply::Done),
    });
    let body = "const { data } = await nango.get({ endpoint: '/big' }); await nango.post({ endpoint: '/big', data }); return data.length";
    let outcome = pool()
        .run(action_request(&action(body), Value::Null), host.clone())
        .await;
    assert_eq!(succeeded(outcome), json!(20 * 1024 * 1024));
    let HostCall::Proxy(sent) = &host.calls()[1] else {
        panic!("a second request")
    };
    assert!(
        matches!(&sent.body, tenon_core::function::ProxyBody::Text(text) if text.len() == 20 * 1024 * 1024)
    );
}

#[test]
fn a_program_that_is_not_there_is_said_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let error = WorkerPool::start(WorkerPoolOptions::new("/nowhere/tenon".into())).unwrap_err();
    assert!(error.to_string().contains("/nowhere/tenon"));
}
