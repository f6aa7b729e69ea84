//! Deploying functions (scheduler.md, 8; cli.md, 4).

mod diff;
mod history;
mod plan;
mod security;
mod version;

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tenon_core::{
    Timestamp,
    frequency::{Frequency, FrequencyError},
    names::{EnvironmentPk, FunctionPk, IntegrationPk},
};
use tenon_store::{
    StoreError, Tx,
    work::{
        deployments::NewDeployment,
        functions::{FunctionRow, NewFunction, source_hash},
    },
};

use super::{commands, enqueue::wake_workers};
use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
};

pub use history::{FunctionChange, RevertError, changes, revert};
pub use plan::{Plan, PlannedEvent, PlannedFunction, PlannedSync};

/// How long a deploy holds off others: longer than any takes, so that only a dead one is passed over.
const LOCK: Duration = Duration::from_secs(600);

/// Bundles stored in one transaction: they may be large.
const BUNDLES: usize = 50;

/// Version of an event function that was never deployed before (golden `deploy`).
const FIRST_EVENT_VERSION: &str = "0.0.1";

/// Which functions a deploy speaks for: what it does not list of these is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployMode {
    /// The whole environment.
    All,
    /// The integration of the first function.
    Integration,
    /// Only what is listed.
    Single,
    /// The whole environment, as an earlier deploy left it: also what others deployed since is deleted.
    Revert { to: i64 },
}

impl DeployMode {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Integration => "integration",
            Self::Single => "single",
            Self::Revert { .. } => "revert",
        }
    }
}

/// A deploy: everything in it becomes active together, or nothing.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub environment: EnvironmentPk,
    pub mode: DeployMode,
    pub functions: Vec<FunctionConfig>,
    /// `None` leaves the event functions as they are.
    pub events: Option<Vec<EventConfig>>,
    pub sdk_version: Option<String>,
    /// `repo`, `catalog` or `standalone`.
    pub source: String,
}

/// Where a function that is deployed again came from, if not from this deploy.
#[derive(Clone, Debug)]
pub struct Origin {
    pub sdk_version: Option<String>,
    pub source: String,
}

/// Sync or action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfigKind {
    Sync,
    Action,
}

impl ConfigKind {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Action => "action",
        }
    }
}

/// A sync or an action to deploy.
#[derive(Clone, Debug)]
pub struct FunctionConfig {
    pub kind: ConfigKind,
    pub integration: String,
    pub name: String,
    pub models: Vec<String>,
    pub input: Option<String>,
    /// Frequency of a sync.
    pub runs: Option<String>,
    /// Empty: the server counts.
    pub version: Option<String>,
    pub track_deletes: bool,
    pub auto_start: bool,
    pub sync_type: Option<String>,
    pub metadata: Value,
    pub endpoints: Value,
    pub webhook_subscriptions: Vec<String>,
    pub models_json_schema: Option<Value>,
    pub features: Vec<String>,
    pub javascript: String,
    pub typescript: String,
    pub origin: Option<Origin>,
}

/// An event function to deploy.
#[derive(Clone, Debug)]
pub struct EventConfig {
    pub integration: String,
    pub name: String,
    pub event: String,
    /// The server counts if none is given.
    pub version: Option<String>,
    pub javascript: String,
    pub typescript: String,
    pub origin: Option<Origin>,
}

/// A function as it was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    pub name: String,
    pub models: Vec<String>,
    pub version: String,
    pub integration: String,
    /// `sync`, `action` or `on-event`.
    pub kind: &'static str,
}

/// Why nothing was deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("there is no integration `{0}` in this environment")]
    UnknownIntegration(String),
    #[error("`{name}` stands twice in this deploy")]
    Twice { name: String, index: usize },
    #[error("the frequency of `{name}` cannot be used")]
    Frequency {
        name: String,
        index: usize,
        #[source]
        source: FrequencyError,
    },
    #[error(
        "`{name}` calls a constructor through a value (line {line}), which could reach outside of its isolate"
    )]
    Unsafe { name: String, line: usize },
    #[error("another deploy to this environment is under way")]
    Concurrent,
    #[error("store failed while deploying")]
    Store(#[from] StoreError),
}

