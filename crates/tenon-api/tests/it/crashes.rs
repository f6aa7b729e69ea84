//! Nodes that die, nodes that sleep: nothing lost, nothing doubled (FAULTS 1 to 4 and 13, at the level of the engine).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::function::{HostCall, HostReply};
use tokio::sync::Notify;

use crate::{
    TestApp,
    app::{Loops, action, failed, succeeded, sync},
    syncs::{record, save},
};

/// Records of the connection `alice`, by id.
async fn stored(app: &TestApp) -> Vec<String> {
    let request = app.request("GET", "/records?model=Item&limit=1000");
    let request = request.header("provider-config-key", "crm");
    let answer = request.header("connection-id", "alice").send().await;
    let records = answer.json()["records"].as_array().cloned();
    let mut ids: Vec<String> = records
        .unwrap_or_default()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

/// Sum over all webhooks of what was added.
async fn announced(app: &TestApp) -> u64 {
    let webhooks = app.webhooks("sync").await;
    webhooks
        .iter()
        .filter_map(|webhook| webhook["responseResults"]["added"].as_u64())
        .sum()
}

/// A sync of `pages` pages of 10 records that checkpoints behind each page; before page `stop_at` of its first run it
/// tells and waits for ever.
fn paging(app: &TestApp, pages: i64, stop_at: i64) -> (Arc<Notify>, Arc<AtomicUsize>) {
    let reached = Arc::new(Notify::new());
    let runs = Arc::new(AtomicUsize::new(0));
    let (told, counted) = (Arc::clone(&reached), Arc::clone(&runs));
    app.functions.on("items", move |_, host| {
        let told = Arc::clone(&told);
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let from = match host.call(HostCall::GetCheckpoint).await {
                Ok(HostReply::Json(checkpoint)) => checkpoint["page"].as_i64().unwrap_or(0),
                other => panic!("{other:?}"),
            };
            for page in from..pages {
                if run == 0 && page == stop_at {
                    told.notify_one();
                    std::future::pending::<()>().await;
                }
                let ids: Vec<String> = (0..10).map(|n| format!("{page:03}-{n}")).collect();
                let records: Vec<(&str, Value)> =
                    ids.iter().map(|id| (id.as_str(), json!({}))).collect();
                save(&host, "Item", &records).await;
                let mut checkpoint = serde_json::Map::new();
                checkpoint.insert("page".to_owned(), json!(page + 1));
                let saved = host.call(HostCall::SaveCheckpoint { checkpoint }).await;
                if let Err(error) = saved {
                    return failed(&error.code, &error.message);
                }
            }
            succeeded(&json!(null))
        }
    });
    (reached, runs)
}

#[tokio::test]
async fn a_node_that_restarts_goes_on_where_it_was_cut_off() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let (reached, runs) = paging(&app, 8, 3);
    app.deploy_flows(&[sync("items")]).await;
    let node = app.node("one");
    let loops = Loops::start(&node);
    reached.notified().await;
    assert_eq!(stored(&app).await.len(), 30);
    loops.kill().await;
    assert_eq!(announced(&app).await, 0);

    // The same node again: no lease has to run out.
    let node = app.node("one");
    let loops = Loops::start(&node);
    while app.sync_status("items", "alice").await["status"] != "SUCCESS" {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(stored(&app).await.len(), 80);
    assert_eq!(announced(&app).await, 80);
    assert_eq!(app.webhooks("sync").await.len(), 1);
}

#[tokio::test]
async fn another_node_takes_over_when_the_lease_is_over() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let (reached, runs) = paging(&app, 8, 5);
    app.deploy_flows(&[sync("items")]).await;
    let loops = Loops::start(&app.node("one"));
    reached.notified().await;
    loops.kill().await;

    let loops = Loops::start(&app.node("two"));
    app.settle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    app.clock.advance(Duration::from_secs(31));
    while app.sync_status("items", "alice").await["status"] != "SUCCESS" {
        app.clock.advance(Duration::from_secs(1));
        app.settle().await;
    }
    loops.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(stored(&app).await.len(), 80);
    assert_eq!(announced(&app).await, 80);
}

