//! How far rotations are.

use tenon_core::{Timestamp, names::EnvironmentPk};

use super::HELD;
use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "pk, environment_pk, to_key, state, place, after, moved, unreadable, passes, found_in_pass, pass_began_at_us,
            created_at_us, finished_at_us"
    };
}

crate::statements! {
    ROTATION_INSERT = "
        INSERT INTO key_rotation (pk, environment_pk, to_key, state, place, after, moved, unreadable, passes,
            found_in_pass, pass_began_at_us, created_at_us)
        VALUES ($1, $2, $3, 'running', '', '', 0, 0, 1, 0, $4, $4)
        ON CONFLICT (environment_pk) WHERE state = 'running' DO NOTHING";
    ROTATION_FIND = concat!("SELECT ", columns!(), " FROM key_rotation WHERE pk = $1");
    ROTATION_RUNNING = concat!("SELECT ", columns!(), " FROM key_rotation WHERE state = 'running' ORDER BY pk");
    ROTATION_LATEST = concat!("SELECT ", columns!(), " FROM key_rotation ORDER BY pk DESC LIMIT $1");
    ROTATION_HOLD = "
        UPDATE key_rotation SET holder = $2, held_until_us = $3
        WHERE pk = $1 AND state = 'running' AND (holder IS NULL OR holder = $2 OR held_until_us < $4)";
    ROTATION_STEP = "
        UPDATE key_rotation SET place = $5, after = $6, moved = $7, unreadable = $8, passes = $9, found_in_pass = $10,
            pass_began_at_us = $11, held_until_us = $12
        WHERE pk = $1 AND state = 'running' AND holder = $2 AND place = $3 AND after = $4";
    ROTATION_DONE = "
        UPDATE key_rotation SET state = 'done', finished_at_us = $3, holder = NULL, held_until_us = NULL
        WHERE pk = $1 AND state = 'running' AND holder = $2";
}

/// A rotation, running or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub pk: i64,
    /// Nothing for the instance key.
    pub environment: Option<EnvironmentPk>,
    /// The key that everything is to be under.
    pub to_key: String,
    pub is_running: bool,
    /// `table.column` that is worked on; empty before the first one.
    pub place: String,
    pub(crate) after: String,
    /// Values that were moved to the new key.
    pub moved: i64,
    /// Values that no key opens: they stay as they are.
    pub unreadable: i64,
    pub passes: i64,
    pub(crate) found_in_pass: i64,
    pub(crate) pass_began_at: Timestamp,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl Rotation {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let environment: EnvironmentPk = row.get(1)?;
        Ok(Self {
            pk: row.get(0)?,
            environment: Some(environment).filter(|environment| environment.0 != 0),
            to_key: row.get(2)?,
            is_running: row.get::<String>(3)? == "running",
            place: row.get(4)?,
            after: row.get(5)?,
            moved: row.get(6)?,
            unreadable: row.get(7)?,
            passes: row.get(8)?,
            found_in_pass: row.get(9)?,
            pass_began_at: row.get(10)?,
            created_at: row.get(11)?,
            finished_at: row.get(12)?,
        })
    }

    /// Whether the pass that has just ended is the last one.
    pub(crate) fn is_clean(&self, is_postgres: bool) -> bool {
        let settled = if is_postgres {
            super::SETTLED
        } else {
            std::time::Duration::ZERO
        };
        self.found_in_pass == 0 && self.pass_began_at >= self.created_at.plus(settled)
    }
}

impl Reader {
    /// Rotations that have not ended.
    pub async fn running_rotations(&self) -> Result<Vec<Rotation>, StoreError> {
        let rows = self.query(&ROTATION_RUNNING, &[]).await?;
        rows.iter().map(Rotation::from_row).collect()
    }

    /// The latest rotations, the newest first.
    pub async fn latest_rotations(&self, count: i64) -> Result<Vec<Rotation>, StoreError> {
        let rows = self.query(&ROTATION_LATEST, params![count]).await?;
        rows.iter().map(Rotation::from_row).collect()
    }
}

impl Tx {
    /// Begins a rotation, nothing if one runs already.
    pub(crate) async fn insert_rotation(
        &self,
        pk: i64,
        environment: EnvironmentPk,
        to_key: &str,
        now: Timestamp,
    ) -> Result<Option<Rotation>, StoreError> {
        let values = params![pk, environment, to_key, now];
        if self.execute(&ROTATION_INSERT, values).await? == 0 {
            return Ok(None);
        }
        let row = self.get(&ROTATION_FIND, params![pk]).await?;
        Rotation::from_row(&row).map(Some)
    }

    /// Takes a rotation, or keeps it; its present state, nothing if it has ended or another node works on it.
    pub async fn hold_rotation(
        &self,
        pk: i64,
        holder: &str,
        now: Timestamp,
    ) -> Result<Option<Rotation>, StoreError> {
        let values = params![pk, holder, now.plus(HELD), now];
        if self.execute(&ROTATION_HOLD, values).await? == 0 {
            return Ok(None);
        }
        let row = self.get(&ROTATION_FIND, params![pk]).await?;
        Rotation::from_row(&row).map(Some)
    }

    /// Notes how far it got; false if somebody else was faster.
    pub(crate) async fn step_rotation(
        &self,
        before: &Rotation,
        after: &Rotation,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![
            before.pk,
            holder,
            &before.place,
            &before.after,
            &after.place,
            &after.after,
            after.moved,
            after.unreadable,
            after.passes,
            after.found_in_pass,
            after.pass_began_at,
            now.plus(HELD),
        ];
        Ok(self.execute(&ROTATION_STEP, values).await? == 1)
    }

    pub(crate) async fn end_rotation(
        &self,
        pk: i64,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![pk, holder, now];
        Ok(self.execute(&ROTATION_DONE, values).await? == 1)
    }
}
