//! The instance key: a new one, and every data key wrapped by it.

use bytes::Bytes;
use tenon_core::{Timestamp, names::EnvironmentPk};

use super::{Rotation, Step, dialect};
use crate::{
    Store, StoreError, Tx,
    instance_key::{
        ALL_VALUES, CHECK, FIND_VALUE, HANDOVER, INSERT_VALUE, InstanceRows, KeyId, VAULT, id_text,
    },
    params,
    seal::{Sealed, sealed_by, wrapped_row},
};

crate::statements! {
    UPDATE_VALUE = "UPDATE instance SET value = $2 WHERE name = $1";
    FORGET_HANDOVER = "DELETE FROM instance WHERE name LIKE 'handover/%'";
    FORGET_VAULT = "DELETE FROM instance WHERE name LIKE 'vault/%' AND name <> $1";
    NEXT_DATA_KEYS = "
        SELECT pk, environment_pk, wrapped FROM data_key
        WHERE pk > $1 AND substr(wrapped, 2, 8) <> $2 ORDER BY pk LIMIT $3";
}

/// What stands for all environments in `key_rotation`.
const INSTANCE: EnvironmentPk = EnvironmentPk(0);

/// The place of an instance rotation, as progress shows it.
const DATA_KEYS: &str = "data_key.wrapped";

/// A data key to wrap again.
struct Wrapped {
    pk: i64,
    environment: EnvironmentPk,
    sealed: Bytes,
}

impl Store {
    /// Makes a new instance key (or takes the one that the configuration gives) and begins to wrap all data keys with
    /// it. Nothing if a rotation of the instance key runs already.
    ///
    /// The new key is where restarts will find it before the database knows it: in the key file, in the configuration,
    /// or wrapped by the key service. For as long as the rotation lasts, the database also holds each of the two wrapped
    /// by the other, so that a node which has either can read everything.
    pub async fn begin_instance_rotation(
        &self,
        pk: i64,
        now: Timestamp,
    ) -> Result<Option<Rotation>, StoreError> {
        let running = self.reader().running_rotations().await?;
        if running
            .iter()
            .any(|rotation| rotation.environment.is_none())
        {
            return Ok(None);
        }
        let inner = self.inner();
        let next = inner
            .key_source
            .next(self.current_instance_key().await?)
            .await?;
        let key = std::sync::Arc::new(next.key);
        self.write(move |tx| async move {
            let name = id_text(key.id);
            let Some(begun) = tx.insert_rotation(pk, INSTANCE, &name, now).await? else {
                return Ok(None);
            };
            let store = tx.store();
            // Held for change: who makes a data key meanwhile waits, and then uses the new key.
            let check: Bytes = tx.get(&dialect::REPLACE_CHECK, &[]).await?.get(0)?;
            let old = sealed_by(&check).ok_or_else(corrupt)?;
            let old = store.keys.instance_key(&tx, old).await?;
            for (name, value) in key.rows(&store.random, &store.keys.instance().index())? {
                tx.execute(&UPDATE_VALUE, params![name, value]).await?;
            }
            for (for_whom, of) in [(&old, &key), (&key, &old)] {
                let (name, value) = of.handover(&store.random, for_whom)?;
                tx.execute(&INSERT_VALUE, params![name, value]).await?;
            }
            if let Some(wrapped) = next.wrapped {
                let name = format!("{VAULT}{}", id_text(key.id));
                tx.execute(&INSERT_VALUE, params![name, wrapped]).await?;
            }
            tx.after_commit(move || store.keys.instance().add(key));
            Ok(Some(begun))
        })
        .await
    }

    /// Learns instance keys that other nodes have made, and keeps them where this node keeps its own. Call it every few
    /// seconds: a node that slept through a rotation cannot open what was made since.
    pub async fn learn_instance_keys(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        let rows = self.reader().query(&ALL_VALUES, &[]).await?;
        let rows: Result<InstanceRows, StoreError> = rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect();
        for (name, value) in rows?.range(HANDOVER.to_owned()..) {
            if !name.starts_with(HANDOVER) {
                break;
            }
            if let Some(key) = inner.keys.instance().learn(name, value) {
                inner.key_source.keep(&key)?;
            }
        }
        Ok(())
    }

