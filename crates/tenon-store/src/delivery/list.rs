//! Deliveries for people: list, attempts, replay, retention.

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "d.pk, d.id, e.id, e.kind, p.url, c.connection_id, d.state, d.attempts, d.next_at_us, d.last_status,
            d.last_error, d.operation_id, d.created_at_us, d.finished_at_us
        FROM delivery d JOIN event e ON e.pk = d.event_pk JOIN endpoint p ON p.pk = d.endpoint_pk
            LEFT JOIN connection c ON c.pk = d.connection_pk"
    };
}

crate::statements! {
    DELIVERIES = concat!("SELECT ", columns!(), "
        WHERE d.environment_pk = $1 AND d.pk < $2
            AND (CAST($3 AS TEXT) IS NULL OR d.state = $3) AND (CAST($4 AS TEXT) IS NULL OR c.connection_id = $4)
        ORDER BY d.pk DESC LIMIT $5");
    DELIVERY = concat!("SELECT ", columns!(), " WHERE d.environment_pk = $1 AND d.id = $2");
    ATTEMPTS = "
        SELECT at_us, status, error, duration_us FROM attempt WHERE delivery_pk = $1 ORDER BY pk LIMIT 100";
    // The fence rises: whoever may still be sending the old attempt has no say any more.
    REPLAY = "
        UPDATE delivery SET state = 'waiting', attempts = 0, next_at_us = $3, fence = fence + 1, lease_owner = NULL,
            lease_expires_at_us = NULL, finished_at_us = NULL, created_at_us = $3
        WHERE environment_pk = $1 AND id = $2";
    OLD_DELIVERIES = "
        SELECT pk FROM delivery WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2";
    ATTEMPTS_DELETE = "
        DELETE FROM attempt WHERE delivery_pk = $1";
    DELIVERY_DELETE = "
        DELETE FROM delivery WHERE pk = $1";
    EVENTS_DELETE = "
        DELETE FROM event WHERE pk IN (
            SELECT e.pk FROM event e
            WHERE e.created_at_us < $1 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_pk = e.pk)
            ORDER BY e.created_at_us LIMIT $2)";
}

/// Which deliveries to list.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    pub environment: EnvironmentPk,
    pub state: Option<String>,
    pub connection_id: Option<String>,
    /// Only those before this key.
    pub before: i64,
    pub limit: i64,
}

/// A delivery as people see it.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub pk: i64,
    pub id: String,
    pub webhook_id: String,
    pub kind: String,
    pub url: String,
    pub connection_id: Option<String>,
    pub state: String,
    pub attempts: i64,
    pub next_at: Timestamp,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
    pub operation: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    pub at: Timestamp,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub duration_us: i64,
}

impl Reader {
    /// Deliveries of an environment, the newest first.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let values = params![
            filter.environment,
            filter.before,
            filter.state.clone(),
            filter.connection_id.clone(),
            filter.limit,
        ];
        let rows = self.query(&DELIVERIES, values).await?;
        rows.iter().map(delivery).collect()
    }

    /// One delivery.
    pub async fn find_delivery(
        &self,
        environment: EnvironmentPk,
        id: &str,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let row = self.find(&DELIVERY, params![environment, id]).await?;
        row.as_ref().map(delivery).transpose()
    }

    /// The requests made for a delivery, the oldest first.
    pub async fn delivery_attempts(&self, delivery: i64) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = self.query(&ATTEMPTS, params![delivery]).await?;
        rows.iter()
            .map(|row| {
                Ok(AttemptRow {
                    at: row.get(0)?,
                    status: row.get(1)?,
                    error: row.get(2)?,
                    duration_us: row.get(3)?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Makes a delivery wait again, with all its attempts ahead; whether there is one.
    pub async fn replay_delivery(
        &self,
        environment: EnvironmentPk,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(&REPLAY, params![environment, id, now]).await? > 0)
    }

    /// Removes deliveries that ended, and events made, before an instant; at most `limit` of each. Returns how many rows
    /// went.
    pub async fn prune_deliveries(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        let old = self.query(&OLD_DELIVERIES, params![before, limit]).await?;
        let mut gone = 0;
        for row in &old {
            let pk: i64 = row.get(0)?;
            self.execute(&ATTEMPTS_DELETE, params![pk]).await?;
            gone += self.execute(&DELIVERY_DELETE, params![pk]).await?;
        }
        gone += self.execute(&EVENTS_DELETE, params![before, limit]).await?;
        Ok(gone)
    }
}

fn delivery(row: &Row) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        pk: row.get(0)?,
        id: row.get(1)?,
        webhook_id: row.get(2)?,
        kind: row.get(3)?,
        url: row.get(4)?,
        connection_id: row.get(5)?,
        state: row.get(6)?,
        attempts: row.get(7)?,
        next_at: row.get(8)?,
        last_status: row.get(9)?,
        last_error: row.get(10)?,
        operation: row.get(11)?,
        created_at: row.get(12)?,
        finished_at: row.get(13)?,
    })
}
