//! Apps that are installed: by a person who authorises them in the same go, by an owner later, or at the provider first.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_engine::auth::sockets;
use tenon_testkit::upstream::{Answer, Received, Upstream};

use super::direct::private_key;
use crate::{
    TestApp,
    app::{self, Wishes},
};

/// A provider of apps in whose place the upstream is. Everybody's code is `<name>`, their token `user-<name>`; what they
/// may use can be changed.
struct Scene {
    app: TestApp,
    upstream: Upstream,
    reachable: Arc<Mutex<Vec<i64>>>,
}

impl Scene {
    async fn github() -> Self {
        let reachable: Arc<Mutex<Vec<i64>>> = Arc::new(Mutex::new(vec![22]));
        let known = Arc::clone(&reachable);
        let scene = Self::start("github-app-oauth", move |request| {
            github(request, &known.lock().unwrap())
        })
        .await;
        let credentials = json!({ "type": "CUSTOM", "client_id": "cid", "client_secret": "sec", "app_id": "11",
            "app_link": "https://apps.example/x", "private_key": private_key() });
        let scene = Self { reachable, ..scene };
        scene.integrate("github-app-oauth", credentials).await;
        scene
    }

    async fn start(
        provider: &'static str,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(script).await;
        let app = TestApp::with(Wishes {
            upstream: Some(upstream.url("")),
            ours: vec![provider],
            ..Wishes::default()
        })
        .await;
        Self {
            app,
            upstream,
            reachable: Arc::default(),
        }
    }

    async fn integrate(&self, provider: &str, credentials: Value) {
        let body = json!({ "unique_key": "p", "provider": provider, "credentials": credentials });
        let made = self.app.post("/integrations", body).await;
        assert_eq!(made.status(), 200, "{}", made.text());
    }

    /// A person goes away and comes back with this query.
    async fn comes_back(&self, connection: &str, query: &str) -> app::Answer {
        let path = format!(
            "/oauth/connect/p?public_key={}&connection_id={connection}&params[installation_id]=666",
            self.app.environment.public_key
        );
        self.comes_back_from(&path, query).await
    }

    async fn comes_back_from(&self, path: &str, query: &str) -> app::Answer {
        let away = self.app.anonymous("GET", path).send().await;
        let location = away.header("location").to_owned();
        assert!(
            location.starts_with("https://apps.example/x/installations/new?state="),
            "{location}"
        );
        let state = location.split_once("state=").unwrap().1;
        let back = format!("/oauth/callback?state={state}&{query}");
        self.app.anonymous("GET", &back).send().await
    }

