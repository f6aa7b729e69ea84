//! Deployments, and the lock that lets one at a time into an environment.

use std::time::Duration;

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{StoreError, Tx, params};

crate::statements! {
    DEPLOYMENT_INSERT = "
        INSERT INTO deployment (pk, environment_pk, mode, sdk_version, source, summary, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DEPLOY_LOCK_TAKE = "
        INSERT INTO deploy_lock (environment_pk, owner, expires_at_us) VALUES ($1, $2, $3)
        ON CONFLICT (environment_pk) DO UPDATE SET owner = $2, expires_at_us = $3
            WHERE deploy_lock.expires_at_us <= $4";
    DEPLOY_LOCK_KEEP = "
        UPDATE deploy_lock SET expires_at_us = $3 WHERE environment_pk = $1 AND owner = $2";
    DEPLOY_LOCK_DROP = "DELETE FROM deploy_lock WHERE environment_pk = $1 AND owner = $2";
}

/// One deploy, for the record.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    pub pk: i64,
    pub environment: EnvironmentPk,
    pub mode: &'static str,
    pub sdk_version: Option<String>,
    pub source: String,
    /// JSON.
    pub summary: String,
    pub created_at: Timestamp,
}

impl Tx {
    /// Stores a deployment.
    pub async fn insert_deployment(&self, new: &NewDeployment) -> Result<(), StoreError> {
        let values = params![
            new.pk,
            new.environment,
            new.mode,
            new.sdk_version.clone(),
            &new.source,
            &new.summary,
            new.created_at,
        ];
        self.execute(&DEPLOYMENT_INSERT, values).await.map(|_| ())
    }

    /// Takes the deploy lock of an environment; false if somebody else has it.
    pub async fn take_deploy_lock(
        &self,
        environment: EnvironmentPk,
        owner: &str,
        now: Timestamp,
        hold: Duration,
    ) -> Result<bool, StoreError> {
        let values = params![environment, owner, now.plus(hold), now];
        Ok(self.execute(&DEPLOY_LOCK_TAKE, values).await? == 1)
    }

    /// Keeps the deploy lock for longer, and everybody else away until the commit; false if it is somebody else's by now.
    pub async fn keep_deploy_lock(
        &self,
        environment: EnvironmentPk,
        owner: &str,
        now: Timestamp,
        hold: Duration,
    ) -> Result<bool, StoreError> {
        let kept = self
            .execute(
                &DEPLOY_LOCK_KEEP,
                params![environment, owner, now.plus(hold)],
            )
            .await?;
        Ok(kept == 1)
    }

    /// Gives the deploy lock back; false if it was not `owner`'s any more.
    pub async fn drop_deploy_lock(
        &self,
        environment: EnvironmentPk,
        owner: &str,
    ) -> Result<bool, StoreError> {
        let dropped = self
            .execute(&DEPLOY_LOCK_DROP, params![environment, owner])
            .await?;
        Ok(dropped == 1)
    }
}
