//! A deployment on the wire.

use serde::Serialize;
use serde_json::Value;
use tenon_store::work::{deployments::DeploymentRow, functions::FunctionRow};

/// A deployment in short.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    id: i64,
    /// `all`, `integration`, `single`, `delete` or `revert`.
    mode: String,
    source: String,
    sdk_version: Option<String>,
    created_at: String,
    created: Value,
    updated: Value,
    deleted: Value,
    /// Of a `revert`: the deployment whose functions came back.
    #[serde(skip_serializing_if = "Value::is_null")]
    reverted_to: Value,
}

impl From<DeploymentRow> for Shown {
    fn from(row: DeploymentRow) -> Self {
        let mut summary: Value = serde_json::from_str(&row.summary).unwrap_or_default();
        let mut take = |name: &str| summary.get_mut(name).map(Value::take).unwrap_or_default();
        Self {
            id: row.pk,
            mode: row.mode,
            source: row.source,
            sdk_version: row.sdk_version,
            created_at: row.created_at.iso_millis(),
            created: take("created"),
            updated: take("updated"),
            deleted: take("deleted"),
            reverted_to: take("reverted_to"),
        }
    }
}

/// A version of a function.
#[derive(Debug, Serialize)]
pub(super) struct Version {
    id: i64,
    version: String,
    /// The deployment that it came with.
    deployment: i64,
    bundle_hash: String,
    last_deployed: String,
}

impl From<&FunctionRow> for Version {
    fn from(row: &FunctionRow) -> Self {
        Self {
            id: row.pk.0,
            version: row.version.clone(),
            deployment: row.activated_by,
            bundle_hash: row.bundle_hash.clone(),
            last_deployed: row.created_at.iso_millis(),
        }
    }
}
