//! A store of its own for each test.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tenon_core::{Ids, Secret, SharedRandom, random::SeededRandom};
use tenon_store::{DatabaseUrl, Store, StoreOptions};

use crate::{TestClock, postgres};

/// An empty store with a clock that the test moves. Its data goes away with it.
pub struct TestStore {
    pub store: Store,
    pub clock: TestClock,
    pub random: SharedRandom,
    pub ids: Ids,
    pub options: StoreOptions,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Database(Database),
}

impl TestStore {
    /// A store in a temporary folder.
    pub async fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let url = DatabaseUrl::Sqlite(folder.path().join("tenon.db"));
        Self::open(url, Place::Folder(folder)).await
    }

    /// A store in a new database, `None` (said aloud) where there is no Postgres.
    pub async fn postgres() -> Option<Self> {
        let server = tokio::task::spawn_blocking(postgres::shared_url)
            .await
            .expect("looking for Postgres does not panic")?;
        let database = Database::create(server).await;
        let url = DatabaseUrl::Postgres(Secret::new(database.url.clone()));
        Some(Self::open(url, Place::Database(database)).await)
    }

    async fn open(url: DatabaseUrl, place: Place) -> Self {
        let clock = TestClock::new();
        let random: SharedRandom = Arc::new(SeededRandom::new(1));
        let options = StoreOptions {
            url,
            instance_key: Some(Secret::new([7; 32])),
            previous_keys: Vec::new(),
            key_vault: None,
            key_file: None,
            readers: 4,
            clock: clock.shared(),
            random: random.clone(),
        };
        let store = Store::open(options.clone())
            .await
            .expect("an empty store opens");
        Self {
            store,
            ids: Ids::new(clock.shared(), random.clone()),
            clock,
            random,
            options,
            place,
        }
    }

    /// Closes the store and opens it again, as a restart does.
    pub async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Store::open(self.options.clone())
            .await
            .expect("a store that was closed opens again");
    }

    /// Folder of a SQLite store.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path()),
            Place::Database(_) => None,
        }
    }

    /// URL of a Postgres store, for a test that looks past the store.
    pub fn database_url(&self) -> Option<&str> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Database(database) => Some(&database.url),
        }
    }
}

/// A database that is dropped with its handle.
struct Database {
    server: &'static str,
    name: String,
    url: String,
}

impl Database {
    async fn create(server: &'static str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenon_test_{}_{number}", std::process::id());
        run(
            server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await
        .expect("the test server answers");
        run(server, &format!("CREATE DATABASE {name}"))
            .await
            .expect("the test server makes a database");
        let (base, _) = server
            .rsplit_once('/')
            .expect("the URL of the test server names a database");
        Self {
            server,
            url: format!("{base}/{name}"),
            name,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server;
        let text = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The test's own runtime may be on its way out.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(run(server, &text));
            }
        });
    }
}

async fn run(server: &str, text: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(text).await;
    drop(client);
    let _ = connection.await;
    done
}

/// Writes a store behaviour once and tests it on both databases:
///
/// ```ignore
/// store_test! {
///     async fn a_record_keeps_its_id(test: TestStore) {
///         ...
///     }
/// }
/// ```
///
/// Without Postgres on the machine its half says aloud that it is skipped.
#[macro_export]
macro_rules! store_test {
    ($($(#[$meta:meta])* async fn $name:ident($($store:tt)+) $body:block)+) => {$(
        $crate::store_test!(@one $(#[$meta])* $name [$($store)+] $body);
    )+};
    (@one $(#[$meta:meta])* $name:ident [$store:ident: $kind:ty] $body:block) => {
        $crate::store_test!(@module $(#[$meta])* $name ($store: $kind) $body);
    };
    (@one $(#[$meta:meta])* $name:ident [mut $store:ident: $kind:ty] $body:block) => {
        $crate::store_test!(@module $(#[$meta])* $name (mut $store: $kind) $body);
    };
    (@module $(#[$meta:meta])* $name:ident ($($store:tt)+) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a short behaviour may need nothing from around it")]
            use super::*;

            async fn behaviour($($store)+) $body

            #[tokio::test]
            async fn sqlite() {
                Box::pin(behaviour($crate::TestStore::sqlite().await)).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(store) = $crate::TestStore::postgres().await {
                    Box::pin(behaviour(store)).await;
                }
            }
        }
    };
}
