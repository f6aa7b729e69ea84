//! Attacks on connect flows: states and codes that come at the wrong time, in the wrong place, or twice.

#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_engine::{auth::flow, environments};
use tracing::{Event, Metadata, Subscriber, field::Visit, span};

use super::{Scene, Trip, error_type, flows::param, message};
use crate::{TestApp, app::Answer};

/// Log lines of this process, as long as the test runs on its thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Lines since the last look.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tenon")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{}={value:?} ", field.name());
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Operations of connect flows that failed.
async fn failed_flows(scene: &Scene) -> Vec<Value> {
    let listed = scene.app.get("/operations").await.json();
    let all = listed["operations"].as_array().unwrap().iter();
    all.filter(|one| one["type"] == "auth" && one["state"] == "failed")
        .cloned()
        .collect()
}

async fn back(scene: &Scene, query: &str, cookie: Option<&str>) -> Answer {
    scene
        .browse(&format!("/oauth/callback?{query}"), cookie)
        .await
}

fn refused(page: &Answer, kind: &str) {
    assert_eq!((page.status(), error_type(page).as_str()), (400, kind));
}

/// FAULTS 32: nobody's state. There is no connection to note it with, so the log of the process says it.
#[tokio::test]
async fn faults_32_a_missing_unknown_or_used_state_is_refused_and_logged() {
    let scene = Scene::start().await;
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    let trip = scene.open("alice").await;
    let used = scene.provider.agree(&trip.location);
    assert_eq!(back(&scene, &used, Some(&trip.cookie)).await.status(), 200);
    lines.take();
    for query in [
        "",
        "code=secret-code",
        "state=&code=secret-code",
        "state=nobody&code=secret-code",
        &used,
    ] {
        refused(&back(&scene, query, Some(&trip.cookie)).await, "state_err");
        let said = lines.take();
        assert_eq!(said.len(), 1, "{query}: {said:?}");
        assert!(
            said[0].contains("callback was refused"),
            "{query}: {said:?}"
        );
        assert!(!said[0].contains("secret-code"), "{said:?}");
        assert!(
            !said[0].contains(&param(&trip.location, "state")),
            "{said:?}"
        );
    }
    assert_eq!(scene.provider.token_requests().len(), 1, "the first time");
    assert_eq!(scene.webhooks().await.len(), 1);
}

/// FAULTS 32.
#[tokio::test]
async fn faults_32_an_expired_state_is_refused_and_logged() {
    let scene = Scene::start().await;
    let slow = scene.open("bob").await;
    let query = scene.provider.agree(&slow.location);
    scene
        .app
        .clock
        .advance(flow_lifetime() + Duration::from_secs(1));
    let page = back(&scene, &query, Some(&slow.cookie)).await;
    refused(&page, "state_err");
    assert!(scene.provider.token_requests().is_empty());
    assert!(!scene.has_connection("bob").await);
    assert_eq!(failed_flows(&scene).await.len(), 1);
    scene.connect("bob").await;
}

const fn flow_lifetime() -> Duration {
    Duration::from_secs(3600)
}

