//! Webhooks over days of virtual time, through real sockets.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{Clock, delivery as rules, names::ConnectionPk};
use tenon_engine::{
    delivery::{self, DeliveryKind, Outgoing},
    egress::{Egress, EgressPolicy},
};
use tenon_providers::Catalogue;
use tenon_store::{
    Statement, StoreError,
    delivery::{Claim, ClaimedDelivery, DeliveryFilter, DeliveryRow, Finished, Found, Outcome},
    params,
};
use tenon_testkit::{
    TestStore, store_test,
    upstream::{Answer, Received, Upstream},
};

use crate::node::{Names, Node};

const HOUR: Duration = Duration::from_secs(3_600);

fn loopback() -> Egress {
    Egress::new(EgressPolicy {
        allow: Vec::new(),
        allow_loopback: true,
    })
}

impl Node {
    /// Leases what waits for the only endpoint, for two minutes; returns the first delivery.
    async fn lease_one(&self, owner: &str) -> ClaimedDelivery {
        let endpoint = self.engine.reader().endpoints_waiting().await.unwrap()[0].pk;
        let now = self.clock.now();
        let claim = Claim {
            endpoint,
            now,
            owner: owner.to_owned(),
            lease_until: now.plus(Duration::from_secs(120)),
            limit: 10,
            hold_attempts: rules::HOLD_ATTEMPTS,
            expired_before: now.minus(rules::LIFETIME),
            probe_until: now,
        };
        let found: Result<Found, StoreError> = self
            .engine
            .store
            .write(move |tx| async move { tx.claim_deliveries(&claim).await })
            .await;
        match found.unwrap() {
            Found::Deliveries { batch, .. } if batch.len() == 1 => batch[0].clone(),
            other => panic!("nothing leased: {other:?}"),
        }
    }

    /// Enqueues a webhook; returns its `webhook-id`.
    async fn enqueue(&self, connection: Option<i64>, body: Value) -> String {
        let outgoing = Outgoing::new(
            self.environment.pk,
            connection.map(ConnectionPk),
            DeliveryKind::Sync,
            body,
        );
        let engine = self.engine.clone();
        let enqueued: Result<String, StoreError> = self
            .engine
            .store
            .write(move |tx| async move { delivery::enqueue(&tx, &engine, outgoing).await })
            .await;
        enqueued.unwrap()
    }

    async fn deliveries(&self) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter {
            environment: self.environment.pk,
            state: None,
            connection_id: None,
            before: i64::MAX,
            limit: 1_000,
        };
        delivery::list(&self.engine, &filter).await.unwrap()
    }

    async fn states(&self) -> HashMap<String, usize> {
        let mut states = HashMap::new();
        for delivery in self.deliveries().await {
            *states.entry(delivery.state).or_insert(0) += 1;
        }
        states
    }
}

fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

