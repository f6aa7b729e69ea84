//! Reading records: pages of the stream of changes, and records by id.

use bytes::Bytes;
use tenon_core::{Timestamp, names::ConnectionPk};
use uuid::Uuid;

use super::{
    batch::RecordHash,
    dialect::{BY_IDS, PAGE, PAGE_OF_IDS},
    rows::ModelKey,
};
use crate::{Opener, Queries, Reader, Row, Sealed, StoreError, Tx, params, statements};

statements! {
    LAST = "
        SELECT updated_at_us, id FROM record WHERE connection_pk = $1 AND model = $2 AND updated_at_us >= 0
        ORDER BY updated_at_us DESC, id DESC LIMIT 1";
    LIVE_IDS = "
        SELECT external_id, id FROM record
        WHERE connection_pk = $1 AND model = $2 AND deleted_at_us IS NULL AND external_id > $3
        ORDER BY external_id LIMIT $4";
}

/// A record as it is stored. Its payload is sealed; nothing when pruned.
#[derive(Clone, Debug)]
pub struct RecordRow {
    pub external_id: String,
    pub id: Uuid,
    pub payload: Option<Sealed>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub pruned_at: Option<Timestamp>,
}

impl RecordRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            external_id: row.get(0)?,
            id: uuid(row, 1)?,
            payload: row.get(2)?,
            created_at: row.get(3)?,
            updated_at: row.get(4)?,
            deleted_at: row.get(5)?,
            pruned_at: row.get(6)?,
        })
    }

    /// The payload in clear.
    pub async fn open<Q: Queries>(
        &self,
        opener: &mut Opener<Q>,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(payload) = &self.payload else {
            return Ok(None);
        };
        let mut row = Uuid::encode_buffer();
        let row = self.id.hyphenated().encode_lower(&mut row);
        opener
            .open("record", "payload", row, payload)
            .await
            .map(Some)
    }
}

/// Which part of the stream of changes to read.
#[derive(Clone, Debug)]
pub struct PageQuery<'a> {
    pub connection: ConnectionPk,
    /// Full model name.
    pub model: &'a str,
    /// Strictly after this place; `None` for the id means any record of that instant.
    pub after: (Timestamp, Option<Uuid>),
    pub added: bool,
    pub updated: bool,
    pub deleted: bool,
    /// Only these; nothing means all.
    pub external_ids: &'a [String],
    pub limit: i64,
}

impl Reader {
    /// A part of the stream of changes, in its order.
    pub async fn record_page(&self, query: &PageQuery<'_>) -> Result<Vec<RecordRow>, StoreError> {
        let (instant, id) = query.after;
        // An empty text comes before every id.
        let id = id.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(id.as_bytes()));
        let mut values = params![
            query.connection,
            query.model,
            instant,
            id,
            query.deleted,
            query.added,
            query.updated,
            query.limit,
        ]
        .to_vec();
        let rows = if query.external_ids.is_empty() {
            self.query(&PAGE, &values).await?
        } else {
            values.push(json_list(query.external_ids).into());
            self.query(&PAGE_OF_IDS, &values).await?
        };
        rows.iter().map(RecordRow::from_row).collect()
    }

    /// The place of the last change of a model.
    pub async fn last_change(
        &self,
        connection: ConnectionPk,
        model: &str,
    ) -> Result<Option<(Timestamp, Uuid)>, StoreError> {
        let row = self.find(&LAST, params![connection, model]).await?;
        row.map(|row| Ok((row.get(0)?, uuid(&row, 1)?))).transpose()
    }

    /// Ids of live records in the order of their external ids, after `after`.
    pub async fn live_ids(
        &self,
        connection: ConnectionPk,
        model: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, Uuid)>, StoreError> {
        let values = params![connection, model, after, limit];
        let rows = self.query(&LIVE_IDS, values).await?;
        rows.iter()
            .map(|row| Ok((row.get(0)?, uuid(row, 1)?)))
            .collect()
    }

    /// Records by external id, in no particular order.
    pub async fn records_by_ids(
        &self,
        connection: ConnectionPk,
        model: &str,
        external_ids: &[String],
    ) -> Result<Vec<RecordRow>, StoreError> {
        let ids = json_list(external_ids);
        let rows = self.query(&BY_IDS, params![connection, model, ids]).await?;
        rows.iter().map(RecordRow::from_row).collect()
    }
}

impl Tx {
    /// Records by external id with their hashes and sizes, in no particular order.
    pub async fn records_to_merge(
        &self,
        key: &ModelKey,
        external_ids: &[String],
    ) -> Result<Vec<(RecordRow, RecordHash, i64)>, StoreError> {
        let values = params![key.connection, &key.model, json_list(external_ids)];
        let rows = self.query(&BY_IDS, values).await?;
        rows.iter()
            .map(|row| {
                let record = RecordRow::from_row(row)?;
                let hash: Bytes = row.get(7)?;
                let hash = RecordHash::try_from(hash.as_ref())
                    .map_err(|_| super::batch::corrupt(key, &record.external_id))?;
                Ok((record, hash, row.get(8)?))
            })
            .collect()
    }
}

pub(super) fn json_list(texts: &[String]) -> String {
    serde_json::to_string(texts).expect("a list of texts is JSON")
}

pub(super) fn uuid(row: &Row, column: usize) -> Result<Uuid, StoreError> {
    let bytes: Bytes = row.get(column)?;
    Uuid::from_slice(&bytes).map_err(|_| StoreError::Corrupt {
        table: "record",
        column: "id",
        row: hex::encode(&bytes),
    })
}
