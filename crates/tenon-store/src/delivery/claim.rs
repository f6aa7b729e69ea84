//! Taking deliveries to send: in order, leased, fenced.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use super::{
    dialect::{CLAIM_DUE, ENDPOINT_LOCK, claimed},
    event_seal,
};
use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    // Hops from endpoint to endpoint along the index: the cost is the number of endpoints with something waiting, not of
    // deliveries.
    ENDPOINTS_WAITING = "
        WITH RECURSIVE waiting (pk) AS (
            SELECT MIN(endpoint_pk) FROM delivery WHERE state = 'waiting'
            UNION ALL
            SELECT (SELECT MIN(d.endpoint_pk) FROM delivery d WHERE d.state = 'waiting' AND d.endpoint_pk > w.pk)
            FROM waiting w WHERE w.pk IS NOT NULL
        )
        SELECT e.pk, COALESCE(e.open_until_us,
            (SELECT MIN(d.next_at_us) FROM delivery d
            WHERE d.endpoint_pk = e.pk AND d.state = 'waiting' AND d.fence >= 0))
        FROM waiting w JOIN endpoint e ON e.pk = w.pk";
    OLDEST = "
        SELECT pk, next_at_us, connection_pk FROM delivery
        WHERE endpoint_pk = $1 AND state = 'waiting' AND created_at_us >= 0
            AND (lease_expires_at_us IS NULL OR lease_expires_at_us <= $2)
        ORDER BY created_at_us, pk LIMIT 1";
    NEXT_CONNECTION = "
        SELECT MIN(connection_pk) FROM delivery WHERE endpoint_pk = $1 AND state = 'waiting' AND connection_pk > $2";
    OLDEST_OF_CONNECTION = "
        SELECT pk, next_at_us, connection_pk FROM delivery
        WHERE endpoint_pk = $1 AND state = 'waiting' AND (lease_expires_at_us IS NULL OR lease_expires_at_us <= $2)
            AND connection_pk = $3
        ORDER BY pk LIMIT 1";
    CLAIM_ONE = concat!("
        UPDATE delivery SET lease_owner = $2, lease_expires_at_us = $3, next_at_us = $3, fence = fence + 1
        WHERE pk = $1",
        claimed!());
    PROBING = "
        UPDATE endpoint SET open_until_us = $2, probe_connection_pk = $3 WHERE pk = $1";
    RECOVER = "
        UPDATE delivery SET lease_owner = NULL, lease_expires_at_us = NULL, next_at_us = $2
        WHERE state = 'waiting' AND lease_owner = $1";
    EXPIRE = "
        UPDATE delivery SET state = 'failed', finished_at_us = $2, last_error = $4, fence = fence + 1
        WHERE pk IN (
            SELECT pk FROM delivery
            WHERE endpoint_pk = $1 AND state = 'waiting' AND created_at_us >= 0 AND created_at_us < $3
            ORDER BY created_at_us, pk LIMIT 500)";
}

/// An endpoint with something waiting.
#[derive(Clone, Copy, Debug)]
pub struct DueEndpoint {
    pub pk: i64,
    /// When to look: the next delivery, or the next probe of an open circuit.
    pub at: Timestamp,
}

/// What a worker wants.
#[derive(Clone, Debug)]
pub struct Claim {
    pub endpoint: i64,
    pub now: Timestamp,
    pub owner: String,
    pub lease_until: Timestamp,
    pub limit: i64,
    /// Failed attempts of an older delivery from which on the younger ones of its connection no longer wait.
    pub hold_attempts: i64,
    /// Waiting deliveries made before this are given up.
    pub expired_before: Timestamp,
    /// Until when nobody else probes an open circuit.
    pub probe_until: Timestamp,
}

/// A delivery to send.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    pub pk: i64,
    pub id: String,
    pub environment: EnvironmentPk,
    pub connection: Option<ConnectionPk>,
    pub attempts: i64,
    pub fence: i64,
    pub operation: Option<String>,
    pub created_at: Timestamp,
    pub webhook_id: String,
    pub kind: String,
    /// Set for the probe of an open circuit, to when it was due: a failure is the endpoint's, not its own.
    pub probe_due: Option<Timestamp>,
    body: Bytes,
    headers: Option<Bytes>,
}

/// What there was.
#[derive(Clone, Debug)]
pub enum Found {
    /// Deliveries in the order of their creation; possibly none.
    Deliveries {
        url: String,
        environment: EnvironmentPk,
        batch: Vec<ClaimedDelivery>,
    },
    /// The circuit is open.
    Open { until: Timestamp },
    /// Another node is claiming.
    Busy,
}

