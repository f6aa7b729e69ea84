//! Data keys: a new one for an environment, and everything under it.

use tenon_core::{Timestamp, names::EnvironmentPk};

use super::{
    Rotation,
    places::{Candidate, PLACES, Place, Wanted},
};
use crate::{Store, StoreError, Tx, params, seal::Sealer};

/// What one step of a rotation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Values moved by it; there is more to look at.
    Moved(i64),
    /// A pass is over, and another one is needed.
    PassEnded,
    /// Nothing stands under an older key.
    Done,
    /// Another node works on it.
    Lost,
}

impl Tx {
    /// Makes a new data key, which seals from now on, and begins to move everything to it. Nothing if a rotation of this
    /// environment runs already.
    pub async fn begin_data_key_rotation(
        &self,
        environment: EnvironmentPk,
        pk: i64,
        now: Timestamp,
    ) -> Result<Option<Rotation>, StoreError> {
        let key = self.store().ids.int();
        let begun = self
            .insert_rotation(pk, environment, &key.to_string(), now)
            .await?;
        if begun.is_some() {
            self.create_data_key_named(environment, key).await?;
        }
        Ok(begun)
    }
}

impl Store {
    /// One small transaction of a rotation that this node holds.
    pub async fn advance_rotation(
        &self,
        rotation: &Rotation,
        holder: &str,
        limit: i64,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let Some(environment) = rotation.environment else {
            return self
                .advance_instance_rotation(rotation, holder, limit, now)
                .await;
        };
        let Ok(key) = rotation.to_key.parse::<i64>() else {
            return Err(StoreError::Corrupt {
                table: "key_rotation",
                column: "to_key",
                row: rotation.pk.to_string(),
            });
        };
        let at = PLACES
            .iter()
            .position(|place| place.name() == rotation.place);
        let place = &PLACES[at.unwrap_or(0)];
        let after = if at.is_some() {
            rotation.after.as_str()
        } else {
            ""
        };
        let wanted = Wanted {
            environment,
            key: key.to_be_bytes(),
            limit,
        };
        let found = place.next(&self.reader(), wanted, after).await?;
        let mut next = rotation.clone();
        next.found_in_pass += i64::try_from(found.candidates.len()).unwrap_or(i64::MAX);
        let pass_ended = match found.after {
            Some(after) => {
                (next.place, next.after) = (place.name(), after);
                false
            }
            None => match PLACES.get(at.unwrap_or(0) + 1) {
                Some(following) => {
                    (next.place, next.after) = (following.name(), String::new());
                    false
                }
                None => true,
            },
        };
        let work = Work {
            before: rotation.clone(),
            next,
            place,
            key,
            candidates: found.candidates,
            holder: holder.to_owned(),
            is_postgres: self.is_postgres(),
            now,
        };
        self.write(move |tx| async move { work.commit(&tx, environment, pass_ended).await })
            .await
    }
}

/// A step that has been read and is to be written.
struct Work {
    before: Rotation,
    next: Rotation,
    place: &'static Place,
    key: i64,
    candidates: Vec<Candidate>,
    holder: String,
    is_postgres: bool,
    now: Timestamp,
}

impl Work {
    async fn commit(
        mut self,
        tx: &Tx,
        environment: EnvironmentPk,
        pass_ended: bool,
    ) -> Result<Step, StoreError> {
        let mut moved = 0;
        for candidate in &self.candidates {
            match self.seal_again(tx, environment, candidate).await {
                Ok(rows) => moved += i64::try_from(rows).unwrap_or(0),
                Err(StoreError::Corrupt { table, column, row }) => {
                    tracing::warn!("no key opens `{table}.{column}` of row `{row}`: left as it is");
                    self.next.unreadable += 1;
                    self.next.found_in_pass -= 1;
                }
                Err(error) => return Err(error),
            }
        }
        self.next.moved += moved;
        let is_done = pass_ended && self.next.is_clean(self.is_postgres);
        if pass_ended && !is_done {
            self.next.begin_pass(self.now);
        }
        let stepped = tx
            .step_rotation(&self.before, &self.next, &self.holder, self.now)
            .await?;
        if !stepped {
            // Whoever was faster has moved these values, or will.
            return Ok(Step::Lost);
        }
        if is_done {
            tx.end_rotation(self.next.pk, &self.holder, self.now)
                .await?;
            return Ok(Step::Done);
        }
        Ok(if pass_ended {
            Step::PassEnded
        } else {
            Step::Moved(moved)
        })
    }

    async fn seal_again(
        &self,
        tx: &Tx,
        environment: EnvironmentPk,
        candidate: &Candidate,
    ) -> Result<u64, StoreError> {
        let context = self.place.context(environment, candidate);
        let plain = tx.open(context, &candidate.sealed).await?;
        let mut sealer = tx
            .sealer_with(environment, context.connection, self.key)
            .await?;
        let sealed = sealer.seal(context.table, context.column, context.row, &plain)?;
        self.place.put(tx, candidate, sealed).await
    }
}

impl Rotation {
    pub(crate) fn begin_pass(&mut self, now: Timestamp) {
        self.passes += 1;
        self.found_in_pass = 0;
        // What no key opens is met again.
        self.unreadable = 0;
        self.pass_began_at = now;
        (self.place, self.after) = (String::new(), String::new());
    }
}

crate::statements! {
    NEWEST_MADE = "SELECT MAX(created_at_us) FROM data_key WHERE environment_pk = $1";
}

impl Tx {
    /// A data key that counts as newer than all others, whatever the clock says.
    async fn create_data_key_named(
        &self,
        environment: EnvironmentPk,
        pk: i64,
    ) -> Result<(), StoreError> {
        let store = self.store();
        let newest = self.get(&NEWEST_MADE, params![environment]).await?;
        let newest: Option<Timestamp> = newest.get(0)?;
        let after = newest.map(|at| Timestamp::from_micros(at.micros() + 1));
        let now = after.map_or_else(|| store.clock.now(), |after| after.max(store.clock.now()));
        store
            .keys
            .create(self, self.fresh_keys(), environment, pk, now, &store.random)
            .await
    }

    /// Seals with a certain key, not with the newest that this node knows.
    async fn sealer_with(
        &self,
        environment: EnvironmentPk,
        connection: Option<tenon_core::names::ConnectionPk>,
        key: i64,
    ) -> Result<Sealer, StoreError> {
        let store = self.store();
        let found = store
            .keys
            .find(self, Some(self.fresh_keys()), environment, key)
            .await?;
        let found = found.ok_or_else(|| StoreError::Corrupt {
            table: "data_key",
            column: "wrapped",
            row: key.to_string(),
        })?;
        Ok(Sealer::new(&found, connection, store.random.clone()))
    }
}