/// FAULTS 32: a state belongs to its environment, whatever the integration of another one is called.
#[tokio::test]
async fn faults_32_a_state_of_another_environment_connects_nothing_here() {
    let scene = Scene::start().await;
    let engine = &scene.app.engine;
    let theirs = environments::ensure(engine, "theirs").await.unwrap();
    let key = environments::secret_key(engine, theirs.pk).await.unwrap();
    let key = key.unwrap().expose().clone();
    let their = |method: &str, path: &str| scene.app.anonymous(method, path).bearer(&key);
    let credentials =
        json!({ "type": "OAUTH2", "client_id": "their-id", "client_secret": "their-secret" });
    for name in ["crm", "only-theirs"] {
        let body = json!({ "unique_key": name, "provider": "oauth2", "credentials": credentials });
        let made = their("POST", "/integrations").json(&body).send().await;
        assert_eq!(made.status(), 200, "{}", made.text());
        let own = json!({ "own_callback_url": true });
        let path = format!("/integrations/{name}");
        assert_eq!(their("PATCH", &path).json(&own).send().await.status(), 200);
    }
    let own = json!({ "own_callback_url": true });
    let patched = scene.app.patch("/integrations/crm", own).await;
    assert_eq!(patched.status(), 200, "{}", patched.text());
    let their_trip = async |name: &str| {
        let body = json!({ "end_user": { "id": "u" }, "allowed_integrations": [name] });
        let session = their("POST", "/connect/sessions").json(&body).send().await;
        let token = session.json()["data"]["token"].as_str().unwrap().to_owned();
        let path = format!("/oauth/connect/{name}?connect_session_token={token}");
        scene.open_at(&path).await
    };
    let arrive = async |path: &str, trip: &Trip, cookies: &str| {
        let query = scene.provider.agree(&trip.location);
        scene
            .browse(&format!("{path}?{query}"), Some(cookies))
            .await
    };

    // The state of a flow of `theirs` at the address of an integration that only we have, and the other way round.
    let trip = their_trip("only-theirs").await;
    let page = arrive("/oauth/callback/crm", &trip, &trip.cookie).await;
    refused(&page, "callback_err");
    let ours = scene.open("alice").await;
    let page = arrive("/oauth/callback/only-theirs", &ours, &ours.cookie).await;
    refused(&page, "callback_err");
    assert_eq!(failed_flows(&scene).await.len(), 1, "each sees its own");
    let listed = their("GET", "/operations").send().await.json();
    let all = listed["operations"].as_array().unwrap().iter();
    assert_eq!(all.filter(|one| one["state"] == "failed").count(), 1);
    assert!(scene.provider.token_requests().is_empty());

    // Equal names, both flows under way in one browser: the state alone decides whose the connection is.
    let (ours, trip) = (scene.open("alice").await, their_trip("crm").await);
    let cookies = format!("{}; {}", ours.cookie, trip.cookie);
    let page = arrive("/oauth/callback/crm", &trip, &cookies).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    assert!(!scene.has_connection("alice").await);
    let exchanged = scene.provider.token_requests().pop().unwrap().text();
    assert!(exchanged.contains("client_id=their-id"), "{exchanged}");
    let page = arrive("/oauth/callback/crm", &ours, &cookies).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    assert!(scene.has_connection("alice").await);
    let exchanged = scene.provider.token_requests().pop().unwrap().text();
    assert!(exchanged.contains("client_id=cid"), "{exchanged}");
}

/// FAULTS 32: two people exchange their ways back.
#[tokio::test]
async fn faults_32_states_swapped_between_two_browsers_are_refused_and_logged() {
    let scene = Scene::start().await;
    let (alice, bob) = (scene.open("alice").await, scene.open("bob").await);
    for (trip, cookie) in [(&alice, &bob.cookie), (&bob, &alice.cookie)] {
        let query = scene.provider.agree(&trip.location);
        let page = back(&scene, &query, Some(cookie)).await;
        refused(&page, "state_cookie_err");
        // It is used up: the right browser cannot be talked into it afterwards.
        let page = back(&scene, &query, Some(&trip.cookie)).await;
        refused(&page, "state_err");
    }
    assert!(scene.provider.token_requests().is_empty());
    assert_eq!(failed_flows(&scene).await.len(), 2);
    assert_eq!(scene.failures().await.len(), 2);
    for name in ["alice", "bob"] {
        assert!(!scene.has_connection(name).await);
        scene.connect(name).await;
    }
}

/// FAULTS 33: the attacker's code under the victim's own state. PKCE binds the code to the flow that asked for it.
#[tokio::test]
async fn faults_33_a_code_of_another_flow_is_worth_nothing_under_the_right_state() {
    let scene = Scene::start().await;
    let (attacker, victim) = (scene.open("attacker").await, scene.open("victim").await);
    let stolen = scene.provider.agree(&attacker.location);
    let code = param(&format!("http://x/?{stolen}"), "code");
    let query = format!("code={code}&state={}", param(&victim.location, "state"));
    let page = back(&scene, &query, Some(&victim.cookie)).await;
    refused(&page, "unknown_err");
    assert!(
        message(&page)["payload"]["message"]
            .as_str()
            .unwrap()
            .contains("invalid_grant"),
        "{}",
        page.text()
    );
    assert_eq!(scene.provider.token_requests().len(), 1, "with a verifier");
    assert_eq!(failed_flows(&scene).await.len(), 1);
    assert!(!scene.has_connection("victim").await);
    assert!(!scene.has_connection("attacker").await);
    scene.connect("victim").await;
}

