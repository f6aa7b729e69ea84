//! Writing a batch (records.md, section 2).

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use tenon_core::{
    cursor::Cursor,
    function::{RecordCounts, RecordInput},
    names::{RunPk, SyncPk, TaskPk},
};
use tenon_store::{
    Opener, Sealed, Sealer, StoreError, Tx,
    records::{Head, ModelKey, NewRow, Probed, RecordHash, RecordRow, Stored},
};
use uuid::Uuid;

use super::{
    RecordsError, Writer,
    decide::{self, Counted, Decision},
    json,
    writer::Known,
};
use crate::Engine;

/// A deadlock or a serialization failure ends a transaction that would succeed now: tries in all.
const TRIES: usize = 4;

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub counts: RecordCounts,
    pub unchanged: u64,
    /// Ids that came more than once; only the first of each was taken.
    pub duplicates: Vec<String>,
}

/// `batchSave` (records.md, 2.1).
pub async fn save(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    write(engine, writer, model, records, Kind::Save).await
}

/// `batchUpdate` (records.md, 2.2).
pub async fn update(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    write(engine, writer, model, records, Kind::Update).await
}

/// `batchDelete` (records.md, 2.3).
pub async fn delete(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    records: Vec<RecordInput>,
) -> Result<Written, RecordsError> {
    write(engine, writer, model, records, Kind::Delete).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Save,
    Update,
    Delete,
}

/// A batch, with everything computed that does not need the database.
struct Batch {
    kind: Kind,
    key: ModelKey,
    /// Name without variant, under which changes are announced.
    base_model: String,
    sync: SyncPk,
    run: RunPk,
    task: TaskPk,
    fence: i64,
    known: Known,
    records: Vec<Record>,
}

struct Record {
    external_id: String,
    id: Uuid,
    hash: RecordHash,
    json: Bytes,
}

async fn write(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    records: Vec<RecordInput>,
    kind: Kind,
) -> Result<Written, RecordsError> {
    if records.is_empty() {
        return Ok(Written::default());
    }
    let (batch, duplicates) = prepare(engine, writer, model, records, kind);
    let batch = Arc::new(batch);
    let mut tries = 1;
    let (mut written, last) = loop {
        let (now, batch) = (engine.clock.now(), batch.clone());
        let transaction = engine
            .store
            .write(move |tx| async move { batch.write(&tx, now).await });
        match transaction.await {
            Err(RecordsError::Store(error)) if error.is_transient() && tries < TRIES => tries += 1,
            result => break result?,
        }
    };
    if let Some(last) = last {
        writer.merging.wrote(&batch.key.model, last);
    }
    written.duplicates = duplicates;
    Ok(written)
}

fn prepare(
    engine: &Engine,
    writer: &Writer,
    model: &str,
    records: Vec<RecordInput>,
    kind: Kind,
) -> (Batch, Vec<String>) {
    let key = writer.key(model);
    let ids = RecordIds::new(&key);
    let mut taken = HashSet::with_capacity(records.len());
    let mut duplicates = Vec::new();
    let mut kept = Vec::with_capacity(records.len());
    for record in records {
        let id = ids.id(&record.id);
        if !taken.insert(id) {
            duplicates.push(record.id);
            continue;
        }
        kept.push(Record {
            id,
            hash: hash(engine, &record.json),
            external_id: record.id,
            json: record.json,
        });
    }
    let batch = Batch {
        kind,
        base_model: model.to_owned(),
        sync: writer.sync,
        run: writer.run,
        task: writer.task,
        fence: writer.fence,
        known: writer.merging.known(&key.model),
        key,
        records: kept,
    };
    (batch, duplicates)
}

fn hash(engine: &Engine, json: &[u8]) -> RecordHash {
    let hash = engine.store.index_hash("record", json);
    *hash.first_chunk().expect("32 bytes begin with 16")
}

/// The same record gets the same id for ever (records.md, section 1).
pub(super) struct RecordIds {
    namespace: Uuid,
    prefix: String,
}

impl RecordIds {
    pub(super) fn new(key: &ModelKey) -> Self {
        let prefix = format!("{}{}", key.connection, key.model);
        Self {
            namespace: Uuid::new_v5(&Uuid::nil(), prefix.as_bytes()),
            prefix,
        }
    }

