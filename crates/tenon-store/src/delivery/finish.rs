//! What became of deliveries and of the endpoints they went to.

use rusqlite::CachedStatement;
use tenon_core::Timestamp;

use super::dialect::{ATTEMPTS_INSERT, DELIVERIES_END};
use crate::{Param, StoreError, Tx, params};

crate::statements! {
    DELIVERY_RELEASE = "
        UPDATE delivery SET next_at_us = $3, lease_owner = NULL, lease_expires_at_us = NULL
        WHERE pk = $1 AND fence = $2 AND state = 'waiting'";
    ENDPOINT_WORKS = "
        UPDATE endpoint SET failures = 0, open_until_us = NULL
        WHERE pk = $1 AND (failures > 0 OR open_until_us IS NOT NULL)";
    // What failed before the endpoint came back is tried again now.
    ENDPOINT_BACK = "
        UPDATE delivery SET next_at_us = $2
        WHERE endpoint_pk = $1 AND state = 'waiting' AND fence >= 0 AND next_at_us > $2 AND lease_owner IS NULL";
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
    /// Writes what became of deliveries. Nothing happens to those whose lease was lost; returns how many were held.
    pub async fn finish_deliveries(&self, finished: &[Finished]) -> Result<u64, StoreError> {
        let mut held = 0;
        let mut ended = Vec::with_capacity(finished.len());
        for one in finished {
            match one.outcome {
                Outcome::Release(next_at) => {
                    let values = params![one.delivery, one.fence, next_at];
                    held += self.execute(&DELIVERY_RELEASE, values).await?;
                }
                Outcome::Delivered => ended.push(Ended::new(one, "delivered", one.at, true)),
                Outcome::Retry(next_at) => ended.push(Ended::new(one, "waiting", next_at, false)),
                Outcome::Failed => ended.push(Ended::new(one, "failed", one.at, true)),
            }
        }
        if ended.is_empty() {
            return Ok(held);
        }
        if let Some(sqlite) = self.sqlite() {
            let written = sqlite.with_prepared(&DELIVERIES_END, |prepared| {
                let mut touched = 0;
                for one in &ended {
                    touched += one.end(prepared)?;
                }
                Ok(touched)
            });
            held += self.noted(written)?;
            // A request was made, lease or not: the attempt is told.
            let told = sqlite.with_prepared(&ATTEMPTS_INSERT, |prepared| {
                ended.iter().try_for_each(|one| one.tell(prepared))
            });
            self.noted(told)?;
            return Ok(held);
        }
        let values = [
            ints(&ended, |one| Some(one.told.delivery)),
            ints(&ended, |one| Some(one.told.fence)),
            Param::TextArray(ended.iter().map(|one| Some(one.state.to_owned())).collect()),
            ints(&ended, |one| Some(one.told.attempts)),
            ints(&ended, |one| Some(one.next_at.micros())),
            ints(&ended, |one| one.told.status),
            Param::TextArray(ended.iter().map(|one| one.told.error.clone()).collect()),
            ints(&ended, |one| one.ended_at.map(Timestamp::micros)),
        ];
        held += self.execute(&DELIVERIES_END, &values).await?;
        let values = [
            ints(&ended, |one| Some(one.told.attempt)),
            ints(&ended, |one| Some(one.told.delivery)),
            ints(&ended, |one| Some(one.told.at.micros())),
            ints(&ended, |one| one.told.status),
            Param::TextArray(ended.iter().map(|one| one.told.error.clone()).collect()),
            ints(&ended, |one| Some(one.told.duration_us)),
        ];
        self.execute(&ATTEMPTS_INSERT, &values).await?;
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

/// A delivery that was really sent, and the row it becomes.
struct Ended<'a> {
    told: &'a Finished,
    state: &'static str,
    next_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl<'a> Ended<'a> {
    fn new(told: &'a Finished, state: &'static str, next_at: Timestamp, is_final: bool) -> Self {
        Self {
            told,
            state,
            next_at,
            ended_at: is_final.then_some(told.at),
        }
    }

    fn end(&self, prepared: &mut CachedStatement<'_>) -> rusqlite::Result<u64> {
        prepared.raw_bind_parameter(1, self.told.delivery)?;
        prepared.raw_bind_parameter(2, self.told.fence)?;
        prepared.raw_bind_parameter(3, self.state)?;
        prepared.raw_bind_parameter(4, self.told.attempts)?;
        prepared.raw_bind_parameter(5, self.next_at.micros())?;
        prepared.raw_bind_parameter(6, self.told.status)?;
        prepared.raw_bind_parameter(7, self.told.error.as_deref())?;
        prepared.raw_bind_parameter(8, self.ended_at.map(Timestamp::micros))?;
        prepared.raw_execute().map(|touched| touched as u64)
    }

    fn tell(&self, prepared: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
        prepared.raw_bind_parameter(1, self.told.attempt)?;
        prepared.raw_bind_parameter(2, self.told.delivery)?;
        prepared.raw_bind_parameter(3, self.told.at.micros())?;
        prepared.raw_bind_parameter(4, self.told.status)?;
        prepared.raw_bind_parameter(5, self.told.error.as_deref())?;
        prepared.raw_bind_parameter(6, self.told.duration_us)?;
        prepared.raw_execute().map(drop)
    }
}

fn ints(ended: &[Ended<'_>], column: impl Fn(&Ended<'_>) -> Option<i64>) -> Param {
    Param::IntArray(ended.iter().map(column).collect())
}
