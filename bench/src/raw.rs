//! What batchSave is compared with: the same technique on the bare drivers. Per batch: an id and a keyed hash of each
//! record, one look-up of what is stored, sealed payloads of what differs, one upsert, one durable commit. The tables are
//! those of the product. There is no run, no lease, no total, nothing to announce. Which ids a batch had is noted only
//! where a measurement asks for it: the product always does, durably, so that it can tell what has disappeared.

use anyhow::{Context, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tenon_core::{Random as _, function::RecordInput, random::SystemRandom};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const SQLITE_TABLES: &str =
    include_str!("../../crates/tenon-store/migrations/sqlite/0005_records.sql");
const POSTGRES_TABLES: &str =
    include_str!("../../crates/tenon-store/migrations/postgres/0005_records.sql");

const CONNECTION: i64 = 5;
const MODEL: &str = "Item";

const SQLITE_PROBE: &str =
    "SELECT hash FROM record WHERE connection_pk = ?1 AND model = ?2 AND external_id = ?3";

const POSTGRES_PROBE: &str = "
    SELECT batch.place, stored.hash FROM UNNEST($3::text[]) WITH ORDINALITY AS batch (external_id, place)
    CROSS JOIN LATERAL (
        SELECT hash FROM record WHERE connection_pk = $1 AND model = $2 AND external_id = batch.external_id
        LIMIT 1) AS stored";

macro_rules! put {
    ($rows:literal) => {
        concat!(
            "INSERT INTO record (connection_pk, model, sync_pk, external_id, id, hash, payload, size_bytes,
                created_at_us, updated_at_us) ",
            $rows,
            " ON CONFLICT (connection_pk, model, external_id) DO UPDATE SET
                sync_pk = excluded.sync_pk, hash = excluded.hash, payload = excluded.payload,
                size_bytes = excluded.size_bytes, updated_at_us = excluded.updated_at_us"
        )
    };
}

const SQLITE_PUT: &str = put!("VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)");

const POSTGRES_PUT: &str = put!(
    "SELECT $1::bigint, $2::text, $3::bigint, batch.* FROM UNNEST($4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
        $8::bigint[], $9::bigint[], $10::bigint[]) AS batch"
);

const SQLITE_NOTE: &str =
    "INSERT INTO record_seen (connection_pk, model, generation, batch_us, ids)
    VALUES (?1, ?2, 1, ?3, ?4)";

const POSTGRES_NOTE: &str = "INSERT INTO record_seen (connection_pk, model, generation, batch_us, ids) VALUES ($1, $2, 1, $3, $4)";

/// Whether a batch notes which ids it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Nothing,
    Ids,
}

fn ids(rows: &[Row<'_>]) -> Vec<u8> {
    rows.iter().flat_map(|row| row.id.into_bytes()).collect()
}

/// A record as it is stored.
struct Row<'a> {
    external_id: &'a str,
    id: Uuid,
    hash: [u8; 16],
    json: &'a [u8],
}

/// Ids, hashes and seals as the product makes them.
struct Shape {
    namespace: Uuid,
    index: [u8; 32],
    seal: LessSafeKey,
    /// Instant of the last batch.
    at: i64,
}

impl Shape {
    fn new() -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[3; 32]).context("32 bytes are a key")?;
        Ok(Self {
            namespace: Uuid::new_v5(&Uuid::nil(), MODEL.as_bytes()),
            index: [7; 32],
            seal: LessSafeKey::new(key),
            at: 1_700_000_000_000_000,
        })
    }

    fn rows<'a>(&mut self, batch: &'a [RecordInput]) -> Vec<Row<'a>> {
        self.at += 1;
        batch
            .iter()
            .map(|record| Row {
                external_id: &record.id,
                id: Uuid::new_v5(&self.namespace, format!("5{MODEL}{}", record.id).as_bytes()),
                hash: *blake3::keyed_hash(&self.index, &record.json)
                    .as_bytes()
                    .first_chunk()
                    .expect("32 bytes begin with 16"),
                json: &record.json,
            })
            .collect()
    }

    fn seal(&self, row: &Row<'_>) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE_LEN + row.json.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(row.json);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .seal
            .seal_in_place_separate_tag(
                nonce,
                Aad::from(row.id.as_bytes()),
                &mut sealed[NONCE_LEN..],
            )
            .context("a payload of this size can be sealed")?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }
}

/// rusqlite, prepared statements, one transaction per batch, as durable as the product.
pub(crate) struct Sqlite {
    connection: rusqlite::Connection,
    shape: Shape,
    _folder: tempfile::TempDir,
}

