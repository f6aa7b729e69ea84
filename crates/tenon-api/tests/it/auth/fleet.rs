//! Many connections at once, and how each is doing.

#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use serde_json::json;
use tenon_core::{
    Clock as _, Secret,
    auth::AuthMode,
    limits,
    names::{ConnectionId, IntegrationKey},
};
use tenon_engine::{
    auth::{
        Refresher,
        refresh::{Refresh, fresh},
    },
    connections::{self, NewConnection},
};
use tenon_store::StoreError;
use tenon_testkit::{oauth::refuse, upstream::Answer};

use super::Scene;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a read brings: the access token.
async fn token(scene: &Scene, number: usize) -> String {
    let (integration, connection) = (
        IntegrationKey::parse("crm").unwrap(),
        ConnectionId::parse(&format!("c{number}")).unwrap(),
    );
    let (engine, environment) = (&scene.app.engine, scene.app.environment.pk);
    let found = fresh(
        engine,
        environment,
        &integration,
        &connection,
        Refresh::IfNeeded,
    )
    .await;
    let credentials = found.unwrap().credentials.clone();
    credentials.expose()["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// FAULTS 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_31_ten_thousand_tokens_of_one_minute_are_no_stampede() {
    const ALL: usize = 10_000;
    let scene = Arc::new(Scene::start().await);
    scene.fleet(ALL, 600).await;
    for _ in 0..limits::TOKEN_REQUESTS {
        scene.provider.answer_next(Answer::Silence);
    }
    let first = (0..limits::TOKEN_REQUESTS).map(|number| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { token(&scene, number).await })
    });
    let first: Vec<_> = first.collect();
    while scene.provider.refresh_requests() < limits::TOKEN_REQUESTS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The provider hangs with every turn taken. No time passes from here on: nobody else may wait for anything.
    let rest = stream::iter(limits::TOKEN_REQUESTS..ALL)
        .map(|number| token(&scene, number))
        .buffer_unordered(100);
    let rest: Vec<String> = rest.collect().await;
    assert_eq!(rest.len(), ALL - limits::TOKEN_REQUESTS);
    assert!(rest.iter().all(|token| token == "old"));
    assert_eq!(scene.provider.refresh_requests(), limits::TOKEN_REQUESTS);
    // Those whose refresh hangs wait a few seconds, and use what they have.
    scene.app.clock.advance(Duration::from_secs(5));
    for caller in first {
        assert_eq!(caller.await.unwrap(), "old");
    }
    scene.app.clock.advance(Duration::from_secs(70));
    for number in 0..limits::TOKEN_REQUESTS {
        while !scene.has_failed(number).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // The provider is back: each is refreshed once.
    scene.app.clock.advance(Duration::from_secs(31));
    let some = 400;
    for _ in 0..100 {
        let tokens = stream::iter(0..some)
            .map(|number| token(&scene, number))
            .buffer_unordered(100);
        let tokens: Vec<String> = tokens.collect().await;
        if tokens.iter().all(|token| token != "old") {
            break;
        }
    }
    assert_eq!(scene.provider.refreshed(), some);
    assert_eq!(
        scene.provider.refresh_requests(),
        some + limits::TOKEN_REQUESTS
    );
    assert!(scene.failures().await.is_empty());
}

/// FAULTS 31: a provider that asks for a pause gets it from all whose tokens still live.
#[tokio::test]
async fn faults_31_one_request_for_patience_speaks_for_the_fleet() {
    let scene = Scene::start().await;
    scene.fleet(50, 600).await;
    let busy = Answer::text(429, "slow down").header("retry-after", "60");
    scene.provider.answer_next(busy);
    for number in 0..50 {
        assert_eq!(token(&scene, number).await, "old");
    }
    assert_eq!(scene.provider.refresh_requests(), 1);
    scene.app.clock.advance(Duration::from_secs(61));
    for number in 0..50 {
        assert_ne!(token(&scene, number).await, "old");
    }
}

