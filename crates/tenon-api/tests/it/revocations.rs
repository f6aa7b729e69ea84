//! Providers are told to forget tokens, and the proof is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tenon_engine::revocation::Revoker;
use tenon_testkit::upstream::{Answer, Received, Upstream};

use crate::TestApp;

struct World {
    app: TestApp,
    provider: Upstream,
    /// What `/revoke` answers.
    status: Arc<AtomicU16>,
}

impl World {
    async fn start() -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let answers = Arc::clone(&status);
        let provider = Upstream::start(move |request: &Received| match request.path() {
            "/revoke" => Answer::text(answers.load(Ordering::SeqCst), ""),
            "/auth.revoke" if request.header("authorization") == Some("Bearer a-gone") => {
                Answer::json(200, &json!({"ok": false, "error": "token_revoked"}))
            }
            "/auth.revoke" if request.header("authorization") == Some("Bearer a-bad") => {
                Answer::json(200, &json!({"ok": false, "error": "internal_error"}))
            }
            "/auth.revoke" => Answer::json(200, &json!({"ok": true})),
            path => Answer::text(404, path),
        })
        .await;
        let app = TestApp::with_upstream(&provider.url("")).await;
        for key in ["revocable", "chatty"] {
            let body = json!({"unique_key": key, "provider": key, "credentials":
                {"type": "OAUTH2", "client_id": "id", "client_secret": "s3cret"}});
            let answer = app.post("/integrations", body).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        Self {
            app,
            provider,
            status,
        }
    }

