#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tenon_core::names::{ConnectionId, IntegrationKey};
use tenon_engine::{
    Engine,
    auth::{
        Refresher,
        refresh::{
            ConnectionWithCredentials, CredentialsError, Refresh, RefreshError, Stamper, fresh,
        },
    },
};
use tenon_testkit::{TestClock, oauth::refuse, upstream::Answer};

use super::Scene;

/// How long a node may hold the right to refresh.
const LEASE: Duration = Duration::from_secs(90);

async fn look(
    scene: &Scene,
    engine: &Engine,
    refresh: Refresh,
) -> Result<ConnectionWithCredentials, CredentialsError> {
    let (integration, connection) = (
        IntegrationKey::parse("crm").unwrap(),
        ConnectionId::parse("alice").unwrap(),
    );
    fresh(
        engine,
        scene.app.environment.pk,
        &integration,
        &connection,
        refresh,
    )
    .await
    .map(std::sync::Arc::unwrap_or_clone)
}

fn token(connection: &ConnectionWithCredentials) -> String {
    connection.credentials.expose()["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn cause(error: CredentialsError) -> RefreshError {
    match error {
        CredentialsError::Refresh { source, connection } => {
            assert!(connection.credentials.expose().is_empty());
            source
        }
        other => panic!("{other}"),
    }
}

/// Lets virtual time pass while something waits.
struct Ticker(tokio::task::JoinHandle<()>);

impl Ticker {
    fn start(clock: &TestClock, step: Duration) -> Self {
        let clock = clock.clone();
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                clock.advance(step);
            }
        }))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// FAULTS 23.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_23_two_hundred_callers_on_two_nodes_mean_one_refresh() {
    let scene = Arc::new(Scene::start().await);
    scene.expired("alice").await;
    scene.provider.set_delay(Some(Duration::from_millis(100)));
    let nodes = [scene.app.engine.clone(), scene.app.node("other")];
    let _ticker = Ticker::start(&scene.app.clock, Duration::from_millis(50));
    let callers = (0..200).map(|number| {
        let (scene, engine) = (Arc::clone(&scene), nodes[number % 2].clone());
        tokio::spawn(async move {
            look(&scene, &engine, Refresh::IfNeeded)
                .await
                .map(|found| token(&found))
        })
    });
    let mut tokens = Vec::new();
    for caller in futures::future::join_all(callers).await {
        tokens.push(caller.unwrap().unwrap());
    }
    assert_eq!(tokens.len(), 200);
    assert!(
        tokens
            .iter()
            .all(|token| token == &tokens[0] && token != "old"),
        "{tokens:?}"
    );
    assert_eq!(scene.provider.refresh_requests(), 1);
    assert_eq!(scene.provider.refreshed(), 1);
}

/// FAULTS 25: an answer that takes half a minute is still one refresh, over two nodes, forced or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_25_a_slow_provider_is_asked_once() {
    let scene = Arc::new(Scene::start().await);
    scene.expired("alice").await;
    scene.provider.set_delay(Some(Duration::from_millis(300)));
    let other = scene.app.node("other");
    let waiting = [
        (scene.app.engine.clone(), Refresh::IfNeeded),
        (other.clone(), Refresh::IfNeeded),
        (scene.app.engine.clone(), Refresh::Always),
        (other, Refresh::Always),
    ]
    .map(|(engine, refresh)| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            look(&scene, &engine, refresh)
                .await
                .map(|found| token(&found))
        })
    });
    while scene.provider.refresh_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Half a minute passes, a second at a time.
    for _ in 0..30 {
        scene.app.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _ticker = Ticker::start(&scene.app.clock, Duration::from_millis(100));
    for caller in waiting {
        assert_ne!(caller.await.unwrap().unwrap(), "old");
    }
    assert_eq!(scene.provider.refresh_requests(), 1);
}

/// A node that sends a refresh and dies before it can store the answer.
fn die_while_refreshing(scene: &Arc<Scene>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let engine = scene.app.node("doomed");
    let doomed = Arc::clone(scene);
    runtime.spawn(async move { look(&doomed, &engine, Refresh::IfNeeded).await.map(|_| ()) });
    let before = scene.provider.refresh_requests();
    while scene.provider.refresh_requests() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    runtime.shutdown_background();
}