/// FAULTS 31: connections that came together are kept alive one after the other, all within a day.
#[tokio::test]
async fn faults_31_idle_connections_are_looked_at_over_hours() {
    let scene = Scene::start().await;
    scene.fleet(500, 4 * 24 * 3600).await;
    let refresher = Refresher {
        engine: scene.app.engine.clone(),
    };
    scene.app.clock.advance(DAY - Duration::from_secs(4 * 3600));
    let mut sweeps = Vec::new();
    for _ in 0..26 {
        sweeps.push(refresher.touch_idle().await.unwrap());
        scene.app.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(sweeps.iter().sum::<usize>(), 500, "{sweeps:?}");
    assert!(sweeps.iter().all(|touched| *touched < 100), "{sweeps:?}");
}

async fn health(scene: &Scene) -> serde_json::Value {
    let path = "/connections/alice/health?provider_config_key=crm";
    let answer = scene.app.get(path).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn an_outage_is_told_apart_from_a_dead_token() {
    let scene = Scene::start().await;
    scene.import("alice", 600).await;
    let healthy = health(&scene).await;
    assert_eq!(healthy["state"], "healthy");
    assert_eq!(healthy["reason"], json!(null));
    scene.provider.answer_next(Answer::text(503, "later"));
    assert_eq!(scene.read("alice").await.status(), 200);
    let degraded = health(&scene).await;
    assert_eq!(degraded["state"], "degraded");
    assert_eq!(degraded["reason"], "provider_unavailable");
    assert!(degraded["next_attempt_at"].is_string());
    // The token has expired and the provider stays away for a week: nobody is asked to connect again.
    for _ in 0..7 {
        scene.app.clock.advance(DAY);
        scene.provider.answer_next(Answer::text(503, "later"));
        assert_eq!(scene.read("alice").await.status(), 400);
        let failing = health(&scene).await;
        assert_eq!(failing["state"], "failing");
        assert_eq!(failing["reason"], "provider_unavailable");
        assert_eq!(failing["cause"], "http_503");
    }
    assert_eq!(scene.failures().await.len(), 1, "an outage is told once");
    // Then it answers that the grant is gone: that is news, and something else.
    scene.app.clock.advance(Duration::from_secs(31));
    scene.provider.answer_next(refuse("invalid_grant"));
    assert_eq!(scene.read("alice").await.status(), 400);
    let refused = health(&scene).await;
    assert_eq!(refused["state"], "failing");
    assert_eq!(refused["reason"], "refresh_refused");
    assert_eq!(refused["cause"], "invalid_grant");
    assert_eq!(scene.failures().await.len(), 2);
    // What was refused stays refused while the provider is away.
    scene.app.clock.advance(Duration::from_secs(31));
    scene.provider.answer_next(Answer::text(503, "later"));
    assert_eq!(scene.read("alice").await.status(), 400);
    assert_eq!(health(&scene).await["cause"], "invalid_grant");
    assert_eq!(scene.failures().await.len(), 2);
    scene.app.clock.advance(Duration::from_secs(31));
    assert_eq!(scene.read("alice").await.status(), 200);
    assert_eq!(health(&scene).await["state"], "healthy");
}

#[tokio::test]
async fn an_exhausted_connection_says_so_and_recovers_when_forced() {
    let scene = Scene::start().await;
    scene.expired("alice").await;
    for _ in 0..4 {
        scene.provider.answer_next(refuse("invalid_grant"));
        assert_eq!(scene.read("alice").await.status(), 400);
        scene.app.clock.advance(DAY);
    }
    let exhausted = health(&scene).await;
    assert_eq!(exhausted["state"], "reconnect");
    assert_eq!(exhausted["reason"], "refresh_exhausted");
    assert_eq!(exhausted["next_attempt_at"], json!(null));
    let listed = scene.app.get("/connections?include=health").await.json();
    assert_eq!(listed["connections"][0]["health"]["state"], "reconnect");
    let plain = scene.app.get("/connections").await.json();
    assert!(plain["connections"][0].get("health").is_none());
    assert_eq!(scene.force("alice").await.status(), 200);
    assert_eq!(health(&scene).await["state"], "healthy");
    let nobody = scene
        .app
        .get("/connections/nobody/health?provider_config_key=crm");
    assert_eq!(nobody.await.refusal(), "404 not_found");
}

impl Scene {
    /// Whether a refresh of a connection of the fleet has failed.
    async fn has_failed(&self, number: usize) -> bool {
        let (reader, environment) = (self.app.engine.reader(), self.app.environment.pk);
        let id = format!("c{number}");
        let found = reader.find_connection(environment, "crm", &id);
        found.await.unwrap().unwrap().last_refresh_failure.is_some()
    }

    /// Connections `c0`, `c1`, ... with tokens that end in the same second.
    async fn fleet(&self, count: usize, expires_in: i64) {
        let engine = &self.app.engine;
        let row = engine
            .reader()
            .find_integration(self.app.environment.pk, "crm")
            .await
            .unwrap()
            .unwrap();
        let at = tenon_core::Timestamp::from_secs(self.app.clock.now().secs() + expires_in);
        let new = |number: usize| NewConnection {
            environment: row.environment,
            integration: row.pk,
            integration_key: row.unique_key.clone(),
            provider: row.provider.clone(),
            auth_mode: AuthMode::OAuth2,
            connection_id: Some(ConnectionId::parse(&format!("c{number}")).unwrap()),
            credentials: Secret::new(
                json!({
                    "type": "OAUTH2",
                    "access_token": "old",
                    "refresh_token": self.provider.refresh_token(),
                    "expires_at": at.iso_millis(),
                })
                .as_object()
                .unwrap()
                .clone(),
            ),
            connection_config: None,
            metadata: None,
            tags: None,
            end_user: None,
            webhook_url_override: None,
            by_session: false,
            operation_id: None,
        };
        let numbers: Vec<usize> = (0..count).collect();
        let stored = stream::iter(numbers.chunks(250)).map(|some| {
            let (inner, some) = (
                engine.clone(),
                some.iter().map(|n| new(*n)).collect::<Vec<_>>(),
            );
            engine.store.write(move |tx| async move {
                for new in some {
                    connections::save(&tx, &inner, new).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        let stored: Vec<_> = stored.buffer_unordered(8).collect().await;
        stored.into_iter().for_each(Result::unwrap);
    }
}
