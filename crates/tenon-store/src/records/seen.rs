//! Which records a run touched.

use bytes::Bytes;
use tenon_core::{Timestamp, names::RunPk};
use uuid::Uuid;

use super::rows::ModelKey;
use crate::{Queries, StoreError, Tx, params, statements};

statements! {
    SEEN_ADD = "
        INSERT INTO record_seen (connection_pk, model, generation, batch_us, ids) VALUES ($1, $2, $3, $4, $5)";
    SEEN_SINCE = "
        SELECT batch_us, ids FROM record_seen
        WHERE connection_pk = $1 AND model = $2 AND generation >= $3 AND batch_us > $4";
    SEEN_FORGET = "
        DELETE FROM record_seen
        WHERE connection_pk = $1 AND model = $2 AND generation BETWEEN $3 AND $4";
    SEEN_PURGE = "
        DELETE FROM record_seen WHERE (connection_pk, model, generation, batch_us) IN (
            SELECT s.connection_pk, s.model, s.generation, s.batch_us FROM record_seen s
            WHERE s.batch_us < $1 AND NOT EXISTS (
                SELECT 1 FROM checkpoint c
                WHERE c.connection_pk = s.connection_pk AND c.value IS NOT NULL AND c.key LIKE '%:trackDeletes:%')
            ORDER BY s.batch_us LIMIT $2)";
}

impl Tx {
    /// Notes which records a batch touched, unchanged ones too. `at` is the instant of the batch.
    pub async fn note_seen(
        &self,
        key: &ModelKey,
        generation: RunPk,
        at: Timestamp,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<(), StoreError> {
        let ids: Vec<u8> = ids.flat_map(Uuid::into_bytes).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let values = params![key.connection, &key.model, generation, at, ids];
        self.execute(&SEEN_ADD, values).await.map(drop)
    }

    /// Forgets what runs `from` to `to` have seen.
    pub async fn forget_seen(
        &self,
        key: &ModelKey,
        from: RunPk,
        to: RunPk,
    ) -> Result<(), StoreError> {
        let values = params![key.connection, &key.model, from, to];
        self.execute(&SEEN_FORGET, values).await.map(drop)
    }

    /// Forgets what was seen before `before`, a few batches at a time. Connections that track deletions over several
    /// runs are left alone, however long it takes them: a record that was seen must not count as gone.
    pub async fn purge_seen(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(&SEEN_PURGE, params![before, limit]).await
    }
}

/// Ids that runs from `generation` on have seen in batches after `after`; and the instant of the last batch.
pub async fn seen_since<Q: Queries>(
    source: &Q,
    key: &ModelKey,
    generation: RunPk,
    after: Timestamp,
) -> Result<(Vec<Uuid>, Timestamp), StoreError> {
    let values = params![key.connection, &key.model, generation, after];
    let mut seen = Vec::new();
    let mut last = after;
    for row in source.query(&SEEN_SINCE, values).await? {
        last = last.max(row.get(0)?);
        let ids: Bytes = row.get(1)?;
        seen.extend(
            ids.chunks_exact(16)
                .filter_map(|id| Uuid::from_slice(id).ok()),
        );
    }
    Ok((seen, last))
}