store_test! {
    async fn a_webhook_is_sorted_and_signed_in_every_scheme(store: TestStore) {
        let node = Node::new(store).await;
        let first = Upstream::start(|_| Answer::text(200, "ok")).await;
        let second = Upstream::start(|_| Answer::text(204, "")).await;
        node.send_webhooks_to(&first.url("/hook?x=1"), Some(&second.url("/second"))).await;
        let id = node.enqueue(None, json!({"type": "sync", "from": "nango", "a": {"c": 1, "b": "é"}})).await;
        node.dispatching(node.settle()).await;

        let mut requests = first.take();
        requests.extend(second.take());
        assert_eq!(requests.len(), 2);
        let key = node.environment.webhook_signing_key.expose().as_bytes();
        for request in &requests {
            assert_eq!(request.text(), r#"{"a":{"b":"é","c":1},"from":"nango","type":"sync"}"#);
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("webhook-id"), Some(id.as_str()));
            let mac = |text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
            let own = hex::encode(mac(&request.body));
            assert_eq!(request.header("x-nango-hmac-sha256"), Some(own.as_str()));
            let stamp = request.header("webhook-timestamp").unwrap();
            let signed = format!("{id}.{stamp}.{}", request.text());
            let standard = format!("v1,{}", STANDARD.encode(mac(signed.as_bytes())));
            assert_eq!(request.header("webhook-signature"), Some(standard.as_str()));
            let mut legacy = key.to_vec();
            legacy.extend_from_slice(&request.body);
            let legacy = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &legacy);
            assert_eq!(request.header("x-nango-signature"), Some(hex::encode(legacy).as_str()));
        }
        assert_eq!(requests[0].target, "/hook?x=1");
        assert_eq!(node.states().await, HashMap::from([("delivered".to_owned(), 2)]));
    }

    async fn faults_62_a_day_of_outage_loses_nothing_and_keeps_order(store: TestStore) {
        let node = Node::new(store).await;
        let clock = node.clock.clone();
        let back_at = clock.now().plus(26 * HOUR);
        let watch = node.clock.clone();
        let server = Upstream::start(move |_| {
            Answer::text(if watch.now() < back_at { 503 } else { 200 }, "")
        })
        .await;
        node.send_webhooks_to(&server.url("/"), None).await;
        let mut ids = Vec::new();
        node.dispatching(async {
            for hour in 0..24 {
                for connection in 1..=3 {
                    ids.push(node.enqueue(Some(connection), json!({"connection": connection, "hour": hour})).await);
                }
                node.pass(HOUR, Duration::from_secs(600)).await;
            }
            assert_eq!(node.states().await.get("delivered"), None);
            node.pass(3 * HOUR, Duration::from_secs(60)).await;
        })
        .await;

        let taken: Vec<Received> = server.take().into_iter().collect();
        let accepted: Vec<&Received> = taken.iter().rev().take(72).rev().collect();
        let distinct: HashSet<&str> = accepted.iter().map(|request| request.header("webhook-id").unwrap()).collect();
        assert_eq!(distinct, ids.iter().map(String::as_str).collect::<HashSet<_>>());
        let mut hours: HashMap<i64, Vec<i64>> = HashMap::new();
        for request in accepted {
            let body = body(request);
            hours.entry(body["connection"].as_i64().unwrap()).or_default().push(body["hour"].as_i64().unwrap());
        }
        for (connection, hours) in hours {
            assert_eq!(hours, (0..24).collect::<Vec<_>>(), "connection {connection}");
        }
        assert_eq!(node.states().await, HashMap::from([("delivered".to_owned(), 72)]));
    }

    async fn faults_64_an_internal_address_is_refused_at_each_send(store: TestStore) {
        // Connections close after each answer, so that each request looks the name up again.
        let server = Upstream::start(|_| {
            Answer::Raw(Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
        })
        .await;
        let names = Names::new(server.address(), &[&["93.184.215.14"]]);
        let egress = Egress::with_network(EgressPolicy::default(), names.clone());
        let node = Node::with(store, egress, Catalogue::default()).await;
        node.send_webhooks_to("http://hooks.test/", None).await;
        node.dispatching(async {
            node.enqueue(Some(1), json!({"n": 1})).await;
            node.settle().await;
            assert_eq!(server.count(), 1);

            names.set(&[&["10.0.0.5"]]);
            node.enqueue(Some(1), json!({"n": 2})).await;
            node.settle().await;
            node.pass(Duration::from_secs(60), Duration::from_secs(5)).await;
            assert_eq!(server.count(), 1);
            assert_eq!(names.dialled().len(), 1);
            let refused = &node.deliveries().await[0];
            assert!(refused.attempts >= 3, "{refused:?}");
            assert!(refused.last_error.as_deref().unwrap().contains("not allowed"), "{refused:?}");

            names.set(&[&["93.184.215.14"]]);
            node.pass(Duration::from_secs(120), Duration::from_secs(10)).await;
            assert_eq!(server.count(), 2);
        })
        .await;
    }

    async fn faults_65_a_dead_endpoint_delays_nobody(store: TestStore) {
        let node = Node::new(store).await;
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = format!("http://{}/", free.local_addr().unwrap());
        drop(free);
        node.send_webhooks_to(&dead, None).await;
        for number in 0..500 {
            node.enqueue(Some(number % 50), json!({"dead": number})).await;
        }
        let alive = Upstream::start(|_| Answer::text(200, "")).await;
        node.send_webhooks_to(&alive.url("/"), None).await;
        node.dispatching(async {
            // The clock stands still: what arrives does not wait for anything.
            for number in 0..100 {
                node.enqueue(Some(1_000 + number % 5), json!({"alive": number})).await;
            }
            node.settle().await;
            assert_eq!(alive.count(), 100);
            node.pass(Duration::from_secs(600), Duration::from_secs(10)).await;
        })
        .await;
        let states = node.states().await;
        assert_eq!(states["delivered"], 100);
        // Five failures opened the circuit (what was on its way came on top); since then there are only probes.
        let attempts: i64 = node.deliveries().await.iter().map(|delivery| delivery.attempts).sum();
        assert!((100 + 5..100 + 50).contains(&attempts), "{attempts}");
    }

    async fn faults_2_the_id_stays_over_attempts_and_restart(store: TestStore) {
        let node = Node::new(store).await;
        let works = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&works);
        let server = Upstream::start(move |_| {
            Answer::text(if switch.load(Ordering::SeqCst) { 200 } else { 500 }, "")
        })
        .await;
        node.send_webhooks_to(&server.url("/"), None).await;
        let id = node.enqueue(Some(1), json!({"n": 1})).await;
        node.dispatching(async {
            node.settle().await;
            node.pass(Duration::from_secs(9), Duration::from_secs(3)).await;
        })
        .await;
        let before = server.count();
        assert!(before >= 2, "{before}");

        let node = node.restart(loopback()).await;
        works.store(true, Ordering::SeqCst);
        node.dispatching(node.pass(Duration::from_secs(60), Duration::from_secs(10))).await;
        let requests = server.take();
        assert_eq!(requests.len(), before + 1);
        assert!(requests.iter().all(|request| request.header("webhook-id") == Some(id.as_str())));
        let stamps: HashSet<&str> = requests.iter().map(|request| request.header("webhook-timestamp").unwrap()).collect();
        assert_eq!(stamps.len(), requests.len());
        assert_eq!(node.states().await, HashMap::from([("delivered".to_owned(), 1)]));
    }

    async fn a_refused_webhook_is_tried_for_three_days_and_can_be_replayed(store: TestStore) {
        let node = Node::new(store).await;
        let good = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&good);
        // Only one kind of event is refused, so that the circuit stays closed.
        let server = Upstream::start(move |request| {
            let poison = request.text().contains("poison") && !switch.load(Ordering::SeqCst);
            Answer::text(if poison { 400 } else { 200 }, "")
        })
        .await;
        node.send_webhooks_to(&server.url("/"), None).await;
        let id = node.enqueue(Some(1), json!({"poison": 1})).await;
        node.dispatching(async {
            for hour in 0..100 {
                node.enqueue(Some(2), json!({"hour": hour})).await;
                node.pass(HOUR, Duration::from_secs(900)).await;
            }
        })
        .await;
        let rows = node.deliveries().await;
        let dead: Vec<&DeliveryRow> = rows.iter().filter(|row| row.state == "failed").collect();
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0].webhook_id.as_str(), dead[0].attempts), (id.as_str(), 20));
        assert_eq!(node.states().await["delivered"], 100);

        good.store(true, Ordering::SeqCst);
        server.take();
        let replayed = delivery::replay(&node.engine, node.environment.pk, &dead[0].id).await.unwrap();
        assert!(replayed);
        assert!(!delivery::replay(&node.engine, node.environment.pk, "nobody").await.unwrap());
        node.dispatching(node.settle()).await;
        let again = server.take();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].header("webhook-id"), Some(id.as_str()));
        let (row, attempts) = delivery::find(&node.engine, node.environment.pk, &dead[0].id).await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), attempts.len()), ("delivered", 21));
    }

    async fn a_failure_holds_its_connection_back_for_a_while_only(store: TestStore) {
        let node = Node::new(store).await;
        let server = Upstream::start(|request| {
            Answer::text(if request.text().contains("poison") { 422 } else { 200 }, "")
        })
        .await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.enqueue(Some(1), json!({"poison": 1})).await;
        node.enqueue(Some(1), json!({"second": 1})).await;
        node.enqueue(Some(2), json!({"other": 1})).await;
        node.dispatching(async {
            node.settle().await;
            let bodies: Vec<String> = server.received().iter().map(Received::text).collect();
            assert!(bodies.contains(&r#"{"other":1}"#.to_owned()));
            assert!(!bodies.contains(&r#"{"second":1}"#.to_owned()));
            node.pass(Duration::from_secs(120), Duration::from_secs(5)).await;
            let bodies: Vec<String> = server.received().iter().map(Received::text).collect();
            assert!(bodies.contains(&r#"{"second":1}"#.to_owned()));
        })
        .await;
    }

    async fn poison_does_not_stop_a_quiet_endpoint(store: TestStore) {
        let node = Node::new(store).await;
        let server = Upstream::start(|request| {
            Answer::text(if request.text().contains("poison") { 500 } else { 200 }, "")
        })
        .await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.dispatching(async {
            for connection in 1..=8 {
                node.enqueue(Some(connection), json!({"poison": connection})).await;
            }
            node.settle().await;
            node.pass(Duration::from_secs(120), Duration::from_secs(5)).await;
            node.enqueue(Some(100), json!({"good": 1})).await;
            node.pass(Duration::from_secs(300), Duration::from_secs(5)).await;
        })
        .await;
        assert_eq!(node.states().await, HashMap::from([("waiting".to_owned(), 8), ("delivered".to_owned(), 1)]));
    }

    async fn a_redirect_is_no_success(store: TestStore) {
        let node = Node::new(store).await;
        let target = Upstream::start(|_| Answer::text(200, "")).await;
        let there = target.url("/");
        let server = Upstream::start(move |_| Answer::redirect(307, &there)).await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.enqueue(None, json!({"n": 1})).await;
        node.dispatching(node.settle()).await;
        assert_eq!((server.count(), target.count()), (1, 0));
        let row = &node.deliveries().await[0];
        assert_eq!((row.state.as_str(), row.last_status), ("waiting", Some(307)));
    }

    async fn faults_13_a_lost_lease_has_no_say(store: TestStore) {
        let node = Node::new(store).await;
        let server = Upstream::start(|_| Answer::text(200, "")).await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.enqueue(Some(1), json!({"n": 1})).await;
        let now = node.clock.now();
        let stolen = node.lease_one("paused node").await;
        node.dispatching(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(server.count(), 0);
            node.pass(Duration::from_secs(130), Duration::from_secs(130)).await;
        })
        .await;
        assert_eq!(server.count(), 1);
        let late = Finished {
            delivery: stolen.pk,
            fence: stolen.fence,
            attempts: 1,
            outcome: Outcome::Failed,
            attempt: node.store.ids.int(),
            at: now,
            duration_us: 1,
            status: None,
            error: Some("late".to_owned()),
        };
        let held: Result<u64, StoreError> =
            node.engine.store.write(move |tx| async move { tx.finish_deliveries(&[late]).await }).await;
        assert_eq!(held.unwrap(), 0);
        assert_eq!(node.states().await, HashMap::from([("delivered".to_owned(), 1)]));
    }

    async fn a_node_that_starts_again_waits_for_no_lease_of_its_own(store: TestStore) {
        let node = Node::new(store).await;
        let server = Upstream::start(|_| Answer::text(200, "")).await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.enqueue(Some(1), json!({"n": 1})).await;
        let now = node.clock.now();
        // What a process that was killed leaves behind.
        node.lease_one(&node.engine.settings.node).await;
        node.dispatching(node.settle()).await;
        assert_eq!(server.count(), 1);
        assert!(node.clock.now().since(now) < Duration::from_secs(60));
        assert_eq!(node.states().await, HashMap::from([("delivered".to_owned(), 1)]));
    }

    async fn the_feed_has_every_event_once_without_gaps(store: TestStore) {
        let node = Node::new(store).await;
        let mut ids = Vec::new();
        for number in 0..25 {
            ids.push(node.enqueue(Some(number % 3), json!({"n": number})).await);
        }
        let environment = node.environment.pk;
        let mut seen = Vec::new();
        let mut cursor = 0;
        loop {
            let page = delivery::events_after(&node.engine, environment, cursor, 10).await.unwrap();
            if page.is_empty() && seen.len() >= 26 {
                break;
            }
            if let Some(last) = page.last() {
                cursor = last.position;
            }
            seen.extend(page.into_iter().map(|event| (event.position, event.id)));
            if seen.len() == 25 {
                ids.push(node.enqueue(None, json!({"late": true})).await);
            }
        }
        let positions: Vec<i64> = seen.iter().map(|(position, _)| *position).collect();
        assert_eq!(positions, (1..=26).collect::<Vec<_>>());
        assert_eq!(seen.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ids);
    }

    async fn old_deliveries_and_events_go_and_waiting_ones_stay(store: TestStore) {
        let node = Node::new(store).await;
        let server = Upstream::start(|_| Answer::text(200, "")).await;
        node.send_webhooks_to(&server.url("/"), None).await;
        node.enqueue(None, json!({"n": 1})).await;
        node.dispatching(node.settle()).await;
        node.enqueue(None, json!({"n": 2})).await;
        let before = node.clock.now().plus(Duration::from_secs(1));
        let gone: Result<u64, StoreError> =
            node.engine.store.write(move |tx| async move { tx.prune_deliveries(before, 100).await }).await;
        assert_eq!(gone.unwrap(), 2);
        assert_eq!(node.states().await, HashMap::from([("waiting".to_owned(), 1)]));
    }
}

static SECRETS: Statement = Statement::new(
    "test::SECRETS",
    "SELECT body FROM event WHERE environment_pk = $1",
);

#[tokio::test]
async fn bodies_are_sealed_at_rest() {
    let node = Node::new(TestStore::sqlite().await).await;
    node.enqueue(None, json!({"canary": "canary-4711"})).await;
    let rows = node
        .engine
        .reader()
        .query(&SECRETS, params![node.environment.pk])
        .await
        .unwrap();
    let stored: Bytes = rows[0].get(0).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn measure_deliveries_per_second() {
    let node = Node::new(TestStore::sqlite().await).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = Upstream::counting(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Answer::text(200, "")
    })
    .await;
    node.send_webhooks_to(&server.url("/"), None).await;
    for number in 0..20_000 {
        node.enqueue(
            Some(number % 500),
            json!({"n": number, "pad": "x".repeat(200)}),
        )
        .await;
    }
    let started = std::time::Instant::now();
    node.dispatching(async {
        while count.load(Ordering::Relaxed) < 20_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let took = started.elapsed();
    println!(
        "{} deliveries in {took:?}: {:.0}/s",
        count.load(Ordering::Relaxed),
        20_000.0 / took.as_secs_f64()
    );
}
