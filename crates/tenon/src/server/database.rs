//! Opens the database that the configuration names, with its instance key.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use tenon_core::{SharedClock, SharedRandom};
use tenon_store::{DatabaseUrl, Store, StoreOptions};

use super::instance_key;
use crate::config::Config;

/// Connections that read (SQLite), or all connections of the pool (Postgres).
const READERS: usize = 8;

/// Opens it; an empty one is made.
pub(crate) async fn open(
    config: &Config,
    data_dir: &Path,
    clock: &SharedClock,
    random: &SharedRandom,
) -> anyhow::Result<Store> {
    let url = match &config.database_url {
        Some(url) => DatabaseUrl::Postgres(url.clone()),
        None => DatabaseUrl::Sqlite(data_dir.join("tenon.db")),
    };
    let key = instance_key::find(config, data_dir, clock).await?;
    let options = StoreOptions {
        url,
        instance_key: key.given,
        previous_keys: key.previous,
        key_vault: key.vault,
        key_file: key.file,
        readers: READERS,
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    };
    Store::open(options)
        .await
        .context("could not open the database")
}
