//! An engine without HTTP, on the store of a test.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tenon_core::{
    function::{FunctionRunner, Host, RecordCounts, RecordInput, RunOutcome, RunRequest},
    names::{ConnectionPk, EnvironmentPk, RunPk, SyncPk, TaskPk},
};
use tenon_engine::{
    Engine, EngineParts, Settings,
    auth::sockets::Sockets,
    egress::{Egress, EgressPolicy},
    environments,
    operations::OperationLog,
    records::{self, ListQuery, ModelKey, Unannounced, Writer, WriterKeys},
};
use tenon_providers::Catalogue;
use tenon_store::{Statement, StoreError, messages::Messages, params, work::tasks::NewTask};
use tenon_testkit::TestStore;

/// The sync whose runs write.
pub(crate) const SYNC: SyncPk = SyncPk(77);

const CONNECTION: ConnectionPk = ConnectionPk(5);

static INTEGRATION: Statement = Statement::new(
    "INTEGRATION",
    "INSERT INTO integration (pk, environment_pk, unique_key, provider, forward_webhooks, integration_config,
        created_at_us, updated_at_us)
     VALUES (1, $1, 'open', 'none', FALSE, '{}', 0, 0)",
);
static CONNECTION_ROW: Statement = Statement::new(
    "CONNECTION_ROW",
    "INSERT INTO connection (pk, environment_pk, integration_pk, connection_id, provider, auth_mode, credentials,
        connection_config, tags, refresh_attempts, refresh_exhausted, credentials_version, created_at_us, updated_at_us)
     VALUES ($2, $1, 1, 'alice', 'none', 'NONE', '', '{}', '{}', 0, FALSE, 1, 0, 0)",
);

/// An engine with one environment.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) environment: EnvironmentPk,
    runs: AtomicI64,
}

struct NoFunctions;

#[async_trait::async_trait]
impl FunctionRunner for NoFunctions {
    async fn run(&self, _request: RunRequest, _host: Arc<dyn Host>) -> RunOutcome {
        RunOutcome::Crashed {
            detail: "these tests run no functions".to_owned(),
        }
    }
}

impl World {
    pub(crate) async fn new(test: &TestStore) -> Self {
        let clock = test.clock.shared();
        let engine = Engine::new(EngineParts {
            store: test.store.clone(),
            catalogue: Arc::new(Catalogue::default()),
            egress: Egress::new(EgressPolicy::default()),
            runner: Arc::new(NoFunctions),
            operations: OperationLog::new(test.ids.clone(), clock.clone(), Messages::none()),
            settings: Settings {
                public_url: "http://tenon.test".to_owned(),
                connect_url: "http://connect.test".to_owned(),
                rate_limit_per_minute: None,
                webhook_rate_limit_per_minute: None,
                node: "test".to_owned(),
            },
            clock,
            random: test.random.clone(),
            ids: test.ids.clone(),
            signals: Arc::default(),
            sockets: Sockets::default(),
            work: Arc::default(),
            refreshes: Default::default(),
            secret_reads: Default::default(),
            proxy: Default::default(),
        });
        let environment = environments::ensure(&engine, "dev").await.unwrap().pk;
        Self {
            engine,
            environment,
            runs: AtomicI64::new(100),
        }
    }

    /// A run that has just been claimed.
    pub(crate) async fn run(&self) -> Writer {
        self.run_of_variant("base").await
    }

    pub(crate) async fn run_of_variant(&self, variant: &str) -> Writer {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let now = self.engine.clock.now();
        let task = NewTask {
            pk: TaskPk(number),
            id: format!("task-{number}"),
            environment: self.environment,
            connection: CONNECTION,
            schedule: None,
            kind: "sync",
            group_key: "sync".to_owned(),
            payload: Bytes::from_static(b"{}"),
            retry_max: 0,
            idempotency_key: None,
            operation: "operation".to_owned(),
            created_at: now,
            start_by: now.plus(Duration::from_secs(60)),
            begun_by: Some(("test".to_owned(), now.plus(Duration::from_secs(60)))),
        };
        self.engine
            .store
            .write(move |tx| async move { tx.insert_task(&task).await })
            .await
            .unwrap();
        Writer::new(WriterKeys {
            environment: self.environment,
            connection: CONNECTION,
            sync: SYNC,
            variant: variant.to_owned(),
            run: RunPk(number),
            task: TaskPk(number),
            fence: 1,
            checkpoint_key: "sync:issues".to_owned(),
        })
    }

