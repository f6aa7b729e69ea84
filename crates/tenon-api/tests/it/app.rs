//! A whole server in one process: router, engine, store; time stands still unless a test moves it.
//!
//! On `SQLite`, or on Postgres with `TENON_TEST_DATABASE=postgres`.

mod deploy;
pub(crate) mod flows;
mod functions;
mod idle;
mod loops;
mod request;

use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use tenon_api::{App, pages::Pages};
use tenon_core::{Ids, Secret, random::SeededRandom};
use tenon_engine::{
    Engine, EngineParts, Settings,
    auth::sockets::Sockets,
    egress::{Egress, EgressPolicy},
    environments,
    operations::OperationLog,
};
use tenon_providers::Catalogue;
use tenon_store::{environments::EnvironmentRow, messages::Messages};
use tenon_testkit::{TestClock, TestStore, canaries};

pub(crate) use deploy::Deployment;
pub(crate) use flows::{Flow, action, sync};
pub(crate) use functions::{Functions, failed, succeeded};
pub(crate) use loops::Loops;
pub(crate) use request::{Answer, Request};

/// What tests call the server's address.
pub(crate) const PUBLIC_URL: &str = "http://tenon.test";

/// Where tests say the connect UI is.
pub(crate) const CONNECT_URL: &str = "http://connect.test";

/// Providers that tests use; `$UP` is the address of a fake upstream.
const PROVIDERS: &str = include_str!("app/providers.yaml");

/// Where our revocations are.
const REVOCATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../providers/revocations");

/// A running server with the environment `dev`.
pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    pub(crate) clock: TestClock,
    pub(crate) environment: EnvironmentRow,
    pub(crate) secret_key: Secret,
    /// What deployed functions do.
    pub(crate) functions: Functions,
    router: Router,
    _store: TestStore,
}

/// How a test wants its server.
#[derive(Default)]
pub(crate) struct Wishes {
    /// Address of a fake upstream, `http://127.0.0.1:<port>`.
    pub(crate) upstream: Option<String>,
    /// Entries of our catalogue that it has besides, at the upstream instead of their hosts.
    pub(crate) ours: Vec<&'static str>,
    /// Its address for the world, where it is not the usual one.
    pub(crate) public_url: Option<String>,
    pub(crate) rate_limit_per_minute: Option<u32>,
    pub(crate) webhook_rate_limit_per_minute: Option<u32>,
    /// Another source of ids and keys than every other test has.
    pub(crate) seed: Option<u64>,
}

/// FAULTS 56: no test ends well while a secret is in a log line.
impl Drop for TestApp {
    fn drop(&mut self) {
        canaries::assert_none();
    }
}

impl TestApp {
    /// A server whose providers reach nobody.
    pub(crate) async fn start() -> Self {
        Self::with(Wishes::default()).await
    }

    /// A server whose providers are at this address.
    pub(crate) async fn with_upstream(address: &str) -> Self {
        Self::with(Wishes {
            upstream: Some(address.to_owned()),
            ..Wishes::default()
        })
        .await
    }

    /// A server as wished.
    pub(crate) async fn with(wishes: Wishes) -> Self {
        canaries::watch();
        let mut store = test_store().await;
        if let Some(seed) = wishes.seed {
            store.random = Arc::new(SeededRandom::new(seed));
            store.ids = Ids::new(store.clock.shared(), Arc::clone(&store.random));
        }
        let functions = Functions::default();
        let clock = store.clock.clone();
        let mut catalogue = Catalogue::default();
        let upstream = wishes.upstream.as_deref().unwrap_or("http://127.0.0.1:9");
        catalogue
            .load_yaml("providers.yaml", &PROVIDERS.replace("$UP", upstream))
            .expect("the providers of tests are well-formed");
        for name in &wishes.ours {
            catalogue
                .load_yaml("ours.yaml", &moved(name, upstream))
                .expect("our entries are well-formed");
        }
        let engine = Engine::new(EngineParts {
            store: store.store.clone(),
            catalogue: Arc::new(catalogue),
            egress: Egress::new(EgressPolicy {
                allow_loopback: true,
                ..EgressPolicy::default()
            }),
            runner: Arc::new(functions.clone()),
            operations: OperationLog::new(store.ids.clone(), clock.shared(), Messages::none()),
            settings: Settings {
                public_url: wishes.public_url.unwrap_or_else(|| PUBLIC_URL.to_owned()),
                connect_url: CONNECT_URL.to_owned(),
                rate_limit_per_minute: wishes.rate_limit_per_minute,
                webhook_rate_limit_per_minute: wishes.webhook_rate_limit_per_minute,
                node: "test".to_owned(),
            },
            clock: clock.shared(),
            random: store.random.clone(),
            ids: store.ids.clone(),
            signals: Arc::default(),
            sockets: Sockets::default(),
            work: Arc::default(),
            refreshes: Default::default(),
            secret_reads: Default::default(),
            proxy: Default::default(),
        });
        let environment = environments::ensure(&engine, "dev")
            .await
            .expect("an environment can be made");
        let secret_key = environments::secret_key(&engine, environment.pk)
            .await
            .expect("keys can be read")
            .expect("a new environment has a key");
        canaries::add(secret_key.expose());
        Self {
            router: tenon_api::router(App::new(engine.clone())),
            engine,
            clock,
            environment,
            secret_key,
            functions,
            _store: store,
        }
    }

