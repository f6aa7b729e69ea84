//! What a provider could not be asked when a connection was stored, because the token had run out by then or the
//! provider was away. It is asked with the first token that was renewed, before anybody uses that one.

use serde_json::{Map, Value};
use tenon_core::names::ConnectionPk;
use tenon_store::{StoreError, Tx};

use super::load::Loaded;
use crate::{
    Engine,
    auth::issue::{self, Issued, Party},
};

/// Asks the provider about the account of a connection whose new credentials are stored. They are good without it.
pub(super) async fn learn(engine: &Engine, loaded: &Loaded, issued: &Issued) {
    if let Err(error) = try_learn(engine, loaded, issued).await {
        tracing::warn!(
            connection.pk = loaded.row.pk.0,
            "could not keep what a provider says about an account: {error}"
        );
    }
}

async fn try_learn(engine: &Engine, loaded: &Loaded, issued: &Issued) -> Result<(), StoreError> {
    let mut config = loaded.connection_config()?;
    config.extend(issued.connection_config.clone());
    if !issue::is_unknown(&loaded.provider, &config) {
        return Ok(());
    }
    let party = Party {
        engine,
        provider: &loaded.provider,
        integration: &loaded.integration,
        connection_config: &config,
    };
    let learned = issue::ask_about(party, loaded.mode, issued).await;
    if learned.is_empty() {
        return Ok(());
    }
    let (inner, connection) = (engine.clone(), loaded.row.pk);
    engine
        .store
        .write(move |tx| async move { keep(&tx, &inner, connection, learned).await })
        .await
}

async fn keep(
    tx: &Tx,
    engine: &Engine,
    connection: ConnectionPk,
    learned: Map<String, Value>,
) -> Result<(), StoreError> {
    let Some(row) = tx.find_connection_by_pk(connection).await? else {
        return Ok(());
    };
    let Some(provider) = engine.catalogue.find(&row.provider) else {
        return Ok(());
    };
    let mut config: Map<String, Value> =
        serde_json::from_str(&row.connection_config).unwrap_or_default();
    // Authorised again meanwhile: that knows better.
    if !issue::is_unknown(&provider, &config) {
        return Ok(());
    }
    config.extend(learned);
    let now = engine.clock.now();
    tx.set_connection_config(&row, &Value::Object(config), now)
        .await
}