    /// The row of the connection, for what asks for more than its key.
    pub(crate) async fn connection_row(&self) {
        let environment = self.environment;
        let written = self.engine.store.write(move |tx| async move {
            tx.execute(&INTEGRATION, params![environment]).await?;
            tx.execute(&CONNECTION_ROW, params![environment, CONNECTION])
                .await
        });
        assert_eq!(written.await.unwrap(), 1);
    }

    /// The node of a run is believed dead; its task goes to another one.
    pub(crate) async fn take_lease_from(&self, writer: &Writer) {
        let task = writer.task;
        let now = self.engine.clock.now().plus(Duration::from_secs(600));
        let taken = self.engine.store.write(move |tx| async move {
            let lost = tx.lost_tasks(now, 100).await?;
            assert!(lost.iter().any(|row| row.pk == task));
            tx.cancel_task(task, now).await
        });
        taken.await.unwrap();
    }

    pub(crate) fn key(&self, model: &str) -> ModelKey {
        ModelKey {
            environment: self.environment,
            connection: CONNECTION,
            model: model.to_owned(),
        }
    }

    /// All records of a model in the order of their changes.
    pub(crate) async fn list(&self, model: &str) -> Vec<Value> {
        let query = ListQuery {
            model: model.to_owned(),
            limit: 10_000,
            ..ListQuery::default()
        };
        self.page(query).await.0
    }

    /// All records of a model as they are answered, to the letter.
    pub(crate) async fn texts(&self, model: &str) -> Vec<String> {
        let query = ListQuery {
            model: model.to_owned(),
            limit: 10_000,
            ..ListQuery::default()
        };
        let text = |text: &Bytes| String::from_utf8(text.to_vec()).unwrap();
        self.read(query).await.records.iter().map(text).collect()
    }

    async fn read(&self, query: ListQuery) -> records::Page {
        records::list(&self.engine, self.environment, CONNECTION, query)
            .await
            .unwrap()
    }

    pub(crate) async fn page(&self, query: ListQuery) -> (Vec<Value>, Option<String>) {
        let page = self.read(query).await;
        let parse = |text: &Bytes| serde_json::from_slice(text).unwrap();
        (page.records.iter().map(parse).collect(), page.next_cursor)
    }

    /// One record, which must be there.
    pub(crate) async fn record(&self, model: &str, id: &str) -> Value {
        let records = self.list(model).await;
        let found = records.into_iter().find(|record| record["id"] == id);
        found.unwrap_or_else(|| panic!("no record `{id}`"))
    }

    pub(crate) async fn live_ids(&self, model: &str) -> HashSet<String> {
        let live = |record: &Value| record["_nango_metadata"]["deleted_at"].is_null();
        let records = self.list(model).await;
        let ids = records.iter().filter(|record| live(record));
        ids.map(|record| record["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the next success webhook would announce.
    pub(crate) async fn take_unannounced(&self, model: &str) -> Option<Unannounced> {
        let model = model.to_owned();
        let taken = self
            .engine
            .store
            .write(move |tx| async move { records::take_unannounced(&tx, SYNC, &model).await });
        taken.await.unwrap()
    }

    /// Live records of a model by its totals.
    pub(crate) async fn total(&self, model: &str) -> i64 {
        let reader = self.engine.reader();
        let models = reader.models_of_connection(CONNECTION).await.unwrap();
        let found = models.iter().find(|summary| summary.model == model);
        found.map_or(0, |summary| summary.records)
    }

    /// Empties a model for good.
    pub(crate) async fn empty(&self, model: &str) {
        records::empty(&self.engine, CONNECTION, model)
            .await
            .unwrap();
    }

    /// The end of a run, as far as records are concerned.
    pub(crate) async fn end(&self, writer: Writer, model: &str) {
        let model = model.to_owned();
        let ended = self.engine.store.write(move |tx| async move {
            records::forget_seen(&tx, &writer, &model).await?;
            Ok::<_, StoreError>(())
        });
        ended.await.unwrap();
    }
}

/// Records from `(id, json)`.
pub(crate) fn rows(rows: &[(&str, &str)]) -> Vec<RecordInput> {
    rows.iter()
        .map(|(id, json)| RecordInput {
            id: (*id).to_owned(),
            json: Bytes::copy_from_slice(json.as_bytes()),
        })
        .collect()
}

/// Numbered records with the same content.
pub(crate) fn numbered(ids: std::ops::Range<usize>, json: &str) -> Vec<RecordInput> {
    ids.map(|id| RecordInput {
        id: format!("r{id:05}"),
        json: Bytes::copy_from_slice(json.as_bytes()),
    })
    .collect()
}

pub(crate) fn counts(added: u64, updated: u64, deleted: u64) -> RecordCounts {
    RecordCounts {
        added,
        updated,
        deleted,
    }
}