    pub(super) fn id(&self, external_id: &str) -> Uuid {
        let name = [self.prefix.as_bytes(), external_id.as_bytes()].concat();
        Uuid::new_v5(&self.namespace, &name)
    }
}

impl Batch {
    /// Writes what has changed; what was done, and the last place in the stream that was written.
    async fn write(
        &self,
        tx: &Tx,
        now: tenon_core::Timestamp,
    ) -> Result<(Written, Option<Cursor>), RecordsError> {
        let (head, probed) = self.look(tx, now).await?;
        let mut changes = Changes::new(self, tx);
        if self.kind == Kind::Update {
            self.merge_all(tx, head.at, &mut changes).await?;
        } else {
            for (record, probed) in self.records.iter().zip(&probed) {
                let stored = match probed {
                    Probed::Same => {
                        changes.written.unchanged += 1;
                        continue;
                    }
                    Probed::Absent => None,
                    Probed::Stored(stored) => Some(stored),
                };
                let decision = self.decide(record, stored, head.at);
                changes
                    .add(record, stored, decision, record.hash, &record.json)
                    .await?;
            }
        }
        let seen = match self.kind {
            Kind::Update => std::mem::take(&mut changes.considered),
            Kind::Save => self.records.iter().map(|record| record.id).collect(),
            Kind::Delete => Vec::new(),
        };
        let written = changes.written;
        // Sent together, answered in this order: on Postgres a way there and back costs as much as a statement.
        let (put, noted, added, announced) = futures::join!(
            tx.put_records(&self.key, self.sync, &changes.rows),
            tx.note_seen(&self.key, self.run, head.at, seen.into_iter()),
            tx.add_to_model(&self.key, changes.live, changes.size_bytes),
            tx.add_unannounced(self.sync, &self.base_model, written.counts, head.at),
        );
        put.and(noted).and(added).and(announced)?;
        Ok((written, changes.last))
    }

    /// What a batch has to know before it decides: that it may write, at which instant, over what. Asked together, as
    /// none waits for another's answer.
    async fn look(
        &self,
        tx: &Tx,
        now: tenon_core::Timestamp,
    ) -> Result<(Head, Vec<Probed>), RecordsError> {
        let (held, head, probed) = futures::join!(
            tx.hold_task(self.task, self.fence),
            tx.take_head(&self.key, self.sync, now),
            self.probe(tx),
        );
        if !held? {
            return Err(RecordsError::LeaseLost);
        }
        Ok((head?, probed?))
    }

    async fn probe(&self, tx: &Tx) -> Result<Vec<Probed>, StoreError> {
        let ids: Vec<&str> = self.ids().collect();
        let hashes: Vec<RecordHash> = self.records.iter().map(|record| record.hash).collect();
        match self.kind {
            Kind::Save => tx.probe_records(&self.key, &ids, Some(&hashes)).await,
            // A deletion changes whatever it finds.
            Kind::Delete => tx.probe_records(&self.key, &ids, None).await,
            Kind::Update => Ok(Vec::new()),
        }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.records
            .iter()
            .map(|record| record.external_id.as_str())
    }

    fn decide(
        &self,
        record: &Record,
        stored: Option<&Stored>,
        at: tenon_core::Timestamp,
    ) -> Decision {
        if self.is_skipped(record, stored) {
            return Decision::UNCHANGED;
        }
        match self.kind {
            Kind::Delete => {
                let given = json::deleted_at(&record.json);
                decide::delete(stored, &record.hash, given, at)
            }
            Kind::Save | Kind::Update => decide::save(stored, &record.hash, at),
        }
    }

    /// Whether somebody else has changed the row since the run looked (records.md, 2.4).
    fn is_skipped(&self, record: &Record, stored: Option<&Stored>) -> bool {
        stored.is_some_and(|stored| {
            self.known.is_behind(Cursor {
                modified_at: stored.updated_at,
                id: record.id,
            })
        })
    }

