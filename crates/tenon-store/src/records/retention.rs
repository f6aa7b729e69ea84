//! What a sweep needs: models that are due, payloads that are old, models that nobody writes any more.

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, SyncPk},
};

use super::rows::ModelKey;
use crate::{Reader, StoreError, Tx, params, statements};

statements! {
    DUE = "
        SELECT environment_pk, connection_pk, model, sync_pk, last_us, pruned_us, doomed FROM model_head
        WHERE check_us <= $1 ORDER BY check_us LIMIT $2";
    DOOM = "UPDATE model_head SET doomed = TRUE, check_us = 0 WHERE connection_pk = $1";
    PRUNE_OLD = "
        UPDATE record SET payload = NULL, pruned_at_us = $3
        WHERE connection_pk = $1 AND model = $2 AND external_id IN (
            SELECT external_id FROM record
            WHERE connection_pk = $1 AND model = $2 AND pruned_at_us IS NULL AND updated_at_us >= 0
                AND updated_at_us > $4 AND updated_at_us <= $5
            ORDER BY updated_at_us, id LIMIT $6)
        RETURNING updated_at_us";
    OLDEST_AFTER = "
        SELECT updated_at_us FROM record
        WHERE connection_pk = $1 AND model = $2 AND pruned_at_us IS NULL AND updated_at_us >= 0
            AND updated_at_us > $3
        ORDER BY updated_at_us LIMIT 1";
    CHECKED = "
        UPDATE model_head SET pruned_us = $3, check_us = $4
        WHERE connection_pk = $1 AND model = $2 AND NOT doomed";
    IN_USE = "
        SELECT pk FROM sync s
        WHERE s.pk = $1 AND s.deleted_at_us IS NULL AND (
            s.created_at_us >= $2 OR s.last_sync_at_us >= $2
            OR EXISTS (SELECT 1 FROM run r WHERE r.sync_pk = s.pk AND r.started_at_us >= $2))";
    REMOVE_HEAD = "DELETE FROM model_head WHERE connection_pk = $1 AND model = $2";
    REMOVE_SEEN = "DELETE FROM record_seen WHERE connection_pk = $1 AND model = $2";
}

/// A model that a sweep has to look at.
#[derive(Clone, Debug)]
pub struct DueModel {
    pub key: ModelKey,
    /// Its last writer.
    pub sync: SyncPk,
    pub last_change: Timestamp,
    /// Payloads of changes up to there have been dropped.
    pub pruned_until: Timestamp,
    /// Its connection has gone.
    pub is_doomed: bool,
}

impl Reader {
    /// Models to look at, the longest due first.
    pub async fn due_models(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<DueModel>, StoreError> {
        let rows = self.query(&DUE, params![now, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(DueModel {
                    key: ModelKey {
                        environment: row.get(0)?,
                        connection: row.get(1)?,
                        model: row.get(2)?,
                    },
                    sync: row.get(3)?,
                    last_change: row.get(4)?,
                    pruned_until: row.get(5)?,
                    is_doomed: row.get(6)?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// The records of a connection are to go.
    pub async fn doom_models(&self, connection: ConnectionPk) -> Result<(), StoreError> {
        self.execute(&DOOM, params![connection]).await.map(drop)
    }

    /// Drops payloads of changes after `from` up to `until`, the oldest first; instants of those dropped.
    pub async fn prune_old_records(
        &self,
        key: &ModelKey,
        from: Timestamp,
        until: Timestamp,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let values = params![key.connection, &key.model, now, from, until, limit];
        let rows = self.query(&PRUNE_OLD, values).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The first change after `from` whose record still has its payload.
    pub async fn oldest_payload(
        &self,
        key: &ModelKey,
        from: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let values = params![key.connection, &key.model, from];
        let row = self.find(&OLDEST_AFTER, values).await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Notes what a sweep has done and when the next one has to look.
    pub async fn model_checked(
        &self,
        key: &ModelKey,
        pruned_until: Timestamp,
        next_check: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![key.connection, &key.model, pruned_until, next_check];
        self.execute(&CHECKED, values).await.map(drop)
    }

    /// Whether a sync exists that was made or has run since `since`.
    pub async fn is_sync_in_use(&self, sync: SyncPk, since: Timestamp) -> Result<bool, StoreError> {
        let row = self.find(&IN_USE, params![sync, since]).await?;
        Ok(row.is_some())
    }

    /// Forgets a model whose records have been removed.
    pub async fn remove_model(
        &self,
        connection: ConnectionPk,
        model: &str,
    ) -> Result<(), StoreError> {
        let values = params![connection, model];
        self.execute(&REMOVE_SEEN, values).await?;
        self.execute(&REMOVE_HEAD, values).await.map(drop)
    }
}
