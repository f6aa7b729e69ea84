//! What became of deliveries and of the endpoints they went to.

use tenon_core::Timestamp;

use crate::{StoreError, Tx, params};

crate::statements! {
    DELIVERY_END = "
        UPDATE delivery SET state = $3, attempts = $4, next_at_us = $5, lease_owner = NULL, lease_expires_at_us = NULL,
            last_status = $6, last_error = $7, finished_at_us = $8
        WHERE pk = $1 AND fence = $2 AND state = 'waiting'";
    DELIVERY_RELEASE = "
        UPDATE delivery SET next_at_us = $3, lease_owner = NULL, lease_expires_at_us = NULL
        WHERE pk = $1 AND fence = $2 AND state = 'waiting'";
    ATTEMPT_INSERT = "
        INSERT INTO attempt (pk, delivery_pk, at_us, status, error, duration_us) VALUES ($1, $2, $3, $4, $5, $6)";
    ENDPOINT_WORKS = "
        UPDATE endpoint SET failures = 0, open_until_us = NULL
        WHERE pk = $1 AND (failures > 0 OR open_until_us IS NOT NULL)";
    // What failed before the endpoint came back is tried again now.
    ENDPOINT_BACK = "
        UPDATE delivery SET next_at_us = $2
        WHERE endpoint_pk = $1 AND state = 'waiting' AND next_at_us > $2 AND lease_owner IS NULL";
    ENDPOINT_FAILS = "
        UPDATE endpoint SET failures = failures + $2,
            open_until_us = CASE WHEN failures + $2 >= $3 THEN $4 ELSE open_until_us END
        WHERE pk = $1";
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Again at that time; it was a real attempt.
    Retry(Timestamp),
    /// Again at that time; nothing was sent, or it was a probe that does not count.
    Release(Timestamp),
    /// Given up.
    Failed,
}

/// A delivery that comes back from a worker.
#[derive(Clone, Debug)]
pub struct Finished {
    pub delivery: i64,
    pub fence: i64,
    /// Attempts made, this one included.
    pub attempts: i64,
    pub outcome: Outcome,
    /// Key of the attempt's row.
    pub attempt: i64,
    pub at: Timestamp,
    pub duration_us: i64,
    pub status: Option<i64>,
    pub error: Option<String>,
}

/// What a round of requests says about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointTurn {
    Works,
    Fails {
        count: i64,
        /// Failures in a row that open the circuit.
        open_at: i64,
        probe_at: Timestamp,
    },
}

impl Tx {
    /// Writes what became of a delivery. Nothing happens if the lease was lost; says whether it was held.
    pub async fn finish_delivery(&self, finished: &Finished) -> Result<bool, StoreError> {
        let (state, next_at) = match finished.outcome {
            Outcome::Release(next_at) => {
                let values = params![finished.delivery, finished.fence, next_at];
                return Ok(self.execute(&DELIVERY_RELEASE, values).await? > 0);
            }
            Outcome::Delivered => ("delivered", finished.at),
            Outcome::Retry(next_at) => ("waiting", next_at),
            Outcome::Failed => ("failed", finished.at),
        };
        let ended = (state != "waiting").then_some(finished.at);
        let values = params![
            finished.delivery,
            finished.fence,
            state,
            finished.attempts,
            next_at,
            finished.status,
            finished.error.clone(),
            ended,
        ];
        let held = self.execute(&DELIVERY_END, values).await? > 0;
        // The request was made, lease or not: the attempt is told.
        let values = params![
            finished.attempt,
            finished.delivery,
            finished.at,
            finished.status,
            finished.error.clone(),
            finished.duration_us,
        ];
        self.execute(&ATTEMPT_INSERT, values).await?;
        Ok(held)
    }

    /// Moves the circuit of an endpoint.
    pub async fn turn_endpoint(
        &self,
        endpoint: i64,
        turn: EndpointTurn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match turn {
            EndpointTurn::Works => {
                let changed = self.execute(&ENDPOINT_WORKS, params![endpoint]).await?;
                if changed > 0 {
                    self.execute(&ENDPOINT_BACK, params![endpoint, now]).await?;
                }
            }
            EndpointTurn::Fails {
                count,
                open_at,
                probe_at,
            } => {
                let values = params![endpoint, count, open_at, probe_at];
                self.execute(&ENDPOINT_FAILS, values).await?;
            }
        }
        Ok(())
    }
}
