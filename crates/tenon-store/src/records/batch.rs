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

/// What a batch finds of one of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    Absent,
    /// Live, with this very hash and its payload.
    Same,
    Stored(Stored),
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
    /// What is stored of a batch, in its order. Without hashes nothing counts as the same.
    pub async fn probe_records(
        &self,
        key: &ModelKey,
        external_ids: &[&str],
        hashes: Option<&[RecordHash]>,
    ) -> Result<Vec<Probed>, StoreError> {
        if let Some(sqlite) = self.sqlite() {
            return self.noted(sqlite.with_prepared(&PROBE, |prepared| {
                let mut found = Vec::with_capacity(external_ids.len());
                prepared.raw_bind_parameter(1, key.connection.0)?;
                prepared.raw_bind_parameter(2, &key.model)?;
                for (place, external_id) in external_ids.iter().enumerate() {
                    prepared.raw_bind_parameter(3, external_id)?;
                    let mut rows = prepared.raw_query();
                    let hash = hashes.and_then(|hashes| hashes.get(place));
                    found.push(match rows.next()? {
                        Some(row) => probed(row, hash)?,
                        None => Probed::Absent,
                    });
                }
                Ok(found)
            }));
        }
        let ids = external_ids.iter().map(|id| Some((*id).to_owned()));
        let hashes = match hashes {
            Some(hashes) => sixteens(hashes.iter().copied()),
            None => Param::BytesArray(vec![Some(Bytes::new()); external_ids.len()]),
        };
        let values = [
            Param::from(key.connection),
            Param::from(&key.model),
            Param::TextArray(ids.collect()),
            hashes,
        ];
        let mut found = vec![Probed::Absent; external_ids.len()];
        let mut note = |place: i64, probed| {
            let place = usize::try_from(place)
                .ok()
                .and_then(|place| place.checked_sub(1));
            let slot = place.and_then(|place| found.get_mut(place));
            slot.map(|slot| *slot = probed)
                .ok_or_else(|| corrupt(key, ""))
        };
        for row in self.query(&PROBE, &values).await? {
            let place = row.get(0)?;
            let bytes: Option<Bytes> = row.get(1)?;
            if place == 0 {
                let (places, _) = bytes.as_deref().unwrap_or_default().as_chunks();
                for place in places {
                    note(i64::from_be_bytes(*place), Probed::Same)?;
                }
                continue;
            }
            let hash = bytes.and_then(|hash| RecordHash::try_from(hash.as_ref()).ok());
            let stored = Stored {
                hash: hash.ok_or_else(|| corrupt(key, ""))?,
                size_bytes: row.get(2)?,
                created_at: row.get(3)?,
                updated_at: row.get(4)?,
                deleted_at: row.get(5)?,
                is_pruned: row.get::<Option<i64>>(6)?.is_some(),
            };
            note(place, Probed::Stored(stored))?;
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
        let mut values = params![key.connection, &key.model, sync].to_vec();
        values.extend([
            Param::TextArray(
                rows.iter()
                    .map(|row| Some(row.external_id.to_owned()))
                    .collect(),
            ),
            sixteens(rows.iter().map(|row| row.id.into_bytes())),
            sixteens(rows.iter().map(|row| row.hash)),
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

/// An array of short values that share one buffer.
fn sixteens(values: impl Iterator<Item = [u8; 16]>) -> Param {
    let joined = Bytes::from(values.flatten().collect::<Vec<u8>>());
    let starts = (0..joined.len()).step_by(16);
    Param::BytesArray(
        starts
            .map(|start| Some(joined.slice(start..start + 16)))
            .collect(),
    )
}

fn probed(row: &rusqlite::Row<'_>, wanted: Option<&RecordHash>) -> rusqlite::Result<Probed> {
    let hash = match row.get_ref(0)? {
        ValueRef::Blob(hash) => RecordHash::try_from(hash).ok(),
        _ => None,
    };
    let wrong =
        || rusqlite::Error::InvalidColumnType(0, "hash".to_owned(), rusqlite::types::Type::Blob);
    let hash = hash.ok_or_else(wrong)?;
    let deleted_at: Option<i64> = row.get(1)?;
    let is_pruned = row.get_ref(2)? != ValueRef::Null;
    if wanted == Some(&hash) && deleted_at.is_none() && !is_pruned {
        return Ok(Probed::Same);
    }
    Ok(Probed::Stored(Stored {
        hash,
        size_bytes: row.get(3)?,
        created_at: Timestamp::from_micros(row.get(4)?),
        updated_at: Timestamp::from_micros(row.get(5)?),
        deleted_at: deleted_at.map(Timestamp::from_micros),
        is_pruned,
    }))
}

pub(super) fn corrupt(key: &ModelKey, external_id: &str) -> StoreError {
    StoreError::Corrupt {
        table: "record",
        column: "hash",
        row: format!("{}/{}/{external_id}", key.connection, key.model),
    }
}