/// What [`apply`] would change.
pub async fn confirm(engine: &Engine, deployment: &Deployment) -> Result<Plan, DeployError> {
    check(deployment)?;
    let reader = engine.reader();
    let existing = reader
        .functions_of_environment(deployment.environment)
        .await?;
    let mut connections = HashMap::new();
    for integration in reader.list_integrations(deployment.environment).await? {
        let count = reader.connection_count(integration.pk).await?;
        connections.insert(integration.unique_key, count);
    }
    Ok(plan::plan(deployment, &existing, &connections))
}

/// Makes the listed functions the active ones and deletes what the mode says. Running functions keep the code that they
/// started with.
pub async fn apply(engine: &Engine, deployment: Deployment) -> Result<Vec<Deployed>, DeployError> {
    check(&deployment)?;
    for function in &deployment.functions {
        scan(&function.name, &function.javascript)?;
    }
    for event in deployment.events.iter().flatten() {
        scan(&event.name, &event.javascript)?;
    }
    let owner = engine.ids.uuid7().to_string();
    let environment = deployment.environment;
    let (now, held) = (engine.clock.now(), owner.clone());
    let taken = engine
        .store
        .write(move |tx| async move { tx.take_deploy_lock(environment, &held, now, LOCK).await })
        .await
        .map_err(DeployError::Store)?;
    if !taken {
        return Err(DeployError::Concurrent);
    }
    let applied = locked(engine, deployment, &owner).await;
    let dropped = engine
        .store
        .write(move |tx| async move { tx.drop_deploy_lock(environment, &owner).await })
        .await;
    if let Err(error) = dropped {
        // It runs out by itself.
        let error: StoreError = error;
        tracing::warn!(%error, "could not give the deploy lock back");
    }
    applied
}

async fn locked(
    engine: &Engine,
    deployment: Deployment,
    owner: &str,
) -> Result<Vec<Deployed>, DeployError> {
    let hashes = store_bundles(engine, &deployment).await?;
    let environment = deployment.environment;
    let (inner, owner) = (engine.clone(), owner.to_owned());
    let change = engine
        .store
        .write(move |tx| async move {
            let now = inner.clock.now();
            // Still ours, and ours until the commit: somebody else's deploy would wait for this row.
            if !tx.keep_deploy_lock(environment, &owner, now, LOCK).await? {
                return Err(DeployError::Concurrent);
            }
            let change = Change::begin(&tx, &inner, &deployment, &hashes, now).await?;
            change.run().await
        })
        .await?;
    // Many connections may need their sync: done in steps. Cut off here, the next deploy does what is left.
    for (integration, name) in &change.dropped_syncs {
        commands::drop_all(engine, *integration, name).await?;
    }
    for sync in &change.syncs {
        commands::create_missing(
            engine,
            environment,
            sync.integration,
            &sync.name,
            &sync.runs,
            sync.auto_start,
        )
        .await?;
        if let Some(interval) = sync.interval {
            commands::change_frequency(engine, sync.integration, &sync.name, interval).await?;
        }
    }
    Ok(change.deployed)
}

/// What holds for one deploy by itself.
fn check(deployment: &Deployment) -> Result<(), DeployError> {
    let mut seen = std::collections::HashSet::new();
    for (index, function) in deployment.functions.iter().enumerate() {
        let key = (
            function.integration.as_str(),
            function.kind,
            function.name.as_str(),
        );
        if !seen.insert(key) {
            return Err(DeployError::Twice {
                name: function.name.clone(),
                index,
            });
        }
        if let Some(runs) = &function.runs {
            Frequency::parse(runs).map_err(|source| DeployError::Frequency {
                name: function.name.clone(),
                index,
                source,
            })?;
        }
    }
    Ok(())
}

