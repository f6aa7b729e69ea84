//! Metadata and labels.

use serde_json::{Map, Value};
use tenon_core::names::EnvironmentPk;
use tenon_store::{StoreError, Tx, connections::ConnectionRow};

use super::tags::{self, EndUser};
use crate::Engine;

/// How given metadata meets stored metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataChange {
    Replace,
    /// Members at the top replace those of the same name.
    Merge,
}

/// Changes to labels; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ConnectionPatch {
    pub end_user: Option<EndUser>,
    /// Replaces all tags; merged with those of the end user.
    pub tags: Option<Map<String, Value>>,
    /// An empty text clears it.
    pub webhook_url_override: Option<String>,
}

/// Why a connection was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("no integration `{0}`")]
    UnknownIntegration(String),
    #[error("no connection `{connection}` for integration `{integration}`")]
    UnknownConnection {
        connection: String,
        integration: String,
    },
    #[error("store failed while changing a connection")]
    Store(#[from] StoreError),
}

/// Sets metadata of one or more connections, of all or of none.
pub async fn change_metadata(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &str,
    connections: &[String],
    metadata: Map<String, Value>,
    change: MetadataChange,
) -> Result<(), ChangeError> {
    let (integration, connections) = (integration.to_owned(), connections.to_vec());
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            for id in &connections {
                let row = find(&tx, environment, &integration, id).await?;
                let new = match change {
                    MetadataChange::Replace => metadata.clone(),
                    MetadataChange::Merge => {
                        let mut merged = stored_metadata(&row)?;
                        merged.extend(metadata.clone());
                        merged
                    }
                };
                tx.set_metadata(&row, &Value::Object(new), now).await?;
            }
            Ok(())
        })
        .await
}

/// Changes end user, tags and webhook URL of a connection.
pub async fn patch(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &str,
    connection: &str,
    patch: ConnectionPatch,
) -> Result<(), ChangeError> {
    let (integration, connection) = (integration.to_owned(), connection.to_owned());
    let now = engine.clock.now();
    engine
        .store
        .write(move |tx| async move {
            let row = find(&tx, environment, &integration, &connection).await?;
            let stored_user: Option<Value> = row
                .end_user
                .as_deref()
                .map(|text| parse(&row, "end_user", text))
                .transpose()?;
            let labels_change = patch.end_user.is_some() || patch.tags.is_some();
            let end_user = match &patch.end_user {
                Some(user) => Some(user.to_json()),
                None => stored_user,
            };
            let tags = if labels_change {
                Value::Object(tags::merged(patch.end_user.as_ref(), patch.tags.as_ref()))
            } else {
                parse(&row, "tags", &row.tags)?
            };
            let url = match &patch.webhook_url_override {
                Some(url) => Some(url.as_str()).filter(|url| !url.is_empty()),
                None => row.webhook_url_override.as_deref(),
            };
            tx.set_labels(&row, end_user.as_ref(), &tags, url, now)
                .await?;
            Ok(())
        })
        .await
}

async fn find(
    tx: &Tx,
    environment: EnvironmentPk,
    integration: &str,
    connection: &str,
) -> Result<ConnectionRow, ChangeError> {
    if let Some(row) = tx
        .find_connection(environment, integration, connection)
        .await?
    {
        return Ok(row);
    }
    if tx
        .find_integration(environment, integration)
        .await?
        .is_none()
    {
        return Err(ChangeError::UnknownIntegration(integration.to_owned()));
    }
    Err(ChangeError::UnknownConnection {
        connection: connection.to_owned(),
        integration: integration.to_owned(),
    })
}

fn stored_metadata(row: &ConnectionRow) -> Result<Map<String, Value>, StoreError> {
    match &row.metadata {
        Some(text) => parse(row, "metadata", text),
        None => Ok(Map::new()),
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    row: &ConnectionRow,
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt {
        table: "connection",
        column,
        row: row.pk.to_string(),
    })
}
