//! An engine in this process, on a database that keeps what it accepts: for what has no door of its own over HTTP.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use tenon_core::{
    Ids, SharedClock, SharedRandom,
    function::{FunctionRunner, Host, RunOutcome, RunRequest},
    names::{ConnectionPk, EnvironmentPk, RunPk, SyncPk, TaskPk},
    random::SystemRandom,
};
use tenon_engine::{
    Engine, EngineParts, Settings,
    egress::{Egress, EgressPolicy},
    environments,
    operations::OperationLog,
    records::{Writer, WriterKeys},
    time::SystemClock,
};
use tenon_providers::Catalogue;
use tenon_store::{
    DatabaseUrl, Store, StoreError, StoreOptions, messages::Messages, work::tasks::NewTask,
};

/// As many as the binary has.
const READERS: usize = 8;

/// Longer than any measurement.
const LEASE: Duration = Duration::from_secs(3_600);

/// An engine with one environment, in an empty database.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) environment: EnvironmentPk,
    folder: tempfile::TempDir,
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

impl Node {
    /// On SQLite, or on this database of Postgres.
    pub(crate) async fn start(postgres: Option<&str>) -> Result<Self> {
        Self::with_providers(postgres, "").await
    }

    /// Likewise, with the providers of this text.
    pub(crate) async fn with_providers(postgres: Option<&str>, providers: &str) -> Result<Self> {
        let mut catalogue = Catalogue::default();
        if !providers.is_empty() {
            catalogue.load_yaml("providers.yaml", providers)?;
        }
        let folder = tempfile::tempdir()?;
        let clock: SharedClock = Arc::new(SystemClock::new());
        let random: SharedRandom = Arc::new(SystemRandom);
        let ids = Ids::new(Arc::clone(&clock), Arc::clone(&random));
        let url = match postgres {
            Some(url) => DatabaseUrl::Postgres(tenon_core::Secret::new(url.to_owned())),
            None => DatabaseUrl::Sqlite(folder.path().join("tenon.db")),
        };
        let store = Store::open(StoreOptions {
            url,
            instance_key: None,
            previous_keys: Vec::new(),
            key_vault: None,
            key_file: Some(folder.path().join("instance.key")),
            readers: READERS,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        })
        .await?;
        let messages = Messages::open(folder.path().join("messages.db"))?;
        let engine = Engine::new(EngineParts {
            store,
            catalogue: Arc::new(catalogue),
            egress: Egress::new(EgressPolicy {
                allow: Vec::new(),
                allow_loopback: true,
            }),
            runner: Arc::new(NoFunctions),
            operations: OperationLog::new(ids.clone(), Arc::clone(&clock), messages),
            settings: Settings {
                public_url: "http://tenon.test".to_owned(),
                connect_url: "http://connect.test".to_owned(),
                rate_limit_per_minute: None,
                webhook_rate_limit_per_minute: None,
                node: "bench".to_owned(),
            },
            clock,
            random,
            ids,
            signals: Arc::default(),
            sockets: Default::default(),
            refreshes: Default::default(),
            secret_reads: Default::default(),
            proxy: Arc::default(),
            work: Arc::default(),
        });
        let environment = environments::ensure(&engine, "dev").await?.pk;
        Ok(Self {
            engine,
            environment,
            folder,
        })
    }

    /// What a run of a sync writes records with; `number` tells runs apart.
    pub(crate) async fn run(&self, number: i64) -> Result<Writer> {
        let connection = ConnectionPk(5);
        let now = self.engine.clock.now();
        let task = NewTask {
            pk: TaskPk(number),
            id: format!("task-{number}"),
            environment: self.environment,
            connection,
            schedule: None,
            kind: "sync",
            group_key: "sync".to_owned(),
            payload: Bytes::from_static(b"{}"),
            retry_max: 0,
            idempotency_key: None,
            operation: "operation".to_owned(),
            created_at: now,
            start_by: now.plus(LEASE),
            begun_by: Some(("bench".to_owned(), now.plus(LEASE))),
        };
        let stored: Result<bool, StoreError> = self
            .engine
            .store
            .write(move |tx| async move { tx.insert_task(&task).await })
            .await;
        stored?;
        Ok(Writer::new(WriterKeys {
            environment: self.environment,
            connection,
            sync: SyncPk(77),
            variant: "base".to_owned(),
            run: RunPk(number),
            task: TaskPk(number),
            fence: 1,
            checkpoint_key: "sync:items".to_owned(),
        }))
    }

    /// Gives the database free.
    pub(crate) async fn stop(self) -> Result<()> {
        self.engine.store.close().await;
        self.folder.close()?;
        Ok(())
    }
}