fn scan(name: &str, javascript: &str) -> Result<(), DeployError> {
    match security::constructor_call(javascript) {
        Some(line) => Err(DeployError::Unsafe {
            name: name.to_owned(),
            line,
        }),
        None => Ok(()),
    }
}

/// Hash of each bundle's content. They are addressed by it, so storing them early does no harm.
async fn store_bundles(
    engine: &Engine,
    deployment: &Deployment,
) -> Result<HashMap<String, String>, StoreError> {
    let functions = deployment.functions.iter().map(|one| &one.javascript);
    let events = deployment.events.iter().flatten();
    let all: Vec<&String> = functions.chain(events.map(|one| &one.javascript)).collect();
    let mut hashes = HashMap::new();
    for chunk in all.chunks(BUNDLES) {
        let bundles: Vec<(String, String)> = chunk
            .iter()
            .map(|javascript| {
                let hash = blake3::hash(javascript.as_bytes()).to_hex().to_string();
                (hash, (*javascript).clone())
            })
            .collect();
        for (hash, javascript) in &bundles {
            hashes.insert(javascript.clone(), hash.clone());
        }
        let now = engine.clock.now();
        engine
            .store
            .write(move |tx| async move {
                for (hash, javascript) in &bundles {
                    tx.insert_bundle(hash, javascript, now).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
    }
    Ok(hashes)
}

/// A sync whose connections are looked after when the functions are stored.
struct ChangedSync {
    integration: IntegrationPk,
    name: String,
    runs: String,
    auto_start: bool,
    interval: Option<Duration>,
}

/// What the transaction did.
struct Changed {
    deployed: Vec<Deployed>,
    syncs: Vec<ChangedSync>,
    dropped_syncs: Vec<(IntegrationPk, String)>,
}

/// The transaction of a deploy.
struct Change<'a> {
    tx: &'a Tx,
    engine: &'a Engine,
    deployment: &'a Deployment,
    hashes: &'a HashMap<String, String>,
    existing: Vec<FunctionRow>,
    integrations: HashMap<String, IntegrationPk>,
    record: i64,
    now: Timestamp,
}

impl<'a> Change<'a> {
    async fn begin(
        tx: &'a Tx,
        engine: &'a Engine,
        deployment: &'a Deployment,
        hashes: &'a HashMap<String, String>,
        now: Timestamp,
    ) -> Result<Self, DeployError> {
        let integrations = tx
            .list_integrations(deployment.environment)
            .await?
            .into_iter()
            .map(|row| (row.unique_key, row.pk))
            .collect();
        Ok(Self {
            tx,
            engine,
            deployment,
            hashes,
            existing: tx.functions_of_environment(deployment.environment).await?,
            integrations,
            record: next_record(tx, engine, deployment.environment).await?,
            now,
        })
    }

    async fn run(&self) -> Result<Changed, DeployError> {
        let connections = HashMap::new();
        let plan = plan::plan(self.deployment, &self.existing, &connections);
        self.record(&plan).await?;
        let mut changed = Changed {
            deployed: Vec::new(),
            syncs: Vec::new(),
            dropped_syncs: Vec::new(),
        };
        for config in &self.deployment.functions {
            changed.deployed.push(self.function(config).await?);
            if config.kind == ConfigKind::Sync {
                let runs = config.runs.clone().unwrap_or_default();
                changed.syncs.push(ChangedSync {
                    integration: self.integration(&config.integration)?,
                    name: config.name.clone(),
                    interval: Frequency::parse(&runs).ok().map(|runs| runs.interval()),
                    runs,
                    auto_start: config.auto_start,
                });
            }
        }
        // The reference answers event functions last and backwards.
        for config in self.deployment.events.iter().flatten().rev() {
            changed.deployed.push(self.event(config).await?);
        }
        for gone in plan::deleted(self.deployment, &self.existing) {
            self.tx
                .delete_function(gone.pk, self.record, self.now)
                .await?;
            if gone.kind == "sync" {
                changed
                    .dropped_syncs
                    .push((gone.integration, gone.name.clone()));
            }
        }
        wake_workers(self.tx, self.engine);
        Ok(changed)
    }

    async fn record(&self, plan: &Plan) -> Result<(), StoreError> {
        let mut summary = json!({
            "created": plan.created(),
            "updated": plan.updated(),
            "deleted": plan.deleted_names(),
        });
        if let DeployMode::Revert { to } = self.deployment.mode {
            summary["reverted_to"] = json!(to);
        }
        let new = NewDeployment {
            pk: self.record,
            environment: self.deployment.environment,
            mode: self.deployment.mode.as_str(),
            sdk_version: self.deployment.sdk_version.clone(),
            source: self.deployment.source.clone(),
            summary: summary.to_string(),
            created_at: self.now,
        };
        self.tx.insert_deployment(&new).await?;
        let operation = NewOperation {
            state: OperationState::Success,
            ..NewOperation::new(
                self.deployment.environment,
                OperationKind::Deploy,
                format!(
                    "deployed {} created, {} updated, {} deleted",
                    plan.created().len(),
                    plan.updated().len(),
                    plan.deleted_names().len()
                ),
            )
        };
        self.engine
            .operations
            .start(self.tx, operation)
            .await
            .map(|_| ())
    }

    fn integration(&self, key: &str) -> Result<IntegrationPk, DeployError> {
        self.integrations
            .get(key)
            .copied()
            .ok_or_else(|| DeployError::UnknownIntegration(key.to_owned()))
    }

    fn before(&self, integration: IntegrationPk, kind: &str, name: &str) -> Option<&FunctionRow> {
        self.existing
            .iter()
            .find(|row| row.integration == integration && row.kind == kind && row.name == name)
    }

    fn origin(&self, own: Option<&Origin>) -> Origin {
        own.cloned().unwrap_or_else(|| Origin {
            sdk_version: self.deployment.sdk_version.clone(),
            source: self.deployment.source.clone(),
        })
    }

    fn hash(&self, javascript: &str) -> String {
        self.hashes.get(javascript).cloned().unwrap_or_default()
    }

    async fn function(&self, config: &FunctionConfig) -> Result<Deployed, DeployError> {
        let integration = self.integration(&config.integration)?;
        let kind = config.kind.as_str();
        let before = self.before(integration, kind, &config.name);
        let hash = self.hash(&config.javascript);
        let given = config
            .version
            .as_deref()
            .filter(|version| !version.is_empty());
        let version = match (given, before) {
            (Some(version), _) => version.to_owned(),
            (None, None) => "1".to_owned(),
            (None, Some(row)) if row.bundle_hash == hash => row.version.clone(),
            (None, Some(row)) => version::next(&row.version),
        };
        let new = NewFunction {
            pk: FunctionPk(self.engine.ids.int()),
            environment: self.deployment.environment,
            integration,
            deployment: self.record,
            kind,
            name: config.name.clone(),
            version: version.clone(),
            bundle_hash: hash,
            typescript: config.typescript.clone(),
            sdk_version: self.origin(config.origin.as_ref()).sdk_version,
            models: config.models.clone(),
            input: config.input.clone(),
            models_json_schema: config.models_json_schema.as_ref().map(Value::to_string),
            endpoints: config.endpoints.to_string(),
            features: config.features.clone(),
            metadata: config.metadata.to_string(),
            webhook_subscriptions: config.webhook_subscriptions.clone(),
            runs: config.runs.clone(),
            event: None,
            auto_start: config.auto_start,
            track_deletes: config.track_deletes,
            sync_type: config.sync_type.clone(),
            source: self.origin(config.origin.as_ref()).source,
            enabled: before.is_none_or(|row| row.enabled),
            created_at: self.now,
        };
        self.put(before, &new).await?;
        Ok(Deployed {
            name: config.name.clone(),
            models: config.models.clone(),
            version,
            integration: config.integration.clone(),
            kind,
        })
    }

    async fn event(&self, config: &EventConfig) -> Result<Deployed, DeployError> {
        let integration = self.integration(&config.integration)?;
        let before = self.before(integration, "on-event", &config.name);
        let hash = self.hash(&config.javascript);
        let version = match (&config.version, before) {
            (Some(version), _) => version.clone(),
            (None, None) => FIRST_EVENT_VERSION.to_owned(),
            (None, Some(row)) if row.bundle_hash == hash => row.version.clone(),
            (None, Some(row)) => version::next(&row.version),
        };
        let new = NewFunction {
            pk: FunctionPk(self.engine.ids.int()),
            environment: self.deployment.environment,
            integration,
            deployment: self.record,
            kind: "on-event",
            name: config.name.clone(),
            version: version.clone(),
            bundle_hash: hash,
            typescript: config.typescript.clone(),
            sdk_version: self.origin(config.origin.as_ref()).sdk_version,
            models: Vec::new(),
            input: None,
            models_json_schema: None,
            endpoints: "[]".to_owned(),
            features: Vec::new(),
            metadata: "{}".to_owned(),
            webhook_subscriptions: Vec::new(),
            runs: None,
            event: Some(config.event.clone()),
            auto_start: false,
            track_deletes: false,
            sync_type: None,
            source: self.origin(config.origin.as_ref()).source,
            enabled: before.is_none_or(|row| row.enabled),
            created_at: self.now,
        };
        self.put(before, &new).await?;
        Ok(Deployed {
            name: config.name.clone(),
            models: Vec::new(),
            version,
            integration: config.integration.clone(),
            kind: "on-event",
        })
    }

    /// A new row, unless nothing about the function changed: a deploy in every pipeline must not fill the history.
    async fn put(&self, before: Option<&FunctionRow>, new: &NewFunction) -> Result<(), StoreError> {
        match before {
            Some(row) if is_same(row, new) => {
                self.tx.touch_function(row.pk, self.record, self.now).await
            }
            _ => self.tx.insert_function(new).await,
        }
    }
}

fn is_same(row: &FunctionRow, new: &NewFunction) -> bool {
    // The source may differ where the bundle does not: types only. It is what `pull` shows, so it counts.
    row.bundle_hash == new.bundle_hash
        && row.typescript_hash == Some(source_hash(&new.typescript))
        && row.version == new.version
        && row.models == new.models
        && row.input == new.input
        && row.models_json_schema == new.models_json_schema
        && row.endpoints == new.endpoints
        && row.features == new.features
        && row.metadata == new.metadata
        && row.webhook_subscriptions == new.webhook_subscriptions
        && row.runs == new.runs
        && row.event == new.event
        && row.auto_start == new.auto_start
        && row.track_deletes == new.track_deletes
        && row.sync_type == new.sync_type
        && row.source == new.source
        && row.sdk_version == new.sdk_version
}

/// The key of the next deployment: above all before it, whichever node they were made on.
async fn next_record(
    tx: &Tx,
    engine: &Engine,
    environment: EnvironmentPk,
) -> Result<i64, StoreError> {
    let last = tx.last_deployment(environment).await?.unwrap_or_default();
    Ok(engine.ids.int().max(last + 1))
}

/// Deletes one function; the syncs that run it go with it. A deployment of its own, so that it can be taken back.
pub async fn delete_function(engine: &Engine, function: &FunctionRow) -> Result<(), StoreError> {
    let (inner, gone) = (engine.clone(), function.clone());
    engine
        .store
        .write(move |tx| async move {
            let now = inner.clock.now();
            let record = next_record(&tx, &inner, gone.environment).await?;
            let new = NewDeployment {
                pk: record,
                environment: gone.environment,
                mode: "delete",
                sdk_version: None,
                source: gone.source.clone(),
                summary: json!({ "created": [], "updated": [], "deleted": [gone.name] })
                    .to_string(),
                created_at: now,
            };
            tx.insert_deployment(&new).await?;
            tx.delete_function(gone.pk, record, now).await
        })
        .await?;
    if function.kind == "sync" {
        commands::drop_all(engine, function.integration, &function.name).await?;
    }
    Ok(())
}
