//! What belongs to a model as a whole: its head, its totals, pruning and removal.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    function::RecordCounts,
    names::{ConnectionPk, EnvironmentPk, SyncPk},
};
use uuid::Uuid;

use super::dialect;
use crate::{Reader, StoreError, Tx, params, statements};

statements! {
    HEAD_TAKE = "
        INSERT INTO model_head (connection_pk, model, environment_pk, last_us, batches, records, size_bytes, sync_pk,
            pruned_us, check_us, doomed)
        VALUES ($1, $2, $3, $4, 1, 0, 0, $5, 0, $4, FALSE)
        ON CONFLICT (connection_pk, model) DO UPDATE
            SET batches = model_head.batches + 1, sync_pk = $5,
                last_us = CASE WHEN model_head.last_us < $4 THEN $4 ELSE model_head.last_us + 1 END
        RETURNING last_us";
    HEAD_ADD = "
        UPDATE model_head SET records = records + $3, size_bytes = size_bytes + $4
        WHERE connection_pk = $1 AND model = $2";
    HEAD_LOCK = "UPDATE model_head SET last_us = last_us WHERE connection_pk = $1 AND model = $2";
    HEAD_EMPTIED = "UPDATE model_head SET records = 0, size_bytes = 0 WHERE connection_pk = $1 AND model = $2";
    HEADS_OF_CONNECTION = "
        SELECT model, records, size_bytes, last_us FROM model_head WHERE connection_pk = $1 ORDER BY model";
    UNANNOUNCED_ADD = "
        INSERT INTO unannounced (sync_pk, model, added, updated, deleted, since_us) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (sync_pk, model) DO UPDATE
            SET added = unannounced.added + $3, updated = unannounced.updated + $4,
                deleted = unannounced.deleted + $5";
    UNANNOUNCED_TAKE = "
        DELETE FROM unannounced WHERE sync_pk = $1 AND model = $2 RETURNING added, updated, deleted, since_us";
    PRUNE = "
        UPDATE record SET payload = NULL, pruned_at_us = $3
        WHERE connection_pk = $1 AND model = $2 AND external_id IN (
            SELECT external_id FROM record
            WHERE connection_pk = $1 AND model = $2 AND pruned_at_us IS NULL AND updated_at_us >= 0
                AND (updated_at_us, id) <= ($4, $5)
            ORDER BY updated_at_us, id LIMIT $6)
        RETURNING updated_at_us, id";
    REMOVE_SLICE = "
        DELETE FROM record
        WHERE connection_pk = $1 AND model = $2 AND external_id IN (
            SELECT external_id FROM record WHERE connection_pk = $1 AND model = $2 ORDER BY external_id LIMIT $3)";
}

/// Records belong to a connection and a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelKey {
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    /// Full name: `Model`, or `Model::variant`.
    pub model: String,
}

/// The right to change a model, until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Strictly above every instant handed out for this model before.
    pub at: Timestamp,
}

/// What a model holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSummary {
    /// Full name.
    pub model: String,
    pub records: i64,
    pub size_bytes: i64,
    pub updated_at: Timestamp,
}

/// What was saved and not announced yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unannounced {
    pub counts: RecordCounts,
    /// The first change among them.
    pub since: Timestamp,
}

/// What a pruning did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub count: u64,
    /// The last record that lost its payload.
    pub last: Option<(Timestamp, Uuid)>,
}

impl Tx {
    /// Locks a model for this transaction and takes the instant of its changes. Two writers of one model therefore
    /// commit in the order of their instants: a reader that saw a cursor never misses a later commit.
    pub async fn take_head(
        &self,
        key: &ModelKey,
        sync: SyncPk,
        now: Timestamp,
    ) -> Result<Head, StoreError> {
        // Instants are never negative, whatever the clock says: an index relies on it.
        let now = now.max(Timestamp::from_micros(0));
        let values = params![key.connection, &key.model, key.environment, now, sync];
        let row = self.get(&HEAD_TAKE, values).await?;
        Ok(Head { at: row.get(0)? })
    }

