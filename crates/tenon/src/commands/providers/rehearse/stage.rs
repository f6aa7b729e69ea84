//! The server of a rehearsal, and the stand-in for the outside.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use futures::future::BoxFuture;
use tenon_api::App;
use tenon_core::{
    Ids, Secret, SharedClock, SharedRandom,
    function::{Cancel, FunctionRunner, Host, RunOutcome, RunRequest},
    random::SystemRandom,
};
use tenon_engine::{
    Engine, EngineParts, Settings, auth,
    egress::{
        Egress, EgressBody, EgressError, EgressPolicy, EgressRequest, EgressResponse, ResponseBody,
        StandIn,
    },
    environments,
    operations::OperationLog,
    time::SystemClock,
};
use tenon_providers::{Catalogue, Provider};
use tenon_store::{DatabaseUrl, Store, StoreOptions, messages::Messages};
use tokio::net::TcpListener;
use url::Url;

use super::answers;
use crate::commands::server::{Client, Target};

/// A request that would have been sent.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// What it is for.
    pub(super) purpose: &'static str,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// The status that really came back, with `--against`.
    pub(super) answered: Option<u16>,
}

/// A server whose outside is a stand-in.
pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) public_key: String,
    outside: Arc<Outside>,
    engine: Engine,
    shutdown: Cancel,
}

struct Outside {
    provider: Arc<Provider>,
    purpose: Mutex<&'static str>,
    heard: Mutex<Vec<Heard>>,
    against: Option<(Egress, Url)>,
}

/// What is verified, by name.
pub(super) const VERIFICATION: &str = "verification";

struct NoFunctions;

#[async_trait::async_trait]
impl FunctionRunner for NoFunctions {
    async fn run(&self, _request: RunRequest, _host: Arc<dyn Host>) -> RunOutcome {
        RunOutcome::Crashed {
            detail: "a rehearsal runs no functions".to_owned(),
        }
    }
}

impl Stage {
    pub(super) async fn build(
        folder: &Path,
        catalogue: Catalogue,
        provider: &Arc<Provider>,
        against: Option<Url>,
    ) -> anyhow::Result<Self> {
        let policy = EgressPolicy {
            allow_loopback: true,
            ..EgressPolicy::default()
        };
        let outside = Arc::new(Outside {
            provider: Arc::clone(provider),
            purpose: Mutex::new(""),
            heard: Mutex::default(),
            against: against.map(|url| (Egress::new(policy), url)),
        });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("could not listen on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let egress = Egress::rehearsing(Arc::clone(&outside) as Arc<dyn StandIn>);
        let engine = engine(folder, catalogue, egress, &url).await?;
        let row = environments::ensure(&engine, "dev").await?;
        let secret_key = environments::secret_key(&engine, row.pk)
            .await?
            .context("a new environment has a key")?;
        let shutdown = Cancel::default();
        let router = tenon_api::router(App::new(engine.clone()));
        tokio::spawn(tenon_api::serve(listener, router, shutdown.clone()));
        let target = Target {
            url,
            secret_key: Secret::new(secret_key.expose().to_owned()),
        };
        Ok(Self {
            client: Client::new(&target)?,
            public_key: row.public_key,
            outside,
            engine,
            shutdown,
        })
    }

    /// Says what the requests to come are for.
    pub(super) fn purpose(&self, purpose: &'static str) {
        *lock(&self.outside.purpose) = purpose;
    }

    /// Notes a request that a browser makes.
    pub(super) fn browser(&self, purpose: &'static str, url: &str) {
        lock(&self.outside.heard).push(Heard {
            purpose,
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            answered: None,
        });
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        lock(&self.outside.heard).clone()
    }

    pub(super) async fn close(&self) {
        self.shutdown.raise();
        self.engine.store.close().await;
    }
}

async fn engine(
    folder: &Path,
    catalogue: Catalogue,
    egress: Egress,
    url: &str,
) -> anyhow::Result<Engine> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let random: SharedRandom = Arc::new(SystemRandom);
    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&random));
    let options = StoreOptions {
        url: DatabaseUrl::Sqlite(folder.join("tenon.db")),
        instance_key: None,
        previous_keys: Vec::new(),
        key_vault: None,
        key_file: Some(folder.join("instance.key")),
        readers: 2,
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    };
    let store = Store::open(options)
        .await
        .context("could not open a database for the rehearsal")?;
    Ok(Engine::new(EngineParts {
        store,
        catalogue: Arc::new(catalogue),
        egress,
        runner: Arc::new(NoFunctions),
        operations: OperationLog::new(ids.clone(), Arc::clone(&clock), Messages::none()),
        settings: Settings {
            public_url: url.to_owned(),
            connect_url: url.to_owned(),
            rate_limit_per_minute: None,
            webhook_rate_limit_per_minute: None,
            node: "rehearsal".to_owned(),
        },
        clock,
        random,
        ids,
        signals: Arc::default(),
        sockets: auth::sockets::Sockets::default(),
        proxy: Arc::default(),
        work: Arc::default(),
        refreshes: Default::default(),
        secret_reads: Default::default(),
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StandIn for Outside {
    fn answer(&self, request: EgressRequest) -> BoxFuture<'_, Result<EgressResponse, EgressError>> {
        Box::pin(async move {
            let purpose = *lock(&self.purpose);
            let mut heard = hear(purpose, &request);
            if let Some((egress, base)) = self.against.as_ref().filter(|_| purpose == VERIFICATION)
            {
                let answer = egress.send(moved(request, base)).await;
                heard.answered = answer.as_ref().ok().map(|answer| answer.status.as_u16());
                lock(&self.heard).push(heard);
                return answer;
            }
            lock(&self.heard).push(heard);
            Ok(self.sample_answer(&request.url))
        })
    }
}

impl Outside {
    fn sample_answer(&self, asked: &Url) -> EgressResponse {
        let (body, content_type) = answers::body(&self.provider, asked);
        let mut answer = EgressResponse {
            status: Default::default(),
            headers: Default::default(),
            url: asked.clone(),
            chunked: false,
            body: ResponseBody::from_bytes(body.into()),
        };
        if let Ok(value) = content_type.parse() {
            answer.headers.insert("content-type", value);
        }
        for name in &self.provider.token_response_headers {
            // A header name of the entry comes from outside; one that is none is left out.
            if let (Ok(name), Ok(value)) = (
                name.parse::<reqwest::header::HeaderName>(),
                "sample".parse(),
            ) {
                answer.headers.insert(name, value);
            }
        }
        answer
    }
}

fn hear(purpose: &'static str, request: &EgressRequest) -> Heard {
    let headers = request.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let body = match &request.body {
        EgressBody::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        EgressBody::Empty | EgressBody::Stream { .. } => String::new(),
    };
    Heard {
        purpose,
        method: request.method.to_string(),
        url: request.url.to_string(),
        headers: headers.collect(),
        body,
        answered: None,
    }
}

/// The same request at another base: path and query stay.
fn moved(mut request: EgressRequest, base: &Url) -> EgressRequest {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}{}", request.url.path()));
    url.set_query(request.url.query());
    request.url = url;
    request.options.hosts = None;
    request
}