    /// Another node on the same store and clock, with a memory of its own.
    pub(crate) fn node(&self, name: &str) -> Engine {
        let engine = &self.engine;
        Engine::new(EngineParts {
            store: engine.store.clone(),
            catalogue: Arc::clone(&engine.catalogue),
            egress: engine.egress.clone(),
            runner: Arc::clone(&engine.runner),
            operations: engine.operations.clone(),
            settings: Settings {
                node: name.to_owned(),
                ..engine.settings.clone()
            },
            clock: Arc::clone(&engine.clock),
            random: Arc::clone(&engine.random),
            ids: engine.ids.clone(),
            signals: Arc::default(),
            sockets: Sockets::default(),
            work: Arc::default(),
            refreshes: Default::default(),
            secret_reads: Default::default(),
            proxy: Default::default(),
        })
    }

    /// A request with the secret key.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let key = format!("Bearer {}", self.secret_key.expose());
        self.anonymous(method, path).header("authorization", &key)
    }

    /// A request without any credential.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> Request {
        Request::new(self.router.clone(), method, path)
    }

    /// A request without any credential, to a server whose pages have these rules.
    pub(crate) fn page(&self, pages: &Pages, method: &str, path: &str) -> Request {
        let app = App::new(self.engine.clone()).with_pages(pages.clone());
        Request::new(tenon_api::router(app), method, path)
    }

    /// `GET` with the secret key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// `POST` with the secret key and a JSON body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(&body).send().await
    }

    /// `PATCH` with the secret key and a JSON body.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.request("PATCH", path).json(&body).send().await
    }

    /// `DELETE` with the secret key.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// Makes an integration of a provider that needs no owner's app.
    pub(crate) async fn integration(&self, unique_key: &str, provider: &str) {
        let body = json!({"unique_key": unique_key, "provider": provider});
        let answer = self.post("/integrations", body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    /// Makes an integration (of the provider without credentials, if there is none) and a connection to it.
    pub(crate) async fn connection(&self, unique_key: &str, connection_id: &str) {
        if self
            .get(&format!("/integrations/{unique_key}"))
            .await
            .status()
            == 404
        {
            self.integration(unique_key, "none").await;
        }
        let body = json!({
            "provider_config_key": unique_key,
            "connection_id": connection_id,
            "credentials": {"type": "NONE"},
        });
        let answer = self.post("/connections", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
    }

    /// Opens a connect session and returns its token.
    pub(crate) async fn session(&self, body: Value) -> String {
        let answer = self.post("/connect/sessions", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        answer.json()["data"]["token"]
            .as_str()
            .expect("a token is text")
            .to_owned()
    }
}

/// An entry of our catalogue whose hosts are folders of the upstream: `https://api.acme.test/v1` is `/api.acme.test/v1`.
fn moved(name: &str, upstream: &str) -> String {
    let provider = Catalogue::embedded().find(name).expect("it is ours");
    let mut file = format!("{name}:\n");
    for (key, value) in provider.raw.iter().filter(|(key, _)| *key != "alias") {
        file.push_str(&format!("  {key}: {value}\n"));
    }
    let own = format!("{REVOCATIONS}/{name}.yaml");
    if let Ok(revocation) = std::fs::read_to_string(own) {
        file.push_str("  revocation:\n");
        for line in revocation.lines() {
            file.push_str(&format!("    {line}\n"));
        }
    }
    file.replace("https://", &format!("{upstream}/"))
}

async fn test_store() -> TestStore {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration but this"
    )]
    let database = std::env::var("TENON_TEST_DATABASE").unwrap_or_default();
    if database != "postgres" {
        return TestStore::sqlite().await;
    }
    TestStore::postgres()
        .await
        .expect("TENON_TEST_DATABASE=postgres needs a Postgres on this machine")
}
