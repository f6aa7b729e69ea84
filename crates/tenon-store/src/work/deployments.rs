//! Deployments, and the lock that lets one at a time into an environment.

use std::time::Duration;

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    DEPLOYMENT_INSERT = "
        INSERT INTO deployment (pk, environment_pk, mode, sdk_version, source, summary, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DEPLOYMENT_LAST = "SELECT MAX(pk) FROM deployment WHERE environment_pk = $1";
    DEPLOYMENT_FIND = "
        SELECT pk, mode, sdk_version, source, summary, created_at_us FROM deployment
        WHERE environment_pk = $1 AND pk = $2";
    DEPLOYMENT_LIST = "
        SELECT pk, mode, sdk_version, source, summary, created_at_us FROM deployment
        WHERE environment_pk = $1 AND pk < $2 ORDER BY pk DESC LIMIT $3";
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

/// A deployment of the past.
#[derive(Clone, Debug)]
pub struct DeploymentRow {
    pub pk: i64,
    pub mode: String,
    pub sdk_version: Option<String>,
    pub source: String,
    /// JSON.
    pub summary: String,
    pub created_at: Timestamp,
}

impl DeploymentRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            mode: row.get(1)?,
            sdk_version: row.get(2)?,
            source: row.get(3)?,
            summary: row.get(4)?,
            created_at: row.get(5)?,
        })
    }
}

impl Reader {
    /// A deployment of an environment.
    pub async fn find_deployment(
        &self,
        environment: EnvironmentPk,
        pk: i64,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        self.find(&DEPLOYMENT_FIND, params![environment, pk])
            .await?
            .map(|row| DeploymentRow::from_row(&row))
            .transpose()
    }

    /// Deployments of an environment before one of them, the newest first.
    pub async fn list_deployments(
        &self,
        environment: EnvironmentPk,
        before: i64,
        limit: i64,
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        let rows = self
            .query(&DEPLOYMENT_LIST, params![environment, before, limit])
            .await?;
        rows.iter().map(DeploymentRow::from_row).collect()
    }
}

impl Tx {
    /// The key of the newest deployment of an environment.
    pub async fn last_deployment(
        &self,
        environment: EnvironmentPk,
    ) -> Result<Option<i64>, StoreError> {
        self.get(&DEPLOYMENT_LAST, params![environment])
            .await?
            .get(0)
    }

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