/// FAULTS 24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_24_a_lost_outcome_is_said_once_and_never_a_loop() {
    let scene = Arc::new(Scene::start().await);
    scene.expired("alice").await;
    scene.provider.set_delay(Some(Duration::from_secs(3600)));
    die_while_refreshing(&scene);
    assert_eq!(
        scene.provider.refreshed(),
        1,
        "the provider has rotated the token"
    );
    scene.provider.set_delay(None);
    scene.app.clock.advance(LEASE);

    let error = look(&scene, &scene.app.engine, Refresh::IfNeeded)
        .await
        .unwrap_err();
    assert_eq!(cause(error), RefreshError::OutcomeLost);
    assert_eq!(
        scene.provider.refresh_requests(),
        2,
        "the old token was tried once more"
    );
    for refresh in [Refresh::IfNeeded, Refresh::Always, Refresh::IfNeeded] {
        scene.app.clock.advance(Duration::from_secs(3600));
        let error = look(&scene, &scene.app.engine, refresh).await.unwrap_err();
        assert_eq!(cause(error), RefreshError::OutcomeLost);
    }
    assert_eq!(scene.provider.refresh_requests(), 2);
    assert_eq!(scene.failures().await.len(), 1);
    // Connecting again is the way out.
    scene.connect("alice").await;
    assert!(
        look(&scene, &scene.app.engine, Refresh::Always)
            .await
            .is_ok()
    );
}

/// FAULTS 24, with a provider that lets an old token work for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_24_a_grace_period_repairs_a_lost_outcome() {
    let scene = Arc::new(Scene::start().await);
    scene.expired("alice").await;
    let old = scene.read_stored("alice").await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    scene.provider.set_delay(Some(Duration::from_secs(3600)));
    die_while_refreshing(&scene);
    scene.provider.set_delay(None);
    scene.provider.forgive(&old);
    scene.app.clock.advance(LEASE);
    let connection = look(&scene, &scene.app.engine, Refresh::IfNeeded)
        .await
        .unwrap();
    assert_ne!(token(&connection), "old");
    assert_eq!(scene.provider.refreshed(), 2);
    assert!(scene.failures().await.is_empty());
}

/// FAULTS 13 and 24: until its lease is over, nobody else sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_24_nobody_sends_while_a_lease_runs() {
    let scene = Arc::new(Scene::start().await);
    scene.expired("alice").await;
    scene.provider.set_delay(Some(Duration::from_secs(3600)));
    die_while_refreshing(&scene);
    scene.provider.set_delay(None);
    let waiting = {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            look(&scene, &scene.app.engine, Refresh::IfNeeded)
                .await
                .map(|_| ())
        })
    };
    for _ in 0..80 {
        scene.app.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(scene.provider.refresh_requests(), 1);
    let _ticker = Ticker::start(&scene.app.clock, Duration::from_millis(200));
    assert_eq!(
        cause(waiting.await.unwrap().unwrap_err()),
        RefreshError::OutcomeLost
    );
    assert_eq!(scene.provider.refresh_requests(), 2);
}

/// FAULTS 27.
#[tokio::test]
async fn faults_27_answers_that_are_no_token_mark_the_connection_and_change_nothing() {
    let garbage = Answer::Raw(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 7\r\nconnection: close\r\n\r\ngarbage".into(),
    );
    let form = Answer::Whole {
        status: 200,
        headers: vec![(
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )],
        body: "access_token=a&refresh_token=b".into(),
    };
    let empty = Answer::Whole {
        status: 200,
        headers: Vec::new(),
        body: "".into(),
    };
    let html = Answer::Whole {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>maintenance</html>".into(),
    };
    for (answer, expected) in [
        (html, "not_json"),
        (empty, "empty_answer"),
        (garbage, "unreadable_answer"),
        (form, "not_json"),
    ] {
        let scene = Scene::start().await;
        scene.expired("alice").await;
        let before = scene.read_stored("alice").await;
        scene.provider.answer_next(answer);
        let error = look(&scene, &scene.app.engine, Refresh::IfNeeded)
            .await
            .unwrap_err();
        match cause(error) {
            RefreshError::Provider { cause, .. } => assert_eq!(cause, expected),
            other => panic!("{other}"),
        }
        assert_eq!(
            scene.read_stored("alice").await,
            before,
            "the token was not overwritten"
        );
        let marked = scene
            .app
            .get("/connections?connectionId=alice")
            .await
            .json();
        assert_eq!(
            marked["connections"][0]["errors"][0]["type"], "auth",
            "{expected}"
        );
        assert_eq!(scene.failures().await.len(), 1);
        // The token itself is fine.
        scene.app.clock.advance(Duration::from_secs(31));
        assert!(
            look(&scene, &scene.app.engine, Refresh::IfNeeded)
                .await
                .is_ok()
        );
        let cleared = scene
            .app
            .get("/connections?connectionId=alice")
            .await
            .json();
        assert_eq!(cleared["connections"][0]["errors"], json!([]));
    }
}

