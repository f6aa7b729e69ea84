//! The cursor feed: committed events get positions in order, so that a reader who saw one never misses a later one.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use super::{dialect::HEAD_LOCK, event_seal};
use crate::{Reader, StoreError, Tx, params};

crate::statements! {
    HEAD_INSERT = "
        INSERT INTO event_head (environment_pk, last_position) VALUES ($1, 0)
        ON CONFLICT (environment_pk) DO NOTHING";
    HEAD_SET = "
        UPDATE event_head SET last_position = $2 WHERE environment_pk = $1";
    UNNUMBERED = "
        SELECT pk FROM event WHERE environment_pk = $1 AND position IS NULL ORDER BY pk LIMIT $2";
    ANY_UNNUMBERED = "
        SELECT 1 FROM event WHERE environment_pk = $1 AND position IS NULL LIMIT 1";
    NUMBER = "
        UPDATE event SET position = $2 WHERE pk = $1";
    FEED = "
        SELECT id, connection_pk, kind, body, position, created_at_us FROM event
        WHERE environment_pk = $1 AND position > $2 ORDER BY position LIMIT $3";
}

/// An event with its place in the feed.
#[derive(Clone, Debug)]
pub struct FeedEvent {
    pub id: String,
    pub kind: String,
    pub body: Bytes,
    pub position: i64,
    pub created_at: Timestamp,
}

impl Tx {
    /// Gives positions to at most `limit` events that have none. The row of the head is locked until the commit: numbers
    /// rise in commit order and have no gaps.
    pub async fn number_events(
        &self,
        environment: EnvironmentPk,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.execute(&HEAD_INSERT, params![environment]).await?;
        let head = self.get(&HEAD_LOCK, params![environment]).await?;
        let mut position: i64 = head.get(0)?;
        let rows = self.query(&UNNUMBERED, params![environment, limit]).await?;
        for row in &rows {
            position += 1;
            self.execute(&NUMBER, params![row.get::<i64>(0)?, position])
                .await?;
        }
        if !rows.is_empty() {
            self.execute(&HEAD_SET, params![environment, position])
                .await?;
        }
        Ok(rows.len())
    }
}

impl Reader {
    /// Whether events wait for a position.
    pub async fn has_unnumbered_events(
        &self,
        environment: EnvironmentPk,
    ) -> Result<bool, StoreError> {
        let found = self.find(&ANY_UNNUMBERED, params![environment]).await?;
        Ok(found.is_some())
    }

    /// The events behind a position.
    pub async fn events_after(
        &self,
        environment: EnvironmentPk,
        position: i64,
        limit: i64,
    ) -> Result<Vec<FeedEvent>, StoreError> {
        let rows = self
            .query(&FEED, params![environment, position, limit])
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.get(0)?;
            let connection: Option<ConnectionPk> = row.get(1)?;
            let context = event_seal(environment, connection, "body", &id);
            let body = self.open(context, &row.get(3)?).await?;
            events.push(FeedEvent {
                kind: row.get(2)?,
                body,
                position: row.get(4)?,
                created_at: row.get(5)?,
                id,
            });
        }
        Ok(events)
    }
}
