//! Opening a Postgres database: key and schema, in one transaction under a lock of its own.

use deadpool_postgres::Object;

use super::{Postgres, error_of, values};
use crate::{
    Param, Row, Statement, StoreError,
    instance_key::{ALL_VALUES, INSERT_VALUE, InstanceKeys, InstanceRows, KeySource},
    migrations::{self, Migration, VERSION_TABLE},
    params,
};

/// One node at a time prepares the schema. Scoped to the transaction, as a pooler demands.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7289417710254)";

const HAS_CONTENT: &str = "
    SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'instance')";

/// Checks the key and brings the schema up to date. With a wrong or missing key nothing is changed.
pub(super) async fn prepare(
    postgres: &Postgres,
    source: &KeySource,
) -> Result<InstanceKeys, StoreError> {
    let connection = postgres.connection().await?;
    let opening = Opening {
        connection: &connection,
        source,
    };
    match opening.run().await {
        Ok(keys) => Ok(keys),
        Err(error) => {
            // The transaction goes with its connection.
            drop(Object::take(connection));
            Err(error)
        }
    }
}

struct Opening<'a> {
    connection: &'a Object,
    source: &'a KeySource,
}

impl Opening<'_> {
    async fn run(&self) -> Result<InstanceKeys, StoreError> {
        self.batch("BEGIN").await?;
        self.batch(LOCK).await?;
        let keys = if self.has_content().await? {
            self.unlock().await?
        } else {
            self.initialise().await?
        };
        self.migrate().await?;
        self.batch("COMMIT").await?;
        Ok(keys)
    }

    async fn has_content(&self) -> Result<bool, StoreError> {
        let rows = self.connection.query_typed(HAS_CONTENT, &[]).await;
        let rows = rows.map_err(|error| error_of("schema", &error))?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    async fn unlock(&self) -> Result<InstanceKeys, StoreError> {
        let rows = self.query(&ALL_VALUES, &[]).await?;
        let rows: Result<InstanceRows, StoreError> = rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect();
        self.source.unlock(&rows?).await
    }

    async fn initialise(&self) -> Result<InstanceKeys, StoreError> {
        self.batch(VERSION_TABLE).await?;
        let Some(first) = migrations::pending(&[]).next() else {
            return Err(StoreError::refused("schema", "there is no schema"));
        };
        self.apply(first).await?;
        let instance = self.source.create().await?;
        for (name, value) in instance.rows {
            self.query(&INSERT_VALUE, params![name, value]).await?;
        }
        Ok(instance.keys)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let rows = self.query(&migrations::APPLIED, &[]).await?;
        let applied: Result<Vec<String>, StoreError> = rows.iter().map(|row| row.get(0)).collect();
        for migration in migrations::pending(&applied?) {
            self.apply(migration).await?;
        }
        Ok(())
    }

    async fn apply(&self, migration: &Migration) -> Result<(), StoreError> {
        let applied = self.connection.batch_execute(migration.postgres).await;
        applied.map_err(|error| StoreError::Migration {
            name: migration.name.to_owned(),
            detail: super::chain(&error),
        })?;
        let params = [Param::from(migration.name), Param::from(self.source.now)];
        self.query(&migrations::INSERT_APPLIED, &params).await?;
        Ok(())
    }

    async fn batch(&self, text: &'static str) -> Result<(), StoreError> {
        let done = self.connection.batch_execute(text).await;
        done.map_err(|error| error_of(text, &error))
    }

    async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param],
    ) -> Result<Vec<Row>, StoreError> {
        let typed = values::typed(params);
        let rows = self.connection.query_typed(statement.text, &typed).await;
        values::rows(statement, rows)
    }
}
