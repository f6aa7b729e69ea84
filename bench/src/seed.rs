//! Connections by the hundred thousand, straight into the store of a server that does not run.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;
use tenon_core::{
    Ids, SharedClock, SharedRandom, Timestamp,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
    random::SystemRandom,
};
use tenon_engine::time::SystemClock;
use tenon_store::{DatabaseUrl, Store, StoreError, StoreOptions, Tx, connections::ConnectionWrite};

use crate::{
    server::{Place, Tenon},
    tokens,
};

/// The provider of [`providers`].
pub(crate) const PROVIDER: &str = "bench-oauth";

/// The integration that connections belong to.
pub(crate) const INTEGRATION: &str = "bench";

/// Connections of one transaction.
const AT_ONCE: usize = 1_000;

/// Transactions at a time: on Postgres they go side by side.
const PARALLEL: usize = 4;

/// The provider file of an `OAuth2` provider at this address.
pub(crate) fn providers(upstream: &str) -> String {
    format!(
        "{PROVIDER}:\n    display_name: Bench\n    categories: [other]\n    auth_mode: OAUTH2\n    \
         authorization_url: http://{upstream}/authorize\n    token_url: http://{upstream}{}\n    \
         docs: https://example.test/\n",
        tokens::PATH
    )
}

/// Makes the integration `bench` of that provider.
pub(crate) async fn integrate(tenon: &Tenon) -> Result<()> {
    let integration = json!({
        "provider": PROVIDER, "unique_key": INTEGRATION,
        "credentials": {"type": "OAUTH2", "client_id": "bench", "client_secret": "bench"},
    });
    let made = tenon.call("POST", "/integrations", &[], &integration);
    made.await.map(drop)
}

/// What the connections belong to.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) environment: EnvironmentPk,
    pub(crate) integration: IntegrationPk,
    pub(crate) provider: String,
}

/// `OAuth2` connections `<prefix>0`, `<prefix>1`, ...
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) prefix: &'static str,
    pub(crate) count: usize,
    pub(crate) expires_at: Timestamp,
    /// When they were made and read last.
    pub(crate) at: Timestamp,
}

/// Stores connections `c0`, `c1`, ... in a place where no server runs, and where the integration is.
pub(crate) async fn into_place(place: &Place, count: usize) -> Result<()> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let random: SharedRandom = Arc::new(SystemRandom);
    let url = match place.database() {
        Some(url) => DatabaseUrl::Postgres(tenon_core::Secret::new(url.to_owned())),
        None => DatabaseUrl::Sqlite(place.data().join("tenon.db")),
    };
    let store = Store::open(StoreOptions {
        url,
        instance_key: None,
        previous_keys: Vec::new(),
        key_vault: None,
        key_file: Some(place.data().join("instance.key")),
        readers: PARALLEL,
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    })
    .await?;
    let reader = store.reader();
    let environment = reader.find_environment_named("dev").await?;
    let environment = environment.context("a server has been here")?.pk;
    let found = reader.find_integration(environment, INTEGRATION).await?;
    let found = found.context("the integration is there")?;
    let owner = Owner {
        environment,
        integration: found.pk,
        provider: found.provider,
    };
    let now = clock.now();
    let fleet = Fleet {
        prefix: "c",
        count,
        expires_at: now.plus(Duration::from_secs(24 * 3600)),
        at: now.minus(Duration::from_secs(3_600)),
    };
    let ids = Ids::new(clock, random);
    store_fleet(&store, &ids, &owner, &fleet).await?;
    store.close().await;
    Ok(())
}

/// Stores a fleet as fast as the store takes it.
pub(crate) async fn store_fleet(
    store: &Store,
    ids: &Ids,
    owner: &Owner,
    fleet: &Fleet,
) -> Result<()> {
    use futures::{StreamExt as _, TryStreamExt as _};
    let numbers: Vec<usize> = (0..fleet.count).collect();
    futures::stream::iter(numbers.chunks(AT_ONCE))
        .map(|some| {
            let some: Vec<_> = some.iter().map(|number| (*number, ids.int())).collect();
            let (owner, fleet) = (owner.clone(), fleet.clone());
            store.write(move |tx| async move {
                // At once: a database behind a network gets them without waiting for each.
                let stored = some.iter().map(|one| insert(&tx, &owner, &fleet, *one));
                futures::future::try_join_all(stored).await.map(drop)
            })
        })
        .buffer_unordered(PARALLEL)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn insert(
    tx: &Tx,
    owner: &Owner,
    fleet: &Fleet,
    (number, pk): (usize, i64),
) -> Result<(), StoreError> {
    let credentials = credentials(fleet, number);
    let person = format!("{}{number}", fleet.prefix);
    tx.insert_connection(&ConnectionWrite {
        pk: ConnectionPk(pk),
        environment: owner.environment,
        integration: owner.integration,
        connection_id: &person,
        provider: &owner.provider,
        auth_mode: "OAUTH2",
        credentials: credentials.as_object().expect("it is written as one"),
        credentials_expires_at: Some(fleet.expires_at),
        connection_config: &json!({}),
        metadata: None,
        tags: &json!({"end_user_id": person}),
        end_user: Some(&json!({
            "id": person, "email": format!("{person}@example.test"), "display_name": null, "tags": {},
            "organization": null,
        })),
        webhook_url_override: None,
        // Each a moment later: lists are in the order of creation.
        now: fleet.at.plus(Duration::from_micros(number as u64)),
    })
    .await
}

/// In the shape clients read.
pub(crate) fn credentials(fleet: &Fleet, number: usize) -> serde_json::Value {
    let prefix = fleet.prefix;
    json!({
        "type": "OAUTH2",
        "access_token": format!("{prefix}{number}-access-0"),
        "refresh_token": format!("{prefix}{number}.0"),
        "expires_at": fleet.expires_at.iso_millis(),
        "raw": {"token_type": "bearer", "scope": "read write"},
    })
}