    async fn read(&self, connection: &str) -> Value {
        let path = format!("/connections/{connection}?provider_config_key=p&refresh_token=true");
        let answer = self.app.get(&path).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    async fn exists(&self, connection: &str) -> bool {
        let path = format!("/connections/{connection}?provider_config_key=p");
        self.app.get(&path).await.status() == 200
    }

    async fn hook(&self, body: Value) {
        let path = format!("/webhook/{}/p", self.app.environment.uuid);
        let answer = self.app.anonymous("POST", &path).json(&body).send().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        self.app.run_until_idle().await;
    }
}

fn github(request: &Received, reachable: &[i64]) -> Answer {
    match request.path() {
        "/github.com/login/oauth/access_token" => {
            let text = request.text();
            let code = text.split("code=").nth(1).unwrap_or_default();
            let name = code.split('&').next().unwrap_or_default();
            let name = if text.contains("grant_type=refresh_token") {
                "renewed"
            } else {
                name
            };
            Answer::json(
                200,
                &json!({ "access_token": format!("user-{name}"), "refresh_token": "ur", "expires_in": 28800 }),
            )
        }
        "/api.github.com/user/installations" => {
            let list: Vec<Value> = reachable.iter().map(|id| json!({ "id": id })).collect();
            Answer::json(
                200,
                &json!({ "total_count": list.len(), "installations": list }),
            )
        }
        path if path.starts_with("/api.github.com/app/installations/") => Answer::json(
            201,
            &json!({ "token": format!("inst-{}", path.split('/').nth(4).unwrap()), "expires_at": "2026-01-01T01:00:00Z" }),
        ),
        _ => Answer::json(
            200,
            &json!({ "authorization": request.header("authorization") }),
        ),
    }
}

#[tokio::test]
async fn an_installation_and_its_person_are_connected_together() {
    let scene = Scene::github().await;
    let page = scene
        .comes_back("a", "code=ann&installation_id=22&setup_action=install")
        .await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let stored = scene.read("a").await;
    assert_eq!(stored["credentials"]["type"], "APP");
    assert_eq!(stored["credentials"]["access_token"], "inst-22");
    let config = &stored["connection_config"];
    assert_eq!(config["installation_id"], "22");
    assert_eq!(config["app_id"], "11");
    assert_eq!(config["userCredentials"]["access_token"], "user-ann");
    assert_eq!(config["userCredentials"]["refresh_token"], "ur");
    let engine = &scene.app.engine;
    let row = engine
        .reader()
        .find_connection(scene.app.environment.pk, "p", "a")
        .await
        .unwrap()
        .unwrap();
    assert!(
        !row.connection_config.contains("user-ann"),
        "not in clear: {}",
        row.connection_config
    );
    let without = scene
        .app
        .get("/connections/a?provider_config_key=p")
        .await
        .json();
    assert_eq!(
        without["connection_config"]["userCredentials"]["refresh_token"],
        Value::Null
    );

    let sent = scene
        .app
        .request("GET", "/proxy/user")
        .header("provider-config-key", "p")
        .header("connection-id", "a")
        .send()
        .await;
    assert_eq!(sent.json()["authorization"], "Bearer inst-22");
    scene.app.clock.advance(Duration::from_secs(50 * 60));
    let before = scene.upstream.count();
    scene.read("a").await;
    assert_eq!(
        scene.upstream.count(),
        before + 1,
        "only the installation's token is due"
    );
    scene.app.clock.advance(Duration::from_secs(7 * 3600));
    let renewed = scene.read("a").await;
    assert_eq!(
        renewed["connection_config"]["userCredentials"]["access_token"],
        "user-renewed"
    );
    assert!(
        scene
            .app
            .delete("/connections/a?provider_config_key=p")
            .await
            .status()
            == 200
    );
}

/// Numbers of installations are guessed in a minute: only the provider knows whose they are.
#[tokio::test]
async fn nobody_connects_an_installation_of_somebody_else() {
    let scene = Scene::github().await;
    let foreign = scene
        .comes_back("eve", "code=eve&installation_id=23&setup_action=install")
        .await;
    assert_eq!(super::error_type(&foreign), "callback_err");
    let silent = scene
        .comes_back("eve", "installation_id=22&setup_action=update")
        .await;
    assert_eq!(super::error_type(&silent), "callback_err");
    assert!(!scene.exists("eve").await);
}

#[tokio::test]
async fn a_known_installation_leads_to_its_connection() {
    let scene = Scene::github().await;
    scene
        .comes_back("a", "code=ann&installation_id=22&setup_action=install")
        .await;
    let mut socket = sockets::open(&scene.app.engine, None).unwrap();
    let hello: Value = serde_json::from_str(&socket.acknowledgement()).unwrap();
    let path = format!(
        "/oauth/connect/p?public_key={}&connection_id=b&ws_client_id={}",
        scene.app.environment.public_key,
        hello["ws_client_id"].as_str().unwrap()
    );
    let page = scene
        .comes_back_from(&path, "code=bob&installation_id=22&setup_action=update")
        .await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let frame: Value = serde_json::from_str(&socket.next().await).unwrap();
    assert_eq!(frame["message_type"], "success");
    assert_eq!(frame["connection_id"], "a");
    assert!(!scene.exists("b").await);
    let kept = scene.read("a").await;
    assert_eq!(
        kept["connection_config"]["userCredentials"]["access_token"],
        "user-ann"
    );
}

#[tokio::test]
async fn an_owner_completes_what_a_person_began() {
    let scene = Scene::github().await;
    let page = scene.comes_back("a", "code=ann&setup_action=request").await;
    assert_eq!(page.status(), 200, "{}", page.text());
    let waiting = scene.read("a").await;
    assert_eq!(waiting["credentials"]["type"], "OAUTH2");
    assert_eq!(waiting["credentials"]["access_token"], "user-ann");
    assert_eq!(waiting["connection_config"]["pending"], true);
    assert_eq!(waiting["connection_config"]["app_id"], "11");
    assert!(waiting["connection_config"]["pendingLog"].is_string());
    assert!(
        scene.app.webhooks("auth").await.is_empty(),
        "nothing is announced yet"
    );

    // Somebody else's installation, then hers.
    scene
        .hook(json!({ "action": "created", "installation": { "id": 7 } }))
        .await;
    assert_eq!(scene.read("a").await["connection_config"]["pending"], true);
    scene.reachable.lock().unwrap().push(33);
    scene
        .hook(json!({ "action": "created", "installation": { "id": 33 } }))
        .await;
    let done = scene.read("a").await;
    assert_eq!(done["credentials"]["access_token"], "inst-33");
    assert_eq!(done["connection_config"]["installation_id"], "33");
    assert_eq!(done["connection_config"].get("pending"), None);
    assert_eq!(done["connection_config"].get("pendingLog"), None);
    assert_eq!(
        done["connection_config"]["userCredentials"]["access_token"],
        "user-ann"
    );
    let told = scene.app.webhooks("auth").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["operation"], "creation");
}