    /// Id of the instance key in force.
    pub(crate) async fn current_instance_key(&self) -> Result<KeyId, StoreError> {
        let row = self.reader().get(&FIND_VALUE, params![CHECK]).await?;
        sealed_by(&row.get::<Bytes>(0)?).ok_or_else(corrupt)
    }

    pub(super) async fn advance_instance_rotation(
        &self,
        rotation: &Rotation,
        holder: &str,
        limit: i64,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let target: KeyId = hex::decode(&rotation.to_key)
            .ok()
            .and_then(|id| KeyId::try_from(id).ok())
            .ok_or_else(corrupt)?;
        let after = rotation.after.parse::<i64>().unwrap_or(i64::MIN);
        let params = params![after, target.to_vec(), limit];
        let mut found = Vec::new();
        for row in self.reader().query(&NEXT_DATA_KEYS, params).await? {
            found.push(Wrapped {
                pk: row.get(0)?,
                environment: row.get(1)?,
                sealed: row.get(2)?,
            });
        }
        let (before, holder) = (rotation.clone(), holder.to_owned());
        let is_postgres = self.is_postgres();
        self.write(move |tx| async move {
            let mut next = before.clone();
            next.place = DATA_KEYS.to_owned();
            let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
            let mut moved = 0;
            for wrapped in &found {
                next.found_in_pass += 1;
                next.after = wrapped.pk.to_string();
                match wrap_again(&tx, target, wrapped).await {
                    Ok(rows) => moved += i64::try_from(rows).unwrap_or(0),
                    Err(StoreError::Corrupt { row, .. }) => {
                        tracing::warn!("no instance key opens data key `{row}`: left as it is");
                        next.unreadable += 1;
                        next.found_in_pass -= 1;
                    }
                    Err(error) => return Err(error),
                }
            }
            next.moved += moved;
            let is_done = !is_full && next.is_clean(is_postgres);
            if !is_full && !is_done {
                next.begin_pass(now);
            }
            if !tx.step_rotation(&before, &next, &holder, now).await? {
                return Ok(Step::Lost);
            }
            if is_done {
                tx.execute(&FORGET_HANDOVER, &[]).await?;
                let kept = format!("{VAULT}{}", id_text(target));
                tx.execute(&FORGET_VAULT, params![kept]).await?;
                tx.end_rotation(next.pk, &holder, now).await?;
                return Ok(Step::Done);
            }
            Ok(if is_full {
                Step::Moved(moved)
            } else {
                Step::PassEnded
            })
        })
        .await
    }
}

async fn wrap_again(tx: &Tx, target: KeyId, wrapped: &Wrapped) -> Result<u64, StoreError> {
    let store = tx.store();
    let row = wrapped_row(wrapped.environment, wrapped.pk);
    let corrupt = || StoreError::Corrupt {
        table: "data_key",
        column: "wrapped",
        row: row.clone(),
    };
    let id = sealed_by(&wrapped.sealed).ok_or_else(corrupt)?;
    let old = store.keys.instance_key(tx, id).await?;
    let plain = old.unwrap("data_key", &row, &wrapped.sealed);
    let plain = plain.ok_or_else(corrupt)?;
    let new = store.keys.instance_key(tx, target).await?;
    let sealed: Sealed = new.wrap(&store.random, "data_key", &row, plain.expose())?;
    let params = params![wrapped.pk, wrapped.sealed.clone(), sealed];
    tx.execute(&dialect::PUT_DATA_KEY, params).await
}

fn corrupt() -> StoreError {
    StoreError::Corrupt {
        table: "instance",
        column: "value",
        row: CHECK.to_owned(),
    }
}
