//! Connect flows and refreshes against a fake provider.

mod accounts;
mod attacks;
mod attempts;
mod aws;
mod device;
mod direct;
mod every_mode;
mod exchange;
mod exchanges;
mod fleet;
mod flows;
mod hooks;
mod installs;
mod mcp;
mod mix_up;
mod modes;
mod refresh;
mod socket;

use serde_json::{Value, json};
use tenon_engine::auth::flow::{self, FlowError};
use tenon_store::StoreError;
use tenon_testkit::oauth::OAuthProvider;

use crate::{TestApp, app::Answer};

/// What browsers send along with every page they ask for.
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

/// A server with one OAuth integration, and its provider.
struct Scene {
    app: TestApp,
    provider: OAuthProvider,
}

/// A flow on its way: what the browser knows.
struct Trip {
    /// Where the browser was sent.
    location: String,
    /// `name=value` of the flow's cookie.
    cookie: String,
}

impl Scene {
    async fn start() -> Self {
        let provider = OAuthProvider::start().await;
        let app = TestApp::with_upstream(&provider.address()).await;
        let scene = Self { app, provider };
        scene.integration("crm").await;
        scene
    }

    /// An integration of the OAuth provider.
    async fn integration(&self, key: &str) {
        self.integration_of(key, "oauth2").await;
    }

    async fn integration_of(&self, key: &str, provider: &str) {
        let body = json!({
            "unique_key": key,
            "provider": provider,
            "credentials": { "type": "OAUTH2", "client_id": "cid", "client_secret": "sec", "scopes": "read,write" },
        });
        let answer = self.app.post("/integrations", body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    fn public_key(&self) -> &str {
        &self.app.environment.public_key
    }

    /// Opens the popup of a flow with the public key.
    async fn open(&self, connection_id: &str) -> Trip {
        let path = format!(
            "/oauth/connect/crm?public_key={}&connection_id={connection_id}",
            self.public_key()
        );
        self.open_at(&path).await
    }

    async fn open_at(&self, path: &str) -> Trip {
        let answer = self.browse(path, None).await;
        assert_eq!(answer.status(), 302, "{}", answer.text());
        Trip {
            location: answer.header("location").to_owned(),
            cookie: answer
                .header("set-cookie")
                .split(';')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// A browser asks for a page, at the host that the world knows.
    async fn browse(&self, path: &str, cookie: Option<&str>) -> Answer {
        let request = self
            .app
            .anonymous("GET", path)
            .header("host", "tenon.test")
            .header(BROWSER.0, BROWSER.1);
        match cookie {
            Some(cookie) => request.header("cookie", cookie).send().await,
            None => request.send().await,
        }
    }

    /// The person agrees, and the browser comes back with its cookie.
    async fn come_back(&self, trip: &Trip) -> Answer {
        let query = self.provider.agree(&trip.location);
        self.browse(&format!("/oauth/callback?{query}"), Some(&trip.cookie))
            .await
    }

    /// Connects by a whole flow.
    async fn connect(&self, connection_id: &str) {
        let trip = self.open(connection_id).await;
        let answer = self.come_back(&trip).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    /// Imports a connection whose token has expired already.
    async fn expired(&self, connection_id: &str) {
        self.import(connection_id, -3600).await;
    }

    /// Imports a connection whose token expires in this many seconds.
    async fn import(&self, connection_id: &str, expires_in: i64) {
        use tenon_core::Clock as _;
        let now = self.app.clock.now();
        let at = tenon_core::Timestamp::from_secs(now.secs() + expires_in);
        let body = json!({
            "provider_config_key": "crm",
            "connection_id": connection_id,
            "credentials": {
                "type": "OAUTH2",
                "access_token": "old",
                "refresh_token": self.provider.refresh_token(),
                "expires_at": at.iso_millis(),
            },
        });
        let answer = self.app.post("/connections", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
    }

    async fn read(&self, connection_id: &str) -> Answer {
        self.app
            .get(&format!(
                "/connections/{connection_id}?provider_config_key=crm&refresh_token=true"
            ))
            .await
    }

    async fn force(&self, connection_id: &str) -> Answer {
        let path =
            format!("/connections/{connection_id}?provider_config_key=crm&force_refresh=true");
        self.app.get(&path).await
    }

    /// Bodies of the `auth` webhooks so far.
    async fn webhooks(&self) -> Vec<Value> {
        let engine = &self.app.engine;
        let environment = self.app.environment.pk;
        let numbered: Result<usize, StoreError> = engine
            .store
            .write(move |tx| async move { tx.number_events(environment, 1_000).await })
            .await;
        numbered.expect("events can be numbered");
        let events = engine.reader().events_after(environment, 0, 1_000).await;
        let events = events.expect("events can be read").into_iter();
        events
            .filter(|event| event.kind == "auth")
            .map(|event| serde_json::from_slice(&event.body).expect("bodies are JSON"))
            .collect()
    }

    /// Webhooks that say that something failed.
    async fn failures(&self) -> Vec<Value> {
        let all = self.webhooks().await.into_iter();
        all.filter(|body| body["success"] == false).collect()
    }

    async fn has_connection(&self, connection_id: &str) -> bool {
        let path = format!("/connections?connectionId={connection_id}");
        let listed = self.app.get(&path).await.json();
        listed["connections"]
            .as_array()
            .is_some_and(|found| !found.is_empty())
    }
}

/// `errorType` of a callback page; empty if it is a page of success.
fn error_type(page: &Answer) -> String {
    message(page)["payload"]["errorType"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// What a callback page posts to its opener.
fn message(page: &Answer) -> Value {
    let text = page.text();
    let data = text
        .split_once("id=\"result\">")
        .and_then(|(_, rest)| rest.split_once("</script>"))
        .unwrap_or_else(|| panic!("no data block in {text}"));
    serde_json::from_str(data.0).expect("the data block is JSON")
}

/// Ends a flow as its callback does.
async fn finish(scene: &Scene, query: Value, cookies: &[&str]) -> Result<(), FlowError> {
    let callback = flow::Callback {
        query: query.as_object().cloned().unwrap_or_default(),
        cookies: cookies.iter().map(|name| (*name).to_owned()).collect(),
        integration: None,
        from_browser: true,
    };
    flow::finish(&scene.app.engine, &callback).await
}
