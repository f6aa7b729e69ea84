//! What is kept while a person has not agreed yet.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenon_core::{Secret, auth::AuthMode, names::ConnectSessionPk};
use tenon_store::{SealContext, StoreError, Tx, device_flows::DeviceFlowRow};

use tenon_core::names::EnvironmentPk;

/// A device flow under way. Sealed when stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub device_code: Secret,
    pub mode: AuthMode,
    pub session: Option<ConnectSessionPk>,
    pub connection_config: Map<String, Value>,
    /// Settings of syncs: what a new connection has as its metadata.
    #[serde(default)]
    pub settings: Option<Map<String, Value>>,
    pub operation_id: String,
}

impl Waiting {
    pub(super) async fn seal(
        &self,
        tx: &Tx,
        environment: EnvironmentPk,
        id: &str,
    ) -> Result<tenon_store::Sealed, StoreError> {
        let plain = serde_json::to_vec(self).expect("plain data of ours can be written");
        tx.seal(context(environment, id), &plain).await
    }

    pub(super) async fn open(tx: &Tx, row: &DeviceFlowRow) -> Result<Self, StoreError> {
        let opened = tx
            .open(context(row.environment, &row.id), &row.payload)
            .await?;
        serde_json::from_slice(&opened).map_err(|_| StoreError::Corrupt {
            table: "device_flow",
            column: "payload",
            row: row.id.clone(),
        })
    }
}

const fn context(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "device_flow",
        column: "payload",
        row,
    }
}