/// FAULTS 28.
#[tokio::test]
async fn faults_28_one_refusal_is_a_pause_and_one_webhook() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    scene.provider.answer_next(refuse("invalid_grant"));
    let first = scene.read("alice").await;
    assert_eq!(first.refusal(), "400 invalid_credentials");
    assert_eq!(
        first.json()["error"]["payload"]["connection"]["credentials"],
        json!({})
    );
    let second = scene.read("alice").await;
    assert_eq!(second.refusal(), "424 invalid_credentials");
    assert_eq!(scene.provider.refresh_requests(), 1, "not during the pause");
    let path = "/connections/alice/health?provider_config_key=crm";
    let health = scene.app.get(path).await.json();
    assert_eq!(health["state"], "failing", "not dead at first");
    assert!(health["next_attempt_at"].is_string(), "{health}");
    scene.provider.answer_next(refuse("invalid_grant"));
    assert_eq!(
        scene.force("alice").await.status(),
        400,
        "a forced read asks all the same"
    );
    assert_eq!(scene.failures().await.len(), 1, "told once");

    scene.app.clock.advance(Duration::from_secs(31));
    let third = scene.read("alice").await;
    assert_eq!(third.status(), 200);
    assert_eq!(third.json()["errors"], json!([]));
    let failure = &scene.failures().await[0];
    assert_eq!(failure["operation"], "refresh");
    assert_eq!(failure["error"]["type"], "refresh_token_external_error");
    // Another failure later is news again.
    scene.app.clock.advance(Duration::from_secs(3600));
    scene.provider.answer_next(refuse("invalid_grant"));
    assert_eq!(scene.read("alice").await.status(), 400);
    assert_eq!(scene.failures().await.len(), 2);
}

/// FAULTS 29.
#[tokio::test]
async fn faults_29_a_busy_provider_takes_nothing_from_a_living_token() {
    for status in [429, 503] {
        let scene = Scene::start().await;
        scene.import("alice", 600).await;
        let busy = Answer::text(status, "later").header("retry-after", "120");
        scene.provider.answer_next(busy);
        for _ in 0..3 {
            let connection = look(&scene, &scene.app.engine, Refresh::IfNeeded)
                .await
                .unwrap();
            assert_eq!(token(&connection), "old");
        }
        assert_eq!(scene.provider.refresh_requests(), 1);
        scene.app.clock.advance(Duration::from_secs(60));
        assert_eq!(
            token(
                &look(&scene, &scene.app.engine, Refresh::IfNeeded)
                    .await
                    .unwrap()
            ),
            "old"
        );
        assert_eq!(
            scene.provider.refresh_requests(),
            1,
            "it asked for two minutes"
        );
        assert!(scene.failures().await.is_empty());
        scene.app.clock.advance(Duration::from_secs(61));
        assert_ne!(
            token(
                &look(&scene, &scene.app.engine, Refresh::IfNeeded)
                    .await
                    .unwrap()
            ),
            "old"
        );
        assert_eq!(scene.provider.refresh_requests(), 2);
    }
}

/// FAULTS 30: a node that has used the old secret until now uses the new one at once.
#[tokio::test]
async fn faults_30_a_new_client_secret_counts_at_once_on_every_node() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    let nodes = [scene.app.engine.clone(), scene.app.node("other")];
    let refresh_everywhere = async || {
        for node in &nodes {
            scene.app.clock.advance(Duration::from_secs(5));
            look(&scene, node, Refresh::Always).await.unwrap();
        }
    };
    refresh_everywhere().await;
    let credentials = json!({ "type": "OAUTH2", "client_id": "cid", "client_secret": "rotated", "scopes": "read" });
    let patched = scene
        .app
        .patch("/integrations/crm", json!({ "credentials": credentials }))
        .await;
    assert_eq!(patched.status(), 200, "{}", patched.text());
    refresh_everywhere().await;
    let secrets: Vec<bool> = scene
        .provider
        .token_requests()
        .iter()
        .map(|request| request.text().contains("client_secret=rotated"))
        .collect();
    assert_eq!(secrets, [false, false, true, true]);
}

