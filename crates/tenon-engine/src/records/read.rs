//! Reading records (records.md, section 3).

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    cursor::Cursor,
    limits::RECORDS_PAGE_BYTES,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_store::{
    Opener, Reader,
    records::{ModelKey, PageQuery, RecordRow},
};

use super::{RecordsError, json};
use crate::Engine;

/// Rows read at a time, so that a page of huge records is cut before it is in memory.
const SLICE: usize = 1_000;

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Full model name.
    pub model: String,
    /// Strictly after this place.
    pub after: Option<Cursor>,
    /// Not before this instant.
    pub modified_after: Option<Timestamp>,
    pub limit: usize,
    /// Nothing means all.
    pub actions: Vec<RecordAction>,
    /// Nothing means all.
    pub ids: Vec<String>,
}

/// Last thing that happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordAction {
    Added,
    Updated,
    Deleted,
}

/// A page of records as JSON texts, metadata included.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub records: Vec<Bytes>,
    /// Place of the last one, if there are more.
    pub next_cursor: Option<String>,
}

/// What a pruning did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub count: u64,
    pub has_more: bool,
}

/// A page in the order of changes. It ends early when it becomes too large, but has at least one record.
pub async fn list(
    engine: &Engine,
    environment: EnvironmentPk,
    connection: ConnectionPk,
    query: ListQuery,
) -> Result<Page, RecordsError> {
    let reader = engine.reader();
    let mut listing = Listing {
        opener: reader.opener(environment, Some(connection)),
        page: Page::default(),
        size_bytes: 0,
        last: None,
    };
    let mut after = start(&query);
    loop {
        // One more than wanted tells whether there is a next page.
        let wanted = (query.limit + 1 - listing.page.records.len()).min(SLICE);
        let part = PageQuery {
            connection,
            model: &query.model,
            after,
            added: has(&query, RecordAction::Added),
            updated: has(&query, RecordAction::Updated),
            deleted: has(&query, RecordAction::Deleted),
            external_ids: &query.ids,
            limit: i64::try_from(wanted).unwrap_or(i64::MAX),
        };
        let rows = reader.record_page(&part).await?;
        let is_last = rows.len() < wanted;
        for row in &rows {
            if listing.is_full(query.limit) {
                return Ok(listing.cut());
            }
            listing.add(row).await?;
            after = (row.updated_at, Some(row.id));
        }
        if is_last {
            return Ok(listing.page);
        }
    }
}

/// After the cursor, and not before the instant.
fn start(query: &ListQuery) -> (Timestamp, Option<uuid::Uuid>) {
    let cursor = query
        .after
        .map(|cursor| (cursor.modified_at, Some(cursor.id)));
    let instant = query.modified_after.map(|instant| (instant, None));
    cursor
        .max(instant)
        .unwrap_or((Timestamp::from_micros(i64::MIN), None))
}

fn has(query: &ListQuery, action: RecordAction) -> bool {
    query.actions.is_empty() || query.actions.contains(&action)
}

struct Listing {
    opener: Opener<Reader>,
    page: Page,
    size_bytes: usize,
    last: Option<Cursor>,
}

impl Listing {
    const fn is_full(&self, limit: usize) -> bool {
        let records = self.page.records.len();
        records >= limit || (records > 0 && self.size_bytes >= RECORDS_PAGE_BYTES)
    }

    async fn add(&mut self, row: &RecordRow) -> Result<(), RecordsError> {
        let payload = row.open(&mut self.opener).await?;
        let text = json::with_metadata(row, payload.as_ref());
        self.size_bytes += text.len();
        self.page.records.push(text);
        self.last = Some(json::cursor_of(row));
        Ok(())
    }

    fn cut(mut self) -> Page {
        self.page.next_cursor = self.last.map(|last| last.encode());
        self.page
    }
}

/// Records by id, as JSON texts with metadata, in no particular order. `model` is the full name.
pub async fn by_ids(
    engine: &Engine,
    environment: EnvironmentPk,
    connection: ConnectionPk,
    model: &str,
    ids: &[String],
) -> Result<Vec<(String, Bytes)>, RecordsError> {
    let reader = engine.reader();
    let rows = reader.records_by_ids(connection, model, ids).await?;
    let mut opener = reader.opener(environment, Some(connection));
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let payload = row.open(&mut opener).await?;
        let text = json::with_metadata(&row, payload.as_ref());
        records.push((row.external_id, text));
    }
    Ok(records)
}

/// Drops payloads up to a place in the stream (records.md, 3.3).
pub async fn prune(
    engine: &Engine,
    key: ModelKey,
    until: Cursor,
    limit: usize,
) -> Result<Pruned, RecordsError> {
    let now = engine.clock.now();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let place = (until.modified_at, until.id);
    let pruned = engine
        .store
        .write(move |tx| async move {
            // So that two prunings do not count the same records.
            tx.lock_model(&key).await?;
            tx.prune_records(&key, place, limit, now).await
        })
        .await?;
    Ok(Pruned {
        count: pruned.count,
        has_more: pruned.last.is_some_and(|last| last != place),
    })
}
