//! What deployments changed, and going back to one.

use std::collections::BTreeMap;

use serde_json::Value;
use tenon_core::names::EnvironmentPk;
use tenon_store::{StoreError, work::functions::FunctionRow};

use super::{
    ConfigKind, DeployError, DeployMode, Deployed, Deployment, EventConfig, FunctionConfig, Origin,
    apply, diff::unified,
};
use crate::Engine;

/// A function that two deployments left in different states.
#[derive(Clone, Debug)]
pub struct FunctionChange {
    pub integration: String,
    /// `sync`, `action` or `on-event`.
    pub kind: String,
    pub name: String,
    pub before: Option<FunctionRow>,
    pub after: Option<FunctionRow>,
    /// Names of the settings that differ.
    pub settings: Vec<&'static str>,
    /// Unified diff of the sources.
    pub code: String,
}

/// Why nothing was reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    #[error("there is no deployment `{0}` in this environment")]
    UnknownDeployment(i64),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error("store failed while reading an earlier deployment")]
    Store(#[from] StoreError),
}

/// What lies between two deployments; `None` before means the time before the first one.
pub async fn changes(
    engine: &Engine,
    environment: EnvironmentPk,
    from: Option<i64>,
    to: i64,
) -> Result<Vec<FunctionChange>, StoreError> {
    let reader = engine.reader();
    let before = match from {
        Some(from) => reader.functions_of_deployment(environment, from).await?,
        None => Vec::new(),
    };
    let after = reader.functions_of_deployment(environment, to).await?;
    let mut pairs: BTreeMap<Key, (Option<FunctionRow>, Option<FunctionRow>)> = BTreeMap::new();
    for row in before {
        let key = key(&row);
        pairs.entry(key).or_default().0 = Some(row);
    }
    for row in after {
        let key = key(&row);
        pairs.entry(key).or_default().1 = Some(row);
    }
    let mut changes = Vec::new();
    for ((integration, kind, name), (before, after)) in pairs {
        let pk = |row: &Option<FunctionRow>| row.as_ref().map(|row| row.pk);
        if pk(&before) == pk(&after) {
            continue;
        }
        let old = source(engine, before.as_ref()).await?;
        let new = source(engine, after.as_ref()).await?;
        let settings = match (&before, &after) {
            (Some(before), Some(after)) => settings(before, after),
            _ => Vec::new(),
        };
        changes.push(FunctionChange {
            integration,
            kind,
            name,
            before,
            after,
            settings,
            code: unified(&old, &new),
        });
    }
    Ok(changes)
}

/// Integration, kind and name.
type Key = (String, String, String);

fn key(row: &FunctionRow) -> Key {
    let texts = [&row.integration_key, &row.kind, &row.name];
    let [integration, kind, name] = texts.map(String::clone);
    (integration, kind, name)
}

async fn source(engine: &Engine, row: Option<&FunctionRow>) -> Result<String, StoreError> {
    match row {
        Some(row) => engine.reader().function_code(row.pk).await,
        None => Ok(String::new()),
    }
}

fn settings(before: &FunctionRow, after: &FunctionRow) -> Vec<&'static str> {
    let differs = [
        ("version", before.version != after.version),
        ("bundle", before.bundle_hash != after.bundle_hash),
        ("models", before.models != after.models),
        ("input", before.input != after.input),
        (
            "models_json_schema",
            before.models_json_schema != after.models_json_schema,
        ),
        ("endpoints", before.endpoints != after.endpoints),
        ("features", before.features != after.features),
        ("metadata", before.metadata != after.metadata),
        (
            "webhook_subscriptions",
            before.webhook_subscriptions != after.webhook_subscriptions,
        ),
        ("runs", before.runs != after.runs),
        ("event", before.event != after.event),
        ("auto_start", before.auto_start != after.auto_start),
        ("track_deletes", before.track_deletes != after.track_deletes),
        ("sync_type", before.sync_type != after.sync_type),
        ("source", before.source != after.source),
        ("sdk_version", before.sdk_version != after.sdk_version),
    ];
    differs
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect()
}

/// Deploys what was active after an earlier deployment, under its version numbers, and deletes what came since. It is a
/// deployment like any other: running functions keep the code that they started with, and it can be reverted.
pub async fn revert(
    engine: &Engine,
    environment: EnvironmentPk,
    to: i64,
) -> Result<Vec<Deployed>, RevertError> {
    let reader = engine.reader();
    if reader.find_deployment(environment, to).await?.is_none() {
        return Err(RevertError::UnknownDeployment(to));
    }
    let mut functions = Vec::new();
    let mut events = Vec::new();
    for row in reader.functions_of_deployment(environment, to).await? {
        let code = Code::of(engine, &row).await?;
        match row.kind.as_str() {
            "sync" => functions.push(function(ConfigKind::Sync, row, code)),
            "action" => functions.push(function(ConfigKind::Action, row, code)),
            _ => events.push(event(row, code)),
        }
    }
    let deployment = Deployment {
        environment,
        mode: DeployMode::Revert { to },
        functions,
        events: Some(events),
        sdk_version: None,
        source: "revert".to_owned(),
    };
    Ok(apply(engine, deployment).await?)
}

struct Code {
    javascript: String,
    typescript: String,
}

impl Code {
    async fn of(engine: &Engine, row: &FunctionRow) -> Result<Self, StoreError> {
        let reader = engine.reader();
        let bundle = reader.find_bundle(&row.bundle_hash).await?;
        let bundle = bundle.ok_or_else(|| StoreError::Corrupt {
            table: "bundle",
            column: "hash",
            row: row.bundle_hash.clone(),
        })?;
        Ok(Self {
            javascript: bundle.as_ref().to_owned(),
            typescript: reader.function_code(row.pk).await?,
        })
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn function(kind: ConfigKind, row: FunctionRow, code: Code) -> FunctionConfig {
    FunctionConfig {
        kind,
        integration: row.integration_key,
        name: row.name,
        models: row.models,
        input: row.input,
        runs: row.runs,
        version: Some(row.version),
        track_deletes: row.track_deletes,
        auto_start: row.auto_start,
        sync_type: row.sync_type,
        metadata: json(&row.metadata),
        endpoints: json(&row.endpoints),
        webhook_subscriptions: row.webhook_subscriptions,
        models_json_schema: row.models_json_schema.as_deref().map(json),
        features: row.features,
        javascript: code.javascript,
        typescript: code.typescript,
        origin: Some(Origin {
            sdk_version: row.sdk_version,
            source: row.source,
        }),
    }
}

fn event(row: FunctionRow, code: Code) -> EventConfig {
    EventConfig {
        integration: row.integration_key,
        name: row.name,
        event: row.event.unwrap_or_default(),
        version: Some(row.version),
        javascript: code.javascript,
        typescript: code.typescript,
        origin: Some(Origin {
            sdk_version: row.sdk_version,
            source: row.source,
        }),
    }
}
