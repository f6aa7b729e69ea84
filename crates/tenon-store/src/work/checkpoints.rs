//! Checkpoints of functions, and the locks that functions take.

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use crate::{Reader, StoreError, Tx, params};

crate::statements! {
    CHECKPOINT_FIND = "SELECT value, version FROM checkpoint WHERE connection_pk = $1 AND key = $2";
    CHECKPOINT_PUT = "
        INSERT INTO checkpoint (connection_pk, key, value, version, updated_at_us) VALUES ($1, $2, $3, 1, $5)
        ON CONFLICT (connection_pk, key) DO UPDATE
            SET value = $3, version = checkpoint.version + 1, updated_at_us = $5
            WHERE checkpoint.version = $4
        RETURNING version";
    CHECKPOINT_DELETE = "
        DELETE FROM checkpoint
        WHERE connection_pk = $1 AND (key = $2 OR substr(key, 1, length($3)) = $3)";
    CHECKPOINT_DELETE_ALL = "DELETE FROM checkpoint WHERE connection_pk = $1";
    LOCK_TAKE = "
        INSERT INTO function_lock (environment_pk, key, owner, expires_at_us) VALUES ($1, $2, $3, $4)
        ON CONFLICT (environment_pk, key) DO UPDATE SET owner = $3, expires_at_us = $4
            WHERE function_lock.owner = $3 OR function_lock.expires_at_us <= $5";
    LOCK_DROP = "DELETE FROM function_lock WHERE environment_pk = $1 AND key = $2 AND owner = $3";
    LOCK_DROP_ALL = "DELETE FROM function_lock WHERE environment_pk = $1 AND owner = $2";
    LOCK_DROP_EXPIRED = "DELETE FROM function_lock WHERE expires_at_us <= $1";
}

/// A checkpoint as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointRow {
    /// JSON object; nothing when cleared.
    pub value: Option<String>,
    /// 0 if there never was one.
    pub version: i64,
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// The checkpoint of that key; version 0 if there never was one.
            pub async fn checkpoint(
                &self,
                connection: ConnectionPk,
                key: &str,
            ) -> Result<CheckpointRow, StoreError> {
                let Some(row) = self
                    .find(&CHECKPOINT_FIND, params![connection, key])
                    .await?
                else {
                    return Ok(CheckpointRow::default());
                };
                Ok(CheckpointRow {
                    value: row.get(0)?,
                    version: row.get(1)?,
                })
            }
        }
    };
}

reads!(Tx);
reads!(Reader);

impl Tx {
    /// Writes a checkpoint over the version that the caller knows; the new version, or `None` if another one is there.
    pub async fn put_checkpoint(
        &self,
        connection: ConnectionPk,
        key: &str,
        value: Option<&str>,
        expected_version: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let values = params![connection, key, value, expected_version, now];
        self.find(&CHECKPOINT_PUT, values)
            .await?
            .map(|row| row.get(0))
            .transpose()
    }

    /// Removes a checkpoint and all whose key goes on after a colon.
    pub async fn delete_checkpoints(
        &self,
        connection: ConnectionPk,
        key: &str,
        prefix: &str,
    ) -> Result<(), StoreError> {
        self.execute(&CHECKPOINT_DELETE, params![connection, key, prefix])
            .await
            .map(|_| ())
    }

    /// Removes all checkpoints of a connection.
    pub async fn delete_checkpoints_of(&self, connection: ConnectionPk) -> Result<(), StoreError> {
        self.execute(&CHECKPOINT_DELETE_ALL, params![connection])
            .await
            .map(|_| ())
    }

    /// Takes a lock, or takes it again; false while another owner has it.
    pub async fn take_lock(
        &self,
        environment: EnvironmentPk,
        key: &str,
        owner: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![environment, key, owner, expires_at, now];
        Ok(self.execute(&LOCK_TAKE, values).await? == 1)
    }

    /// Gives a lock back; false if it was not the owner's.
    pub async fn drop_lock(
        &self,
        environment: EnvironmentPk,
        key: &str,
        owner: &str,
    ) -> Result<bool, StoreError> {
        Ok(self
            .execute(&LOCK_DROP, params![environment, key, owner])
            .await?
            == 1)
    }

    /// Gives back all locks of an owner.
    pub async fn drop_locks(
        &self,
        environment: EnvironmentPk,
        owner: &str,
    ) -> Result<(), StoreError> {
        self.execute(&LOCK_DROP_ALL, params![environment, owner])
            .await
            .map(|_| ())
    }

    /// Forgets locks whose time is over.
    pub async fn drop_expired_locks(&self, now: Timestamp) -> Result<(), StoreError> {
        self.execute(&LOCK_DROP_EXPIRED, params![now])
            .await
            .map(|_| ())
    }
}
