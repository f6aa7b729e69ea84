//! Records kept aside because they do not fit their schema.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, SyncPk},
};

use super::rows::ModelKey;
use crate::{Reader, Row, SealContext, StoreError, Tx, params, statements};

macro_rules! of_filter {
    () => {
        "q.environment_pk = $1 AND (CAST($2 AS BIGINT) IS NULL OR q.pk = $2)
            AND (CAST($3 AS TEXT) IS NULL OR c.connection_id = $3)
            AND (CAST($4 AS TEXT) IS NULL OR i.unique_key = $4) AND (CAST($5 AS TEXT) IS NULL OR q.model = $5)"
    };
}

macro_rules! joined {
    () => {
        "quarantine q JOIN connection c ON c.pk = q.connection_pk JOIN integration i ON i.pk = c.integration_pk"
    };
}

statements! {
    PUT = "
        INSERT INTO quarantine (pk, environment_pk, connection_pk, sync_pk, model, external_id, reasons, payload,
            size_bytes, operation_id, retry, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE, $11)
        ON CONFLICT (connection_pk, model, external_id) DO UPDATE
            SET pk = $1, sync_pk = $4, reasons = $7, payload = $8, size_bytes = $9, operation_id = $10, retry = FALSE,
                created_at_us = $11";
    SIZE = "
        SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM quarantine
        WHERE connection_pk = $1 AND model = $2";
    RELEASE = "DELETE FROM quarantine WHERE connection_pk = $1 AND model = $2 AND external_id = $3";
    LIST = concat!("
        SELECT q.pk, q.connection_pk, c.connection_id, i.unique_key, q.model, q.external_id, q.reasons, q.payload,
            q.size_bytes, q.operation_id, q.retry, q.created_at_us
        FROM ", joined!(), " WHERE ", of_filter!(), " AND q.pk < $6 ORDER BY q.pk DESC LIMIT $7");
    MARK = concat!("
        UPDATE quarantine SET retry = TRUE WHERE payload IS NOT NULL AND pk IN (
            SELECT q.pk FROM ", joined!(), " WHERE ", of_filter!(), ")
        RETURNING sync_pk");
    DISCARD = concat!("
        DELETE FROM quarantine WHERE pk IN (SELECT q.pk FROM ", joined!(), " WHERE ", of_filter!(), ")");
    TO_RETRY = "
        SELECT pk, model, external_id, payload FROM quarantine
        WHERE sync_pk = $1 AND retry AND pk > $2 ORDER BY pk LIMIT $3";
    STAYS = "UPDATE quarantine SET retry = FALSE, reasons = $2 WHERE pk = $1";
    FORGET_CONNECTION = "DELETE FROM quarantine WHERE connection_pk = $1";
    SWEEP = "
        DELETE FROM quarantine WHERE pk IN (
            SELECT pk FROM quarantine WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)";
    SYNC_NAMES = "
        SELECT s.name, s.variant, c.connection_id, i.unique_key
        FROM sync s JOIN connection c ON c.pk = s.connection_pk JOIN integration i ON i.pk = c.integration_pk
        WHERE s.pk = $1 AND s.deleted_at_us IS NULL AND c.deleted_at_us IS NULL";
}

/// A record to keep aside.
#[derive(Clone, Debug)]
pub struct NewQuarantined {
    pub pk: i64,
    pub external_id: String,
    /// JSON list.
    pub reasons: String,
    pub payload: Option<Bytes>,
}

/// Which records are meant; what is `None` does not matter.
#[derive(Clone, Debug)]
pub struct QuarantineFilter {
    pub environment: EnvironmentPk,
    pub pk: Option<i64>,
    pub connection_id: Option<String>,
    pub integration: Option<String>,
    /// Full name.
    pub model: Option<String>,
}

/// A record that is kept aside, for people.
#[derive(Clone, Debug)]
pub struct QuarantinedRow {
    pub pk: i64,
    pub connection_id: String,
    pub integration: String,
    pub model: String,
    pub external_id: String,
    pub reasons: String,
    pub payload: Option<Bytes>,
    pub size_bytes: i64,
    pub operation: String,
    pub retry: bool,
    pub created_at: Timestamp,
}

/// A record that is to be tried again.
#[derive(Clone, Debug)]
pub struct DueQuarantined {
    pub pk: i64,
    pub model: String,
    pub external_id: String,
    pub payload: Bytes,
}

/// A sync by the names that commands use.
#[derive(Clone, Debug)]
pub struct SyncNames {
    pub name: String,
    pub variant: String,
    pub connection_id: String,
    pub integration: String,
}

fn place<'a>(
    environment: EnvironmentPk,
    connection: ConnectionPk,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection: Some(connection),
        table: "quarantine",
        column: "payload",
        row,
    }
}

impl Tx {
    /// Keeps records aside; how many of the model there are then, and their bytes.
    pub async fn put_quarantined(
        &self,
        key: &ModelKey,
        sync: SyncPk,
        operation: &str,
        records: &[NewQuarantined],
        now: Timestamp,
    ) -> Result<(i64, i64), StoreError> {
        let mut sealer = self.sealer(key.environment, Some(key.connection)).await?;
        for record in records {
            let row = record.pk.to_string();
            let size = record.payload.as_ref().map_or(0, Bytes::len);
            let payload = match &record.payload {
                Some(plain) => Some(sealer.seal("quarantine", "payload", &row, plain)?),
                None => None,
            };
            let values = params![
                record.pk,
                key.environment,
                key.connection,
                sync,
                &key.model,
                &record.external_id,
                &record.reasons,
                payload,
                i64::try_from(size).unwrap_or(i64::MAX),
                operation,
                now,
            ];
            self.execute(&PUT, values).await?;
        }
        let row = self.get(&SIZE, params![key.connection, &key.model]).await?;
        Ok((row.get(0)?, row.get(1)?))
    }

    /// Forgets those that have been saved after all.
    pub async fn release_quarantined(
        &self,
        key: &ModelKey,
        external_ids: &[String],
    ) -> Result<(), StoreError> {
        for id in external_ids {
            self.execute(&RELEASE, params![key.connection, &key.model, id])
                .await?;
        }
        Ok(())
    }

    /// Has records tried again by the next runs of their syncs, which are named.
    pub async fn mark_quarantined(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<SyncPk>, StoreError> {
        let rows = self.query(&MARK, &filtered(filter)).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Throws records away; how many.
    pub async fn discard_quarantined(&self, filter: &QuarantineFilter) -> Result<u64, StoreError> {
        self.execute(&DISCARD, &filtered(filter)).await
    }

    /// Notes that a record still does not fit.
    pub async fn keep_quarantined(&self, pk: i64, reasons: &str) -> Result<(), StoreError> {
        self.execute(&STAYS, params![pk, reasons]).await.map(drop)
    }

    /// Forgets what is kept aside of a connection.
    pub async fn forget_quarantine(&self, connection: ConnectionPk) -> Result<(), StoreError> {
        self.execute(&FORGET_CONNECTION, params![connection])
            .await
            .map(drop)
    }

    /// Forgets what nobody came for, a few at a time.
    pub async fn sweep_quarantine(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(&SWEEP, params![before, limit]).await
    }
}

fn filtered(filter: &QuarantineFilter) -> Vec<crate::Param> {
    params![
        filter.environment,
        filter.pk,
        filter.connection_id.clone(),
        filter.integration.clone(),
        filter.model.clone(),
    ]
    .to_vec()
}

impl Reader {
    /// Records that are kept aside, the newest first.
    pub async fn list_quarantined(
        &self,
        filter: &QuarantineFilter,
        before: i64,
        limit: i64,
    ) -> Result<Vec<QuarantinedRow>, StoreError> {
        let mut values = filtered(filter);
        values.extend(params![before, limit].to_vec());
        let mut list = Vec::new();
        for row in self.query(&LIST, &values).await? {
            list.push(self.quarantined(filter.environment, &row).await?);
        }
        Ok(list)
    }

    async fn quarantined(
        &self,
        environment: EnvironmentPk,
        row: &Row,
    ) -> Result<QuarantinedRow, StoreError> {
        let pk: i64 = row.get(0)?;
        let connection: ConnectionPk = row.get(1)?;
        let id = pk.to_string();
        let payload = match row.get::<Option<Bytes>>(7)? {
            Some(sealed) => Some(
                self.open(place(environment, connection, &id), &sealed)
                    .await?,
            ),
            None => None,
        };
        Ok(QuarantinedRow {
            pk,
            connection_id: row.get(2)?,
            integration: row.get(3)?,
            model: row.get(4)?,
            external_id: row.get(5)?,
            reasons: row.get(6)?,
            payload,
            size_bytes: row.get(8)?,
            operation: row.get(9)?,
            retry: row.get(10)?,
            created_at: row.get(11)?,
        })
    }

    /// How many records of a model are kept aside.
    pub async fn count_quarantined(&self, key: &ModelKey) -> Result<i64, StoreError> {
        self.get(&SIZE, params![key.connection, &key.model])
            .await?
            .get(0)
    }

    /// Records of a sync that are to be tried again, behind `after`.
    pub async fn due_quarantined(
        &self,
        environment: EnvironmentPk,
        connection: ConnectionPk,
        sync: SyncPk,
        after: i64,
        limit: i64,
    ) -> Result<Vec<DueQuarantined>, StoreError> {
        let mut due = Vec::new();
        for row in self.query(&TO_RETRY, params![sync, after, limit]).await? {
            let pk: i64 = row.get(0)?;
            let id = pk.to_string();
            let sealed: Bytes = row.get(3)?;
            due.push(DueQuarantined {
                pk,
                model: row.get(1)?,
                external_id: row.get(2)?,
                payload: self
                    .open(place(environment, connection, &id), &sealed)
                    .await?,
            });
        }
        Ok(due)
    }

    /// A sync by its names; nothing if it is gone.
    pub async fn sync_names(&self, sync: SyncPk) -> Result<Option<SyncNames>, StoreError> {
        let found = self.find(&SYNC_NAMES, params![sync]).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(SyncNames {
            name: row.get(0)?,
            variant: row.get(1)?,
            connection_id: row.get(2)?,
            integration: row.get(3)?,
        }))
    }
}