/// FAULTS 43.
#[tokio::test]
async fn faults_43_tokens_that_never_live_do_not_make_a_loop() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    scene.provider.set_expires_in(Some(0));
    for _ in 0..20 {
        look(&scene, &scene.app.engine, Refresh::IfNeeded)
            .await
            .unwrap();
        scene.app.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(scene.provider.refresh_requests(), 1);
    scene.app.clock.advance(Duration::from_secs(30));
    look(&scene, &scene.app.engine, Refresh::IfNeeded)
        .await
        .unwrap();
    assert_eq!(scene.provider.refresh_requests(), 2);
}

#[tokio::test]
async fn four_failing_days_exhaust_a_connection_until_it_is_forced() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    for day in 1..=4 {
        scene.provider.answer_next(refuse("invalid_grant"));
        assert_eq!(scene.read("alice").await.status(), 400, "day {day}");
        scene.app.clock.advance(Duration::from_secs(24 * 3600));
    }
    let error = look(&scene, &scene.app.engine, Refresh::IfNeeded)
        .await
        .unwrap_err();
    assert_eq!(cause(error), RefreshError::Exhausted);
    assert_eq!(scene.provider.refresh_requests(), 4);
    assert_eq!(scene.force("alice").await.status(), 200);
    assert_eq!(scene.read("alice").await.status(), 200);
}

#[tokio::test]
async fn forced_reads_within_two_seconds_share_a_refresh() {
    let scene = Scene::start().await;
    scene.connect("alice").await;
    assert_eq!(scene.force("alice").await.status(), 200);
    scene.app.clock.advance(Duration::from_secs(2));
    assert_eq!(scene.force("alice").await.status(), 200);
    assert_eq!(scene.provider.refresh_requests(), 1);
    scene.app.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.force("alice").await.status(), 200);
    assert_eq!(scene.provider.refresh_requests(), 2);
}

#[tokio::test]
async fn a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    let before = scene.read_stored("alice").await;
    scene.provider.answer_next(Answer::json(
        200,
        &json!({ "access_token": "new", "expires_in": 60 }),
    ));
    assert_eq!(
        scene.read("alice").await.json()["credentials"]["access_token"],
        "new"
    );
    let after = scene.read_stored("alice").await;
    assert_eq!(after["refresh_token"], before["refresh_token"]);
}

#[tokio::test]
async fn idle_connections_are_touched_once_a_day() {
    let scene = Scene::start().await;
    scene.import("alice", 36 * 3600).await;
    let refresher = Refresher {
        engine: scene.app.engine.clone(),
    };
    assert_eq!(refresher.touch_idle().await.unwrap(), 0);
    scene.app.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(refresher.touch_idle().await.unwrap(), 1);
    assert_eq!(
        scene.provider.refresh_requests(),
        0,
        "it lives for another eleven hours"
    );
    assert_eq!(
        refresher.touch_idle().await.unwrap(),
        0,
        "it was touched just now"
    );
    scene.app.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(refresher.touch_idle().await.unwrap(), 1);
    assert_eq!(scene.provider.refreshed(), 1);
}

#[tokio::test]
async fn reads_of_a_fresh_token_write_nothing_within_a_minute() {
    let scene = Scene::start().await;
    scene.connect("alice").await;
    scene.app.clock.advance(Duration::from_secs(90));
    let first = scene.read("alice").await.json()["last_fetched_at"].clone();
    scene.app.clock.advance(Duration::from_secs(30));
    assert_eq!(scene.read("alice").await.json()["last_fetched_at"], first);
    scene.app.clock.advance(Duration::from_secs(31));
    let second = scene.read("alice").await.json()["last_fetched_at"].clone();
    assert_ne!(second, first);
    assert_eq!(scene.provider.refresh_requests(), 0);
    // It is stored a moment later.
    let engine = scene.app.engine.clone();
    let stored = || async {
        let reader = engine.reader();
        let row = reader.find_connection(scene.app.environment.pk, "crm", "alice");
        row.await.unwrap().unwrap().last_fetched_at
    };
    let told = tenon_core::Timestamp::parse_iso(second.as_str().unwrap());
    assert_ne!(stored().await, told);
    Stamper {
        engine: engine.clone(),
    }
    .store()
    .await
    .unwrap();
    assert_eq!(stored().await, told);
}

impl Scene {
    /// Credentials as they are stored, without any refresh.
    async fn read_stored(&self, connection_id: &str) -> serde_json::Map<String, Value> {
        let (integration, connection) = (
            IntegrationKey::parse("crm").unwrap(),
            ConnectionId::parse(connection_id).unwrap(),
        );
        let environment = self.app.environment.pk;
        let found = fresh(
            &self.app.engine,
            environment,
            &integration,
            &connection,
            Refresh::Never,
        )
        .await;
        found.unwrap().credentials.expose().clone()
    }
}
