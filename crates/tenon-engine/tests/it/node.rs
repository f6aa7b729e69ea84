//! An engine over a test store, and a network with chosen names.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tenon_core::function::{Cancel, FunctionRunner, Host, RunOutcome, RunRequest};
use tenon_engine::{
    Engine, EngineParts, Settings,
    delivery::Dispatcher,
    egress::{Egress, EgressPolicy, Network, Socket, SystemNetwork},
    environments::{self, WebhookSettingsPatch},
    operations::OperationLog,
};
use tenon_providers::Catalogue;
use tenon_store::{Statement, environments::EnvironmentRow, messages::Messages, params};
use tenon_testkit::{TestClock, TestStore};

/// An engine with the environment `dev`.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) clock: TestClock,
    pub(crate) environment: EnvironmentRow,
    pub(crate) store: TestStore,
}

struct NoFunctions;

#[async_trait::async_trait]
impl FunctionRunner for NoFunctions {
    async fn run(&self, _request: RunRequest, _host: Arc<dyn Host>) -> RunOutcome {
        RunOutcome::Crashed {
            detail: "there are no functions here".to_owned(),
        }
    }
}

static UNFINISHED: Statement = Statement::new(
    "test::UNFINISHED",
    "SELECT COUNT(*) FROM delivery d JOIN endpoint e ON e.pk = d.endpoint_pk
    WHERE d.state = 'waiting' AND (d.lease_owner IS NOT NULL OR (
        d.next_at_us <= $1 AND (e.open_until_us IS NULL OR e.open_until_us <= $1)
        AND NOT EXISTS (
            SELECT 1 FROM delivery o WHERE o.endpoint_pk = d.endpoint_pk AND o.connection_pk = d.connection_pk
                AND o.state = 'waiting' AND o.pk < d.pk AND o.next_at_us > $1 AND o.attempts < 5)))",
);

impl Node {
    /// With loopback open.
    pub(crate) async fn new(store: TestStore) -> Self {
        let egress = Egress::new(EgressPolicy {
            allow: Vec::new(),
            allow_loopback: true,
        });
        Self::with(store, egress, Catalogue::default()).await
    }

    pub(crate) async fn with(store: TestStore, egress: Egress, catalogue: Catalogue) -> Self {
        let engine = engine(&store, egress, catalogue);
        let environment = environments::ensure(&engine, "dev").await.unwrap();
        Self {
            clock: store.clock.clone(),
            engine,
            environment,
            store,
        }
    }

    /// Sets where webhooks go.
    pub(crate) async fn send_webhooks_to(&self, primary: &str, secondary: Option<&str>) {
        let patch = WebhookSettingsPatch {
            primary_url: Some(Some(primary.to_owned())),
            secondary_url: Some(secondary.map(str::to_owned)),
            ..WebhookSettingsPatch::default()
        };
        environments::patch_webhooks(&self.engine, self.environment.pk, patch)
            .await
            .unwrap();
    }

    /// The same data under a new engine, as after a restart.
    pub(crate) async fn restart(mut self, egress: Egress) -> Self {
        drop(self.engine);
        self.store.reopen().await;
        Self::with(self.store, egress, Catalogue::default()).await
    }

    /// Runs a dispatcher beside `body`.
    pub(crate) async fn dispatching<F: Future<Output = ()>>(&self, body: F) {
        let shutdown = Cancel::default();
        let running = tokio::spawn(Dispatcher::new(self.engine.clone()).run(shutdown.clone()));
        body.await;
        shutdown.raise();
        running.await.unwrap();
    }

    /// Waits until everything that can be sent now was sent and written down.
    pub(crate) async fn settle(&self) {
        for round in 0..10_000 {
            self.engine.signals.deliveries.notify_one();
            if round > 100 {
                // A pause of the dispatcher may have begun just after the clock moved: time creeps on, as it does.
                self.clock.advance(Duration::from_millis(5));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = tenon_core::Clock::now(&self.clock);
            let reader = self.engine.reader();
            let row = reader.get(&UNFINISHED, params![now]).await.unwrap();
            if row.get::<i64>(0).unwrap() == 0 {
                return;
            }
        }
        panic!("deliveries do not come to rest");
    }

    /// Lets time pass in steps, each until everything is at rest.
    pub(crate) async fn pass(&self, total: Duration, step: Duration) {
        let mut passed = Duration::ZERO;
        while passed < total {
            self.clock.advance(step);
            passed += step;
            self.settle().await;
        }
    }
}

fn engine(store: &TestStore, egress: Egress, catalogue: Catalogue) -> Engine {
    let clock = store.clock.shared();
    Engine::new(EngineParts {
        store: store.store.clone(),
        catalogue: Arc::new(catalogue),
        egress,
        runner: Arc::new(NoFunctions),
        operations: OperationLog::new(store.ids.clone(), clock.clone(), Messages::none()),
        settings: Settings {
            public_url: "http://tenon.test".to_owned(),
            connect_url: "http://connect.test".to_owned(),
            rate_limit_per_minute: None,
            webhook_rate_limit_per_minute: None,
            node: "test".to_owned(),
        },
        clock,
        random: store.random.clone(),
        ids: store.ids.clone(),
        signals: Arc::default(),
        sockets: Default::default(),
        refreshes: Default::default(),
        secret_reads: Default::default(),
        proxy: Default::default(),
        work: Arc::default(),
    })
}

/// A network with chosen answers to look-ups; every address leads to one real server.
pub(crate) struct Names {
    /// Answers in turn, the last one repeats.
    answers: Mutex<Vec<Vec<IpAddr>>>,
    looked_up: AtomicUsize,
    pub(crate) dialled: Mutex<Vec<SocketAddr>>,
    server: SocketAddr,
}

impl Names {
    pub(crate) fn new(server: SocketAddr, answers: &[&[&str]]) -> Arc<Self> {
        let names = Self {
            answers: Mutex::default(),
            looked_up: AtomicUsize::new(0),
            dialled: Mutex::default(),
            server,
        };
        names.set(answers);
        Arc::new(names)
    }

    /// Changes the answers from now on.
    pub(crate) fn set(&self, answers: &[&[&str]]) {
        *self.answers.lock().unwrap() = answers
            .iter()
            .map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
            .collect();
        self.looked_up.store(0, Ordering::SeqCst);
    }

    pub(crate) fn dialled(&self) -> Vec<SocketAddr> {
        self.dialled.lock().unwrap().clone()
    }
}

impl Network for Names {
    fn resolve(&self, _host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let number = self.looked_up.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.lock().unwrap();
        let answer = answers[number.min(answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Socket>>> {
        self.dialled.lock().unwrap().push(address);
        SystemNetwork.connect(self.server)
    }
}