    async fn connect(&self, integration: &str, id: &str, organization: &str) {
        let body = json!({
            "provider_config_key": integration,
            "connection_id": id,
            "credentials": {"type": "OAUTH2", "access_token": format!("a-{id}"), "refresh_token": format!("r-{id}")},
            "end_user": {"id": "u"},
            "tags": {"organization_id": organization},
        });
        let answer = self.app.post("/connections", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
    }

    async fn delete(&self, integration: &str, id: &str) {
        let path = format!("/connections/{id}?provider_config_key={integration}");
        let answer = self.app.delete(&path).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    async fn round(&self) -> usize {
        Revoker::new(self.app.engine.clone()).round().await.unwrap()
    }

    async fn proofs(&self) -> Vec<Value> {
        let answer = self.app.get("/revocations").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(!answer.text().contains("a-"), "a token: {}", answer.text());
        answer.json()["revocations"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn deleting_a_connection_revokes_its_token_and_keeps_the_proof() {
    let world = World::start().await;
    world.connect("revocable", "alice", "acme").await;
    world.delete("revocable", "alice").await;
    assert_eq!(world.proofs().await[0]["state"], "waiting");
    assert_eq!(
        world.provider.count(),
        0,
        "nothing is sent inside the deletion"
    );

    assert_eq!(world.round().await, 1);
    let sent = &world.provider.received()[0];
    assert_eq!((sent.method.as_str(), sent.path()), ("POST", "/revoke"));
    assert_eq!(sent.text(), "token=r-alice&token_type_hint=refresh_token");
    assert_eq!(sent.header("authorization"), Some("Basic aWQ6czNjcmV0"));
    let proof = &world.proofs().await[0];
    assert_eq!(
        (&proof["state"], &proof["status"]),
        (&json!("revoked"), &json!(200))
    );
    assert_eq!(
        (&proof["token"], &proof["reason"]),
        (&json!("refresh_token"), &json!("deleted"))
    );
    assert_eq!(proof["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(world.round().await, 0);
    assert_eq!(
        world.app.get("/revocations?connection_id=bob").await.json()["revocations"],
        json!([])
    );
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_later_and_once() {
    let world = World::start().await;
    world.connect("revocable", "alice", "acme").await;
    world.delete("revocable", "alice").await;
    world.status.store(503, Ordering::SeqCst);
    assert_eq!(world.round().await, 1);
    assert_eq!(world.round().await, 0, "it is left alone for a while");
    let proof = &world.proofs().await[0];
    assert_eq!(
        (&proof["state"], &proof["status"]),
        (&json!("waiting"), &json!(503))
    );

    world.status.store(200, Ordering::SeqCst);
    world.app.clock.advance(Duration::from_secs(6));
    assert_eq!(world.round().await, 1);
    let proof = &world.proofs().await[0];
    assert_eq!(
        (&proof["state"], &proof["attempts"]),
        (&json!("revoked"), &json!(2))
    );
    world.app.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.round().await, 0);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up_and_the_token_forgotten() {
    let world = World::start().await;
    world.connect("revocable", "alice", "acme").await;
    world.delete("revocable", "alice").await;
    world.status.store(500, Ordering::SeqCst);
    for _ in 0..12 {
        assert_eq!(world.round().await, 1);
        world.app.clock.advance(Duration::from_secs(86_401));
    }
    assert_eq!(world.round().await, 0);
    assert_eq!(world.proofs().await[0]["state"], "failed");
    static LEFT: tenon_store::Statement = tenon_store::Statement::new(
        "LEFT",
        "SELECT COUNT(*) FROM revocation WHERE request IS NOT NULL",
    );
    let left = world.app.engine.reader().get(&LEFT, &[]).await.unwrap();
    assert_eq!(left.get::<i64>(0).unwrap(), 0);
}

#[tokio::test]
async fn an_answer_that_says_ok_is_read_and_a_dead_token_is_fine() {
    let world = World::start().await;
    for id in ["good", "gone", "bad"] {
        world.connect("chatty", id, "acme").await;
        world.delete("chatty", id).await;
    }
    assert_eq!(world.round().await, 3);
    let proofs = world.app.get("/revocations").await.json()["revocations"].clone();
    let mut states: Vec<(String, String)> = proofs
        .as_array()
        .unwrap()
        .iter()
        .map(|proof| {
            let text = |name: &str| proof[name].as_str().unwrap_or_default().to_owned();
            (text("connection_id"), text("state"))
        })
        .collect();
    states.sort();
    let expected = [("bad", "waiting"), ("gone", "gone"), ("good", "revoked")];
    assert_eq!(
        states,
        expected.map(|(id, state)| (id.to_owned(), state.to_owned()))
    );
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said() {
    let world = World::start().await;
    world.app.integration("plain", "unverified").await;
    let body = json!({"provider_config_key": "plain", "connection_id": "k", "credentials": {"type": "API_KEY", "apiKey": "x"}});
    assert_eq!(world.app.post("/connections", body).await.status(), 201);
    world.delete("plain", "k").await;
    world.app.connection("open", "nobody").await;
    world.delete("open", "nobody").await;
    let proofs = world.proofs().await;
    assert_eq!(
        proofs.len(),
        1,
        "a connection without secrets leaves nothing"
    );
    assert_eq!(proofs[0]["state"], "unsupported");
    assert!(
        proofs[0]["error"]
            .as_str()
            .unwrap()
            .contains("not known to take revocations")
    );
    assert_eq!(world.round().await, 0);
}

#[tokio::test]
async fn the_kill_switch_lists_first_and_deletes_only_what_it_listed() {
    let world = World::start().await;
    for (integration, id, organization) in [
        ("revocable", "alice", "acme"),
        ("revocable", "bob", "other"),
        ("chatty", "carol", "acme"),
    ] {
        world.connect(integration, id, organization).await;
    }
    let radius = |body: Value| world.app.post("/revoke", body);
    let seen = radius(json!({"organization": "acme"})).await.json()["data"].clone();
    assert_eq!(
        (&seen["connections"], &seen["dry_run"]),
        (&json!(2), &json!(true))
    );
    let seen = radius(json!({"provider": "revocable"})).await.json()["data"].clone();
    let one = json!([{"environment": "dev", "unique_key": "revocable", "provider": "revocable", "revocable": true,
        "connections": 2, "connection_ids": ["alice", "bob"]}]);
    assert_eq!(seen["integrations"], one);
    assert_eq!(radius(json!({"environment": "nope"})).await.status(), 404);
    assert_eq!(radius(json!({})).await.status(), 400);
    assert_eq!(
        radius(json!({"provider": "a", "environment": "b"}))
            .await
            .status(),
        400
    );
    assert_eq!(
        world.app.get("/connections").await.json()["connections"]
            .as_array()
            .unwrap()
            .len(),
        3
    );

    let done = radius(json!({"organization": "acme", "dry_run": false}))
        .await
        .json()["data"]
        .clone();
    assert_eq!(done["deleted"], 2);
    let left = world.app.get("/connections").await.json();
    assert_eq!(left["connections"][0]["connection_id"], "bob");
    assert_eq!(world.round().await, 2);
    let proofs = world.app.get("/revocations").await.json()["revocations"].clone();
    assert!(
        proofs
            .as_array()
            .unwrap()
            .iter()
            .all(|proof| proof["reason"] == "kill_switch" && proof["state"] == "revoked")
    );

    let done = radius(json!({"environment": "dev", "dry_run": false}))
        .await
        .json()["data"]
        .clone();
    assert_eq!(done["deleted"], 1);
    let again = radius(json!({"environment": "dev", "dry_run": false}))
        .await
        .json()["data"]
        .clone();
    assert_eq!(again["deleted"], 0);
}

#[tokio::test]
async fn the_kill_switch_is_for_operators() {
    let app = TestApp::start().await;
    let body = json!({"name": "app", "scopes": ["environment:*"]});
    let key = app.post("/environment/api-keys", body).await.json()["data"]["key"].clone();
    let request = app
        .anonymous("POST", "/revoke")
        .bearer(key.as_str().unwrap());
    let answer = request.json(&json!({"environment": "dev"})).send().await;
    assert_eq!(answer.status(), 403);
}