impl Reader {
    /// The endpoints with something waiting, and when to look at each.
    pub async fn endpoints_waiting(&self) -> Result<Vec<DueEndpoint>, StoreError> {
        let rows = self.query(&ENDPOINTS_WAITING, &[]).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            // Nothing is left if the last delivery ended meanwhile.
            if let Some(at) = row.get(1)? {
                due.push(DueEndpoint {
                    pk: row.get(0)?,
                    at,
                });
            }
        }
        Ok(due)
    }

    /// The bytes to send, and extra headers as a JSON list of pairs.
    pub async fn open_delivery(
        &self,
        delivery: &ClaimedDelivery,
    ) -> Result<(Bytes, Option<Bytes>), StoreError> {
        let context = |column| {
            event_seal(
                delivery.environment,
                delivery.connection,
                column,
                &delivery.webhook_id,
            )
        };
        let body = self.open(context("body"), &delivery.body).await?;
        let headers = match &delivery.headers {
            Some(sealed) => Some(self.open(context("headers"), sealed).await?),
            None => None,
        };
        Ok((body, headers))
    }
}

impl Tx {
    /// Gives back what a node had leased before it died; how many that are. They may have been sent: sent again, they
    /// have the same `webhook-id`.
    pub async fn recover_deliveries(&self, owner: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.execute(&RECOVER, params![owner, now]).await
    }

    /// Leases what can be sent to an endpoint now. Of an open circuit whose time has come only the oldest delivery is
    /// taken, as a probe.
    pub async fn claim_deliveries(&self, claim: &Claim) -> Result<Found, StoreError> {
        let Some(endpoint) = self.find(&ENDPOINT_LOCK, params![claim.endpoint]).await? else {
            return Ok(Found::Busy);
        };
        let url: String = endpoint.get(2)?;
        let environment = endpoint.get(3)?;
        let found = |batch| Found::Deliveries {
            url,
            environment,
            batch,
        };
        match endpoint.get::<Option<Timestamp>>(1)? {
            Some(until) if until > claim.now => Ok(Found::Open { until }),
            Some(_) => Ok(found(self.claim_probe(claim, &endpoint).await?)),
            None => {
                let values = params![
                    claim.endpoint,
                    claim.now,
                    claim.owner.as_str(),
                    claim.lease_until,
                    claim.limit,
                    claim.hold_attempts,
                ];
                let rows = self.query(&CLAIM_DUE, values).await?;
                let mut batch = rows
                    .iter()
                    .map(claimed_row)
                    .collect::<Result<Vec<_>, _>>()?;
                batch.sort_unstable_by_key(|delivery| delivery.pk);
                Ok(found(batch))
            }
        }
    }

    /// One delivery to try an open circuit with.
    async fn claim_probe(
        &self,
        claim: &Claim,
        endpoint: &Row,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let expired = params![
            claim.endpoint,
            claim.now,
            claim.expired_before,
            "the endpoint did not come back in time",
        ];
        self.execute(&EXPIRE, expired).await?;
        let (failures, turn): (i64, Option<i64>) = (endpoint.get(0)?, endpoint.get(4)?);
        let (chosen, turn) = if failures % 2 == 1 {
            self.next_in_turn(claim, turn).await?
        } else {
            (None, turn)
        };
        let chosen = match chosen {
            Some(chosen) => Some(chosen),
            None => {
                let values = params![claim.endpoint, claim.now];
                self.find(&OLDEST, values).await?
            }
        };
        let Some(chosen) = chosen else {
            return Ok(Vec::new());
        };
        let (pk, due): (i64, Timestamp) = (chosen.get(0)?, chosen.get(1)?);
        // Nobody else probes while this one is on its way.
        let values = params![claim.endpoint, claim.probe_until, turn];
        self.execute(&PROBING, values).await?;
        let values = params![pk, claim.owner.as_str(), claim.lease_until];
        let mut probe = claimed_row(&self.get(&CLAIM_ONE, values).await?)?;
        probe.probe_due = Some(due);
        Ok(vec![probe])
    }

    /// The oldest delivery of the next connection: the very oldest may be one that no endpoint would take. Being the first
    /// of its connection, it breaks no order.
    async fn next_in_turn(
        &self,
        claim: &Claim,
        turn: Option<i64>,
    ) -> Result<(Option<Row>, Option<i64>), StoreError> {
        let mut next = None;
        for after in [turn.unwrap_or(i64::MIN), i64::MIN] {
            let values = params![claim.endpoint, after];
            next = self
                .get(&NEXT_CONNECTION, values)
                .await?
                .get::<Option<i64>>(0)?;
            if next.is_some() {
                break;
            }
        }
        let Some(connection) = next else {
            return Ok((None, turn));
        };
        let values = params![claim.endpoint, claim.now, connection];
        let chosen = self.find(&OLDEST_OF_CONNECTION, values).await?;
        Ok((chosen, next))
    }
}

fn claimed_row(row: &Row) -> Result<ClaimedDelivery, StoreError> {
    Ok(ClaimedDelivery {
        pk: row.get(0)?,
        id: row.get(1)?,
        environment: row.get(2)?,
        connection: row.get(3)?,
        attempts: row.get(4)?,
        fence: row.get(5)?,
        operation: row.get(6)?,
        created_at: row.get(7)?,
        webhook_id: row.get(8)?,
        body: row.get(9)?,
        headers: row.get(10)?,
        kind: row.get(11)?,
        probe_due: None,
    })
}
