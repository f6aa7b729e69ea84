//! Connections whose credentials the app has already.

use serde_json::{Map, Value};
use tenon_core::Secret;
use tenon_providers::Provider;
use tenon_store::{StoreError, integrations::IntegrationRow};

use super::save::{NewConnection, SavedConnection, SettleError, store};
use crate::{
    Engine,
    auth::issue::{self, Party},
};

/// Stores an imported connection, with what its provider says about the account like one from a connect flow. What the
/// app gives itself stands.
pub async fn import(
    engine: &Engine,
    integration: &IntegrationRow,
    provider: &Provider,
    mut new: NewConnection,
) -> Result<SavedConnection, SettleError> {
    if !issue::asks_about(provider) {
        return store(engine, new).await;
    }
    let given = new.connection_config.clone();
    let mut config = match &given {
        Some(given) => given.clone(),
        None => stored_config(engine, &new).await?,
    };
    let party = Party {
        engine,
        provider,
        integration,
        connection_config: &config,
    };
    let credentials = new.credentials.expose().clone();
    let issued = issue::imported(party, new.auth_mode, credentials).await;
    new.credentials = Secret::new(issued.credentials);
    if !issued.connection_config.is_empty() {
        for (name, value) in issued.connection_config {
            let own = given.as_ref().and_then(|given| given.get(&name));
            if own.is_none_or(|own| own == "") {
                config.insert(name, value);
            }
        }
        new.connection_config = Some(config);
    }
    store(engine, new).await
}

/// The config that an existing connection keeps.
async fn stored_config(
    engine: &Engine,
    new: &NewConnection,
) -> Result<Map<String, Value>, StoreError> {
    let Some(id) = &new.connection_id else {
        return Ok(Map::new());
    };
    let reader = engine.reader();
    let found = reader
        .find_connection(new.environment, &new.integration_key, id.as_str())
        .await?;
    let Some(row) = found else {
        return Ok(Map::new());
    };
    serde_json::from_str(&row.connection_config).map_err(|_| StoreError::Corrupt {
        table: "connection",
        column: "connection_config",
        row: row.pk.to_string(),
    })
}