impl Sqlite {
    /// An empty database.
    pub(crate) fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let connection = rusqlite::Connection::open(folder.path().join("raw.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;
            PRAGMA journal_size_limit = 67108864",
        )?;
        connection.execute_batch(SQLITE_TABLES)?;
        Ok(Self {
            connection,
            shape: Shape::new()?,
            _folder: folder,
        })
    }

    /// Writes what differs; how many that were.
    pub(crate) fn save(&mut self, batch: &[RecordInput], note: Note) -> Result<usize> {
        let rows = self.shape.rows(batch);
        let mut written = 0;
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        {
            if note == Note::Ids {
                let mut noting = self.connection.prepare_cached(SQLITE_NOTE)?;
                noting.execute((CONNECTION, MODEL, self.shape.at, ids(&rows)))?;
            }
            let mut probe = self.connection.prepare_cached(SQLITE_PROBE)?;
            let mut differs = Vec::with_capacity(rows.len());
            for row in rows {
                let mut stored = probe.query((CONNECTION, MODEL, row.external_id))?;
                let same = match stored.next()? {
                    Some(stored) => stored.get_ref(0)?.as_blob()? == row.hash,
                    None => false,
                };
                if !same {
                    differs.push(row);
                }
            }
            let mut put = self.connection.prepare_cached(SQLITE_PUT)?;
            for row in differs {
                let payload = self.shape.seal(&row)?;
                put.execute((
                    CONNECTION,
                    MODEL,
                    77,
                    row.external_id,
                    row.id.as_bytes().as_slice(),
                    row.hash.as_slice(),
                    payload,
                    i64::try_from(row.json.len())?,
                    self.shape.at,
                ))?;
                written += 1;
            }
        }
        self.connection.execute_batch("COMMIT")?;
        Ok(written)
    }
}

/// tokio-postgres, prepared statements, arrays through `UNNEST`, one transaction per batch.
pub(crate) struct Postgres {
    client: tokio_postgres::Client,
    probe: tokio_postgres::Statement,
    put: tokio_postgres::Statement,
    note: tokio_postgres::Statement,
    shape: Shape,
}

impl Postgres {
    /// Makes the tables in an empty database.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(POSTGRES_TABLES).await?;
        Ok(Self {
            probe: client.prepare(POSTGRES_PROBE).await?,
            put: client.prepare(POSTGRES_PUT).await?,
            note: client.prepare(POSTGRES_NOTE).await?,
            client,
            shape: Shape::new()?,
        })
    }

    /// Writes what differs; how many that were.
    pub(crate) async fn save(&mut self, batch: &[RecordInput], note: Note) -> Result<usize> {
        let rows = self.shape.rows(batch);
        let transaction = self.client.transaction().await?;
        if note == Note::Ids {
            let values: [&(dyn ToSql + Sync); 4] =
                [&CONNECTION, &MODEL, &self.shape.at, &ids(&rows)];
            transaction.execute(&self.note, &values).await?;
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.external_id).collect();
        let mut stored: Vec<Option<tokio_postgres::Row>> = Vec::new();
        stored.resize_with(rows.len(), || None);
        for row in transaction
            .query(&self.probe, &[&CONNECTION, &MODEL, &ids])
            .await?
        {
            let place = usize::try_from(row.get::<_, i64>(0))? - 1;
            stored[place] = Some(row);
        }
        let differs: Vec<&Row<'_>> = rows
            .iter()
            .zip(&stored)
            .filter(|(row, stored)| {
                stored
                    .as_ref()
                    .is_none_or(|stored| stored.get::<_, &[u8]>(1) != row.hash)
            })
            .map(|(row, _)| row)
            .collect();
        if !differs.is_empty() {
            let external_ids: Vec<&str> = differs.iter().map(|row| row.external_id).collect();
            let ids: Vec<&[u8]> = differs
                .iter()
                .map(|row| row.id.as_bytes().as_slice())
                .collect();
            let hashes: Vec<&[u8]> = differs.iter().map(|row| row.hash.as_slice()).collect();
            let payloads = differs
                .iter()
                .map(|row| self.shape.seal(row))
                .collect::<Result<Vec<_>>>()?;
            let sizes: Vec<i64> = differs.iter().map(|row| row.json.len() as i64).collect();
            let times = vec![self.shape.at; differs.len()];
            transaction
                .execute(
                    &self.put,
                    &[
                        &CONNECTION,
                        &MODEL,
                        &77_i64,
                        &external_ids,
                        &ids,
                        &hashes,
                        &payloads,
                        &sizes,
                        &times,
                        &times,
                    ],
                )
                .await?;
        }
        let written = differs.len();
        transaction.commit().await?;
        Ok(written)
    }
}