    /// `batchUpdate`: merges each partial record into what is stored.
    async fn merge_all<'a>(
        &'a self,
        tx: &Tx,
        at: tenon_core::Timestamp,
        changes: &mut Changes<'a>,
    ) -> Result<(), RecordsError> {
        let ids: Vec<String> = self.ids().map(str::to_owned).collect();
        let mut rows: std::collections::HashMap<Uuid, (RecordRow, Stored)> = tx
            .records_to_merge(&self.key, &ids)
            .await?
            .into_iter()
            .map(|(row, hash, size_bytes)| {
                let stored = stored_of(&row, hash, size_bytes);
                (row.id, (row, stored))
            })
            .collect();
        let mut opener = tx.opener(self.key.environment, Some(self.key.connection));
        for record in &self.records {
            let Some((row, stored)) = rows.remove(&record.id) else {
                continue;
            };
            if self.is_skipped(record, Some(&stored)) {
                changes.written.unchanged += 1;
                continue;
            }
            let Some(decision) = decide::update(Some(&stored), &record.hash, at) else {
                if stored.deleted_at.is_none() {
                    changes.considered.push(record.id);
                }
                continue;
            };
            let merged = merged(&mut opener, &row, record).await?;
            // The hash is the partial record's: sending the same one again changes nothing (records.md, 2.2).
            changes
                .add(record, Some(&stored), decision, record.hash, &merged)
                .await?;
            changes.considered.push(record.id);
        }
        Ok(())
    }
}

async fn merged(
    opener: &mut Opener<Tx>,
    row: &RecordRow,
    record: &Record,
) -> Result<Bytes, RecordsError> {
    let payload = row.open(opener).await?;
    let not_an_object = || RecordsError::NotAnObject {
        id: record.external_id.clone(),
    };
    json::merge(payload.as_ref(), &record.json).ok_or_else(not_an_object)
}

const fn stored_of(row: &RecordRow, hash: RecordHash, size_bytes: i64) -> Stored {
    Stored {
        hash,
        size_bytes,
        created_at: row.created_at,
        updated_at: row.updated_at,
        deleted_at: row.deleted_at,
        is_pruned: row.pruned_at.is_some(),
    }
}

/// Rows to write, and what they amount to.
struct Changes<'a> {
    batch: &'a Batch,
    tx: &'a Tx,
    sealer: Option<Sealer>,
    rows: Vec<NewRow<'a>>,
    written: Written,
    /// Records that an update looked at.
    considered: Vec<Uuid>,
    last: Option<Cursor>,
    /// Change of the number of live records, and of their bytes.
    live: i64,
    size_bytes: i64,
}

impl<'a> Changes<'a> {
    fn new(batch: &'a Batch, tx: &'a Tx) -> Self {
        Self {
            batch,
            tx,
            sealer: None,
            rows: Vec::new(),
            written: Written::default(),
            considered: Vec::new(),
            last: None,
            live: 0,
            size_bytes: 0,
        }
    }

    async fn add(
        &mut self,
        record: &'a Record,
        stored: Option<&Stored>,
        decision: Decision,
        hash: RecordHash,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let counts = &mut self.written.counts;
        match decision.counted {
            Counted::Added => counts.added += 1,
            Counted::Updated => counts.updated += 1,
            Counted::Deleted => counts.deleted += 1,
            Counted::Unchanged => self.written.unchanged += 1,
            Counted::Silent => {}
        }
        let Some(times) = decision.write else {
            return Ok(());
        };
        let size_bytes = i64::try_from(payload.len()).unwrap_or(i64::MAX);
        if let Some(stored) = stored.filter(|stored| stored.deleted_at.is_none()) {
            self.live -= 1;
            self.size_bytes -= stored.size_bytes;
        }
        if times.deleted_at.is_none() {
            self.live += 1;
            self.size_bytes += size_bytes;
        }
        let place = Cursor {
            modified_at: times.updated_at,
            id: record.id,
        };
        self.last = self.last.max(Some(place));
        let payload = self.seal(record.id, payload).await?;
        self.rows.push(NewRow {
            external_id: &record.external_id,
            id: record.id,
            hash,
            payload,
            size_bytes,
            created_at: times.created_at,
            updated_at: times.updated_at,
            deleted_at: times.deleted_at,
        });
        Ok(())
    }

    async fn seal(&mut self, id: Uuid, payload: &[u8]) -> Result<Sealed, StoreError> {
        let sealer = match &mut self.sealer {
            Some(sealer) => sealer,
            None => {
                let key = &self.batch.key;
                let sealer = self.tx.sealer(key.environment, Some(key.connection));
                self.sealer.insert(sealer.await?)
            }
        };
        let mut row = Uuid::encode_buffer();
        let row = id.hyphenated().encode_lower(&mut row);
        sealer.seal("record", "payload", row, payload)
    }
}