/// FAULTS 13.
#[tokio::test]
async fn a_node_that_wakes_up_late_writes_nothing() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let go = Arc::new(Notify::new());
    let reached = Arc::new(Notify::new());
    let late: Arc<Mutex<Vec<String>>> = Arc::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let (gate, told, noted, counted) = (
        Arc::clone(&go),
        Arc::clone(&reached),
        Arc::clone(&late),
        Arc::clone(&runs),
    );
    app.functions.on("items", move |_, host| {
        let (gate, told, noted) = (Arc::clone(&gate), Arc::clone(&told), Arc::clone(&noted));
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if run > 0 {
                save(&host, "Item", &[("new", json!({}))]).await;
                return succeeded(&json!(null));
            }
            told.notify_one();
            gate.notified().await;
            let calls = [
                HostCall::BatchSave {
                    model: "Item".to_owned(),
                    records: vec![record("late", &json!({}))],
                },
                HostCall::SaveCheckpoint {
                    checkpoint: serde_json::Map::new(),
                },
            ];
            for call in calls {
                let error = host.call(call).await.expect_err("the lease is void");
                noted.lock().unwrap().push(error.code.clone());
            }
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    let node = app.node("one");
    let sleeping = Loops::workers_without_heartbeat(&node);
    let scheduler = Loops::scheduler(&node);
    reached.notified().await;

    app.clock.advance(Duration::from_secs(31));
    let awake = Loops::start(&app.node("two"));
    while app.sync_status("items", "alice").await["status"] != "SUCCESS" {
        app.clock.advance(Duration::from_secs(1));
        app.settle().await;
    }
    assert_eq!(stored(&app).await, ["new"]);
    go.notify_one();
    while late.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    app.settle().await;
    for loops in [sleeping, scheduler, awake] {
        loops.kill().await;
    }
    assert_eq!(*late.lock().unwrap(), ["script_aborted", "script_aborted"]);
    assert_eq!(stored(&app).await, ["new"]);
    assert_eq!(
        app.sync_status("items", "alice").await["checkpoint"],
        json!(null)
    );
    assert_eq!(announced(&app).await, 1);
}

#[tokio::test]
async fn an_action_that_was_cut_off_is_not_done_twice() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    app.deploy_flows(&[action("pay"), action("retry")]).await;
    let reached = Arc::new(Notify::new());
    let runs: Arc<Mutex<Vec<String>>> = Arc::default();
    for name in ["pay", "retry"] {
        let (told, noted) = (Arc::clone(&reached), Arc::clone(&runs));
        app.functions.on(name, move |request, _| {
            let (told, noted) = (Arc::clone(&told), Arc::clone(&noted));
            async move {
                let name = request.context.function.clone();
                let first = !noted.lock().unwrap().contains(&name);
                noted.lock().unwrap().push(name);
                if first {
                    told.notify_one();
                    std::future::pending::<()>().await;
                }
                succeeded(&json!("done"))
            }
        });
    }
    let queue = async |name: &str, retries: &str| {
        let request = app.request("POST", "/action/trigger");
        let request = request
            .header("provider-config-key", "crm")
            .header("connection-id", "alice")
            .header("x-async", "true")
            .header("x-max-retries", retries);
        let body = json!({ "action_name": name });
        let queued = request.json(&body).send().await.json();
        queued["statusUrl"].as_str().unwrap().to_owned()
    };
    let pay = queue("pay", "0").await;
    let retry = queue("retry", "1").await;
    let loops = Loops::start(&app.node("one"));
    while runs.lock().unwrap().len() < 2 {
        reached.notified().await;
    }
    loops.kill().await;
    let loops = Loops::start(&app.node("one"));
    for url in [&pay, &retry] {
        while app.get(url).await.status() == 404 {
            tokio::task::yield_now().await;
        }
    }
    loops.stop().await;
    assert_eq!(app.get(&pay).await.refusal(), "500 function_interrupted");
    assert_eq!(app.get(&retry).await.json(), json!("done"));
    let mut runs = runs.lock().unwrap().clone();
    runs.sort_unstable();
    assert_eq!(runs, ["pay", "retry", "retry"]);
    assert_eq!(app.webhooks("async_action").await.len(), 2);
}

#[tokio::test]
async fn a_node_that_stops_in_order_gives_its_work_back() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let (reached, runs) = paging(&app, 4, 2);
    app.deploy_flows(&[sync("items")]).await;
    let loops = Loops::start(&app.node("one"));
    reached.notified().await;
    let stopping = tokio::spawn(loops.stop());
    // The run does not come to its next checkpoint in the time it is given.
    while !stopping.is_finished() {
        app.clock.advance(Duration::from_secs(1));
        app.settle().await;
    }
    stopping.await.unwrap();
    // No lease to wait for.
    let loops = Loops::start(&app.node("two"));
    while app.sync_status("items", "alice").await["status"] != "SUCCESS" {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(announced(&app).await, 40);
}

#[tokio::test]
async fn a_run_that_kills_every_node_is_given_up() {
    let app = TestApp::start().await;
    app.connection("crm", "alice").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let reached = Arc::new(Notify::new());
    let (counted, told) = (Arc::clone(&runs), Arc::clone(&reached));
    app.functions.on("items", move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let told = Arc::clone(&told);
        async move {
            told.notify_one();
            std::future::pending::<()>().await;
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    for _ in 0..5 {
        let loops = Loops::start(&app.node("one"));
        reached.notified().await;
        loops.kill().await;
    }
    let loops = Loops::start(&app.node("one"));
    while app.sync_status("items", "alice").await["status"] != "ERROR" {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    let webhooks = app.webhooks("sync").await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0]["success"], false);
}

/// Many syncs of many environments' worth of connections, over two nodes: each runs once per slot.
#[tokio::test]
async fn two_nodes_share_the_work_and_double_nothing() {
    let app = TestApp::start().await;
    for n in 0..20 {
        app.connection("crm", &format!("c{n}")).await;
    }
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    app.functions.on("items", move |request, host| {
        let noted = Arc::clone(&noted);
        async move {
            save(&host, "Item", &[("1", json!({}))]).await;
            noted
                .lock()
                .unwrap()
                .push(request.context.connection_id.clone());
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[sync("items")]).await;
    let one = Loops::start(&app.node("one"));
    let two = Loops::start(&app.node("two"));
    while app.webhooks("sync").await.len() < 20 {
        tokio::task::yield_now().await;
    }
    app.settle().await;
    one.stop().await;
    two.stop().await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    let before = seen.len();
    seen.dedup();
    assert_eq!((before, seen.len()), (20, 20));
}
