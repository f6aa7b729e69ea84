//! What the API does in the background and tells by id.

use bytes::Bytes;
use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, SealContext, StoreError, Tx, params};

crate::statements! {
    JOB_INSERT = "
        INSERT INTO job (id, environment_pk, kind, state, request, created_at_us)
        VALUES ($1, $2, $3, 'waiting', $4, $5)";
    JOB_BEGIN = "UPDATE job SET state = 'running' WHERE id = $1 AND finished_at_us IS NULL";
    JOB_FINISH = "
        UPDATE job SET state = $2, result = $3, finished_at_us = $4 WHERE id = $1 AND finished_at_us IS NULL";
    JOB_FIND = "
        SELECT id, environment_pk, kind, state, request, result, created_at_us, finished_at_us FROM job
        WHERE environment_pk = $1 AND kind = $2 AND id = $3";
    JOBS_OPEN = "
        SELECT COUNT(*) FROM job WHERE environment_pk = $1 AND created_at_us >= $2 AND finished_at_us IS NULL";
    JOBS_PURGE = "
        DELETE FROM job WHERE id IN (SELECT id FROM job WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)";
}

/// A job to store.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: String,
    pub environment: EnvironmentPk,
    pub kind: &'static str,
    /// JSON; sealed on the way in.
    pub request: Bytes,
    pub created_at: Timestamp,
}

/// A job, without what it carries.
#[derive(Clone, Debug)]
pub struct JobRow {
    pub id: String,
    pub environment: EnvironmentPk,
    /// `waiting`, `running`, `success` or `failed`.
    pub state: String,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

const fn seal<'a>(
    environment: EnvironmentPk,
    column: &'static str,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection: None,
        table: "job",
        column,
        row,
    }
}

impl Tx {
    /// Stores a job that waits.
    pub async fn insert_job(&self, new: &NewJob) -> Result<JobRow, StoreError> {
        let context = seal(new.environment, "request", &new.id);
        let request = self.seal(context, &new.request).await?;
        let values = params![&new.id, new.environment, new.kind, request, new.created_at];
        self.execute(&JOB_INSERT, values).await?;
        Ok(JobRow {
            id: new.id.clone(),
            environment: new.environment,
            state: "waiting".to_owned(),
            created_at: new.created_at,
            finished_at: None,
        })
    }

    /// Notes that a job is being done.
    pub async fn begin_job(&self, job: &JobRow) -> Result<(), StoreError> {
        self.execute(&JOB_BEGIN, params![&job.id]).await.map(|_| ())
    }

    /// Ends a job.
    pub async fn finish_job(
        &self,
        job: &JobRow,
        state: &str,
        result: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let context = seal(job.environment, "result", &job.id);
        let result = self.seal(context, result).await?;
        self.execute(&JOB_FINISH, params![&job.id, state, result, now])
            .await
            .map(|_| ())
    }

    /// How many jobs of an environment, begun since then, have not ended.
    pub async fn open_jobs(
        &self,
        environment: EnvironmentPk,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        self.get(&JOBS_OPEN, params![environment, since])
            .await?
            .get(0)
    }

    /// Removes old jobs; how many.
    pub async fn purge_jobs(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(&JOBS_PURGE, params![before, limit]).await
    }
}

impl Reader {
    /// A job with what was asked for and what came of it, as JSON.
    pub async fn find_job(
        &self,
        environment: EnvironmentPk,
        kind: &str,
        id: &str,
    ) -> Result<Option<(JobRow, Bytes, Option<Bytes>)>, StoreError> {
        let Some(row) = self.find(&JOB_FIND, params![environment, kind, id]).await? else {
            return Ok(None);
        };
        let job = JobRow {
            id: row.get(0)?,
            environment: row.get(1)?,
            state: row.get(3)?,
            created_at: row.get(6)?,
            finished_at: row.get(7)?,
        };
        let request: Bytes = row.get(4)?;
        let request = self
            .open(seal(environment, "request", &job.id), &request)
            .await?;
        let result = match row.get::<Option<Bytes>>(5)? {
            Some(sealed) => Some(
                self.open(seal(environment, "result", &job.id), &sealed)
                    .await?,
            ),
            None => None,
        };
        Ok(Some((job, request, result)))
    }
}