#[tokio::test]
async fn an_installation_that_begins_at_the_provider_brings_the_code() {
    let scene = Scene::start("sentry-oauth", |request| match request.method.as_str() {
        "POST" => Answer::json(
            201,
            &json!({ "token": "t1", "refreshToken": "r1", "expiresAt": "2026-01-01T08:00:00.000Z" }),
        ),
        _ => Answer::json(200, &json!({})),
    })
    .await;
    let credentials = json!({ "type": "OAUTH2", "client_id": "cid", "client_secret": "sec" });
    scene.integrate("sentry-oauth", credentials).await;
    let path = format!(
        "/auth/oauth-outbound/p?public_key={}&connection_id=a&params[hostname]=us.sentry.io&params[actor]=ann@acme.test",
        scene.app.environment.public_key
    );
    let begun = scene.app.anonymous("POST", &path).send().await;
    assert_eq!(
        begun.json(),
        json!({ "connectionId": "a", "providerConfigKey": "p" })
    );
    assert_eq!(scene.read("a").await["connection_config"]["pending"], true);
    let hook = |actor: &str| {
        json!({ "action": "created", "actor": { "type": "user", "id": 7, "name": actor },
            "installation": { "uuid": "u-1" }, "data": { "installation": { "uuid": "u-1", "code": "c1" } } })
    };
    scene.hook(hook("eve@acme.test")).await;
    assert_eq!(scene.upstream.count(), 0, "another person's installation");
    scene.hook(hook("ann@acme.test")).await;
    let done = scene.read("a").await;
    assert_eq!(done["credentials"]["access_token"], "t1");
    assert_eq!(done["credentials"]["refresh_token"], "r1");
    assert_eq!(
        done["credentials"]["expires_at"],
        "2026-01-01T08:00:00.000Z"
    );
    assert_eq!(done["connection_config"]["installation.uuid"], "u-1");
    assert_eq!(done["connection_config"].get("pending"), None);
    let asked = scene.upstream.received();
    assert_eq!(
        asked[0].path(),
        "/sentry.io/api/0/sentry-app-installations/u-1/authorizations/"
    );
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(
        body,
        json!({ "grant_type": "authorization_code", "code": "c1", "client_id": "cid", "client_secret": "sec" })
    );
    assert_eq!(
        (asked[1].method.as_str(), asked[1].path()),
        ("PUT", "/sentry.io/api/0/sentry-app-installations/u-1/")
    );
}