/// FAULTS 37: a double click, or somebody who was quicker: twenty callbacks at two nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_37_a_code_that_arrives_many_times_at_once_is_one_connection() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    let query = scene.provider.agree(&trip.location);
    let query: serde_json::Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let cookie = trip.cookie.split('=').next().unwrap().to_owned();
    let nodes = [scene.app.engine.clone(), scene.app.node("other")];
    let arriving = (0..20).map(|number| {
        let engine = nodes[number % 2].clone();
        let callback = flow::Callback {
            query: query.clone(),
            cookies: vec![cookie.clone()],
            integration: None,
            from_browser: true,
        };
        tokio::spawn(async move { flow::finish(&engine, &callback).await })
    });
    let ends = futures::future::join_all(arriving).await.into_iter();
    let (good, bad): (Vec<_>, Vec<_>) = ends.map(Result::unwrap).partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 19));
    for end in bad {
        assert_eq!(end.unwrap_err().kind.as_str(), "state_err");
    }
    let asked = scene.provider.token_requests().len();
    assert_eq!(asked, 1, "the code was used once");
    let webhooks = scene.webhooks().await;
    assert_eq!(webhooks.len(), 1, "{webhooks:?}");
    assert_eq!(webhooks[0]["operation"], "creation");
    let listed = scene.app.get("/connections").await.json();
    assert_eq!(listed["connections"].as_array().unwrap().len(), 1);
}

/// FAULTS 37: a code that has done its work does no other.
#[tokio::test]
async fn faults_37_a_code_is_worth_nothing_after_it_was_used() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    let query = scene.provider.agree(&trip.location);
    let page = back(&scene, &query, Some(&trip.cookie)).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let token = scene.read("alice").await.json()["credentials"]["access_token"].clone();

    // The same way back again: no request leaves.
    refused(&back(&scene, &query, Some(&trip.cookie)).await, "state_err");
    assert_eq!(scene.provider.token_requests().len(), 1);
    // The code in a flow of the thief's: the provider knows that it is used.
    let thief = scene.open("thief").await;
    let code = param(&format!("http://x/?{query}"), "code");
    let replayed = format!("code={code}&state={}", param(&thief.location, "state"));
    let page = back(&scene, &replayed, Some(&thief.cookie)).await;
    refused(&page, "unknown_err");
    assert_eq!(scene.provider.token_requests().len(), 2);
    assert!(!scene.has_connection("thief").await);
    let connection = scene.read("alice").await.json();
    assert_eq!(connection["credentials"]["access_token"], token);
    assert_eq!(connection["errors"], json!([]));
}

/// FAULTS 41: a session at every door where credentials are posted: for what it was not made for, for what belongs to
/// another environment, and after its end.
#[tokio::test]
async fn faults_41_a_session_posts_credentials_only_where_it_may() {
    let app = TestApp::start().await;
    let theirs = environments::ensure(&app.engine, "theirs").await.unwrap();
    let key = environments::secret_key(&app.engine, theirs.pk).await;
    let key = key.unwrap().unwrap().expose().clone();
    let doors = [
        ("unverified", "/api-auth/api-key", json!({ "apiKey": "k" })),
        (
            "basic",
            "/api-auth/basic",
            json!({ "username": "u", "password": "p" }),
        ),
        ("none", "/auth/unauthenticated", json!({})),
    ];
    for (provider, door, body) in doors {
        for (name, at) in [("mine", None), ("other", None), ("elsewhere", Some(&key))] {
            let name = format!("{name}-{provider}");
            let integration = json!({ "unique_key": name, "provider": provider });
            let request = app.request("POST", "/integrations");
            let request = match at {
                Some(key) => request.bearer(key),
                None => request,
            };
            let made = request.json(&integration).send().await;
            assert_eq!(made.status(), 200, "{}", made.text());
        }
        let mine = format!("mine-{provider}");
        let allowed = json!({ "end_user": { "id": "u" }, "allowed_integrations": [mine] });
        let token = app.session(allowed).await;
        let post = async |integration: String, more: &str| {
            let path = format!("{door}/{integration}?connect_session_token={token}{more}");
            app.anonymous("POST", &path).json(&body).send().await
        };
        let more = "&allowed_integrations=other-x&integration_id=other-x";
        for (integration, more) in [("other", ""), ("other", more), ("elsewhere", "")] {
            let refused = post(format!("{integration}-{provider}"), more).await;
            let expected = if integration == "other" {
                "400 integration_not_allowed"
            } else {
                "404 unknown_provider_config"
            };
            assert_eq!(refused.refusal(), expected, "{door} {integration}{more}");
        }
        let made = post(mine.clone(), "").await;
        assert_eq!(made.status(), 200, "{door}: {}", made.text());
        app.clock.advance(Duration::from_secs(30 * 60 + 1));
        let late = post(mine, "").await;
        assert_eq!(
            late.refusal(),
            "401 unknown_connect_session_token",
            "{door}"
        );
    }
    let listed = app.get("/connections").await.json();
    assert_eq!(listed["connections"].as_array().unwrap().len(), 3);
    let listed = app.anonymous("GET", "/connections").bearer(&key).send();
    let listed = listed.await.json();
    assert_eq!(listed["connections"], json!([]));
}
