//! A batch of records: what is stored of it, and writing what changed.

use bytes::Bytes;
use rusqlite::types::ValueRef;
use tenon_core::{Timestamp, names::SyncPk};
use uuid::Uuid;

use super::{
    dialect::{PROBE, PUT},
    rows::ModelKey,
};
use crate::{Param, Sealed, StoreError, Tx, params};

/// First bytes of the keyed hash of a record's JSON text.
pub type RecordHash = [u8; 16];

/// What is stored of a record, its payload aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub hash: RecordHash,
    pub size_bytes: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub is_pruned: bool,
}

/// A row to write over whatever is there.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    pub external_id: &'a str,
    pub id: Uuid,
    pub hash: RecordHash,
    pub payload: Sealed,
    pub size_bytes: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

impl Tx {
    /// What is stored of a batch, in its order.
    pub async fn stored_records(
        &self,
        key: &ModelKey,
        external_ids: &[&str],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        if let Some(sqlite) = self.sqlite() {
            return self.noted(sqlite.with_prepared(&PROBE, |prepared| {
                let mut found = Vec::with_capacity(external_ids.len());
                prepared.raw_bind_parameter(1, key.connection.0)?;
                prepared.raw_bind_parameter(2, &key.model)?;
                for external_id in external_ids {
                    prepared.raw_bind_parameter(3, external_id)?;
                    let mut rows = prepared.raw_query();
                    found.push(match rows.next()? {
                        Some(row) => Some(stored(row)?),
                        None => None,
                    });
                }
                Ok(found)
            }));
        }
        let ids = external_ids.iter().map(|id| Some((*id).to_owned()));
        let values = [
            Param::from(key.connection),
            Param::from(&key.model),
            Param::TextArray(ids.collect()),
        ];
        let mut found = vec![None; external_ids.len()];
        for row in self.query(&PROBE, &values).await? {
            let corrupt = || corrupt(key, "");
            let place = usize::try_from(row.get::<i64>(0)?).unwrap_or(0);
            let hash: Bytes = row.get(1)?;
            let slot = place.checked_sub(1).and_then(|place| found.get_mut(place));
            *slot.ok_or_else(corrupt)? = Some(Stored {
                hash: RecordHash::try_from(hash.as_ref()).map_err(|_| corrupt())?,
                size_bytes: row.get(2)?,
                created_at: row.get(3)?,
                updated_at: row.get(4)?,
                deleted_at: row.get(5)?,
                is_pruned: row.get::<Option<i64>>(6)?.is_some(),
            });
        }
        Ok(found)
    }

    /// Writes whole rows over whatever is there.
    pub async fn put_records(
        &self,
        key: &ModelKey,
        sync: SyncPk,
        rows: &[NewRow<'_>],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        if let Some(sqlite) = self.sqlite() {
            return self.noted(sqlite.with_prepared(&PUT, |prepared| {
                prepared.raw_bind_parameter(1, key.connection.0)?;
                prepared.raw_bind_parameter(2, &key.model)?;
                prepared.raw_bind_parameter(3, sync.0)?;
                for row in rows {
                    prepared.raw_bind_parameter(4, row.external_id)?;
                    prepared.raw_bind_parameter(5, row.id.as_bytes().as_slice())?;
                    prepared.raw_bind_parameter(6, row.hash.as_slice())?;
                    prepared.raw_bind_parameter(7, row.payload.as_ref())?;
                    prepared.raw_bind_parameter(8, row.size_bytes)?;
                    prepared.raw_bind_parameter(9, row.created_at.micros())?;
                    prepared.raw_bind_parameter(10, row.updated_at.micros())?;
                    prepared.raw_bind_parameter(11, row.deleted_at.map(Timestamp::micros))?;
                    prepared.raw_execute()?;
                }
                Ok(())
            }));
        }
        let bytes = |content: &[u8]| Some(Bytes::copy_from_slice(content));
        let mut values = params![key.connection, &key.model, sync].to_vec();
        values.extend([
            Param::TextArray(
                rows.iter()
                    .map(|row| Some(row.external_id.to_owned()))
                    .collect(),
            ),
            Param::BytesArray(rows.iter().map(|row| bytes(row.id.as_bytes())).collect()),
            Param::BytesArray(rows.iter().map(|row| bytes(&row.hash)).collect()),
            Param::BytesArray(rows.iter().map(|row| Some(row.payload.clone())).collect()),
            Param::IntArray(rows.iter().map(|row| Some(row.size_bytes)).collect()),
            Param::IntArray(
                rows.iter()
                    .map(|row| Some(row.created_at.micros()))
                    .collect(),
            ),
            Param::IntArray(
                rows.iter()
                    .map(|row| Some(row.updated_at.micros()))
                    .collect(),
            ),
            Param::IntArray(
                rows.iter()
                    .map(|row| row.deleted_at.map(Timestamp::micros))
                    .collect(),
            ),
        ]);
        self.execute(&PUT, &values).await.map(drop)
    }
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    let hash = match row.get_ref(0)? {
        ValueRef::Blob(hash) => RecordHash::try_from(hash).ok(),
        _ => None,
    };
    let wrong =
        || rusqlite::Error::InvalidColumnType(0, "hash".to_owned(), rusqlite::types::Type::Blob);
    Ok(Stored {
        hash: hash.ok_or_else(wrong)?,
        size_bytes: row.get(1)?,
        created_at: Timestamp::from_micros(row.get(2)?),
        updated_at: Timestamp::from_micros(row.get(3)?),
        deleted_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
        is_pruned: row.get::<_, Option<i64>>(5)?.is_some(),
    })
}

pub(super) fn corrupt(key: &ModelKey, external_id: &str) -> StoreError {
    StoreError::Corrupt {
        table: "record",
        column: "hash",
        row: format!("{}/{}/{external_id}", key.connection, key.model),
    }
}