    /// Locks a model for this transaction, if it was ever written.
    pub async fn lock_model(&self, key: &ModelKey) -> Result<(), StoreError> {
        let values = params![key.connection, &key.model];
        self.execute(&HEAD_LOCK, values).await.map(drop)
    }

    /// Adds to the number of live records and their bytes.
    pub async fn add_to_model(
        &self,
        key: &ModelKey,
        records: i64,
        size_bytes: i64,
    ) -> Result<(), StoreError> {
        if records == 0 && size_bytes == 0 {
            return Ok(());
        }
        let values = params![key.connection, &key.model, records, size_bytes];
        self.execute(&HEAD_ADD, values).await.map(drop)
    }

    /// Adds to what the next success webhook of a sync will announce. `model` is the name without variant.
    pub async fn add_unannounced(
        &self,
        sync: SyncPk,
        model: &str,
        counts: RecordCounts,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let [added, updated, deleted] = [counts.added, counts.updated, counts.deleted]
            .map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        if added == 0 && updated == 0 && deleted == 0 {
            return Ok(());
        }
        let values = params![sync, model, added, updated, deleted, at];
        self.execute(&UNANNOUNCED_ADD, values).await.map(drop)
    }

    /// Takes what the delivery of this transaction announces.
    pub async fn take_unannounced(
        &self,
        sync: SyncPk,
        model: &str,
    ) -> Result<Option<Unannounced>, StoreError> {
        let Some(row) = self.find(&UNANNOUNCED_TAKE, params![sync, model]).await? else {
            return Ok(None);
        };
        let count = |column| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or(0))
        };
        Ok(Some(Unannounced {
            counts: RecordCounts {
                added: count(0)?,
                updated: count(1)?,
                deleted: count(2)?,
            },
            since: row.get(3)?,
        }))
    }

    /// Drops payloads of records up to a place in the stream. Rows, hashes and cursors stay.
    pub async fn prune_records(
        &self,
        key: &ModelKey,
        until: (Timestamp, Uuid),
        limit: i64,
        now: Timestamp,
    ) -> Result<Pruned, StoreError> {
        let last_id = Bytes::copy_from_slice(until.1.as_bytes());
        let values = params![key.connection, &key.model, now, until.0, last_id, limit];
        let rows = self.query(&PRUNE, values).await?;
        let mut last = None;
        for row in &rows {
            last = last.max(Some((row.get(0)?, super::read::uuid(row, 1)?)));
        }
        Ok(Pruned {
            count: rows.len() as u64,
            last,
        })
    }

    /// Marks live records as deleted; their payloads stay. The ids of those that were live, and the bytes they held.
    pub async fn delete_records(
        &self,
        key: &ModelKey,
        ids: &[String],
        at: Timestamp,
    ) -> Result<(Vec<String>, i64), StoreError> {
        let ids = super::read::json_list(ids);
        let values = params![key.connection, &key.model, at, ids];
        let rows = self.query(&dialect::DELETE_IDS, values).await?;
        let mut deleted = Vec::with_capacity(rows.len());
        let mut size_bytes = 0;
        for row in &rows {
            deleted.push(row.get(0)?);
            size_bytes += row.get::<i64>(1)?;
        }
        Ok((deleted, size_bytes))
    }

    /// Removes up to `limit` records for good; how many there were.
    pub async fn remove_records(
        &self,
        connection: ConnectionPk,
        model: &str,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let removed = self
            .execute(&REMOVE_SLICE, params![connection, model, limit])
            .await?;
        if removed < limit.unsigned_abs() {
            self.execute(&HEAD_EMPTIED, params![connection, model])
                .await?;
        }
        Ok(removed)
    }
}

impl Reader {
    /// The models of a connection, by name.
    pub async fn models_of_connection(
        &self,
        connection: ConnectionPk,
    ) -> Result<Vec<ModelSummary>, StoreError> {
        let rows = self
            .query(&HEADS_OF_CONNECTION, params![connection])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ModelSummary {
                    model: row.get(0)?,
                    records: row.get(1)?,
                    size_bytes: row.get(2)?,
                    updated_at: row.get(3)?,
                })
            })
            .collect()
    }
}
