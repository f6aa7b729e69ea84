//! Postgres databases for a measurement: on a server that was named, or on one of our own, durable like any other.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use tenon_testkit::PostgresCluster;

use crate::cases::Settings;

/// A server with databases of ours.
pub(crate) struct Databases {
    /// Up to the name of the database.
    server: String,
    /// Where databases are made from.
    admin: String,
    _own: Option<PostgresCluster>,
}

impl Databases {
    /// `None`, said aloud, where no Postgres is installed and none was named, or none is wanted.
    pub(crate) async fn open(settings: &Settings) -> Result<Option<Self>> {
        let found = Self::find(settings).await?;
        if found.is_none() {
            println!(
                "  Postgres: there is none here and no --database-url was given, or --sqlite was"
            );
        }
        Ok(found)
    }

    async fn find(settings: &Settings) -> Result<Option<Self>> {
        let (admin, own) = match settings.database_url.as_deref() {
            Some(url) => (url.to_owned(), None),
            None if !settings.with_postgres => return Ok(None),
            None if !PostgresCluster::is_installed() => return Ok(None),
            None => {
                let cluster = tokio::task::spawn_blocking(PostgresCluster::durable).await??;
                (cluster.url(), Some(cluster))
            }
        };
        let (server, _) = admin
            .rsplit_once('/')
            .context("the URL of a server names a database")?;
        Ok(Some(Self {
            server: server.to_owned(),
            admin,
            _own: own,
        }))
    }

    /// URL of a new, empty database.
    pub(crate) async fn make(&self) -> Result<String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenon_bench_{}_{number}", std::process::id());
        self.run(&format!("CREATE DATABASE {name}")).await?;
        Ok(format!("{}/{name}", self.server))
    }

    /// Removes a database, whoever is still connected.
    pub(crate) async fn drop(&self, url: &str) -> Result<()> {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.run(&format!("DROP DATABASE {name} WITH (FORCE)"))
            .await?;
        // What the last measurement left unwritten would slow the next one down.
        self.run("CHECKPOINT").await
    }

    async fn run(&self, text: &str) -> Result<()> {
        let (client, connection) =
            tokio_postgres::connect(&self.admin, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(text).await?;
        drop(client);
        let _ = connection.await;
        Ok(())
    }
}
