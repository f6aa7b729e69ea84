//! Tokens that providers are told to forget, and the proof that they were.

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use crate::{Reader, Row, SealContext, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "pk, environment_pk, connection_pk, integration_key, connection_id, provider, reason, token, fingerprint, state,
            attempts, status, error, created_at_us, finished_at_us"
    };
}

crate::statements! {
    REVOCATION_INSERT = "
        INSERT INTO revocation (pk, environment_pk, connection_pk, integration_key, connection_id, provider, reason,
            token, fingerprint, request, state, attempts, next_at_us, error, created_at_us, finished_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $12, $14)";
    REVOCATION_DUE = "
        SELECT pk FROM revocation WHERE state = 'waiting' AND next_at_us <= $1 ORDER BY next_at_us LIMIT $2";
    REVOCATION_CLAIM = "
        UPDATE revocation SET next_at_us = $3, attempts = attempts + 1
        WHERE pk = $1 AND state = 'waiting' AND next_at_us <= $2";
    REVOCATION_OPEN = concat!("SELECT ", columns!(), ", request FROM revocation WHERE pk = $1");
    REVOCATION_LATER = "
        UPDATE revocation SET next_at_us = $3, status = $4, error = $5
        WHERE pk = $1 AND state = 'waiting' AND attempts = $2";
    REVOCATION_FINISH = "
        UPDATE revocation SET state = $3, status = $4, error = $5, finished_at_us = $6, request = NULL
        WHERE pk = $1 AND state = 'waiting' AND attempts = $2";
    REVOCATION_LIST = concat!("
        SELECT ", columns!(), " FROM revocation
        WHERE environment_pk = $1 AND pk < $2 AND (CAST($3 AS TEXT) IS NULL OR connection_id = $3)
        ORDER BY pk DESC LIMIT $4");
    REVOCATION_DELETE_OLD = "
        DELETE FROM revocation WHERE pk IN (
            SELECT pk FROM revocation WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2)";
}

/// A token to revoke, or the note that it cannot be.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    pub pk: i64,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub integration_key: String,
    pub connection_id: String,
    pub provider: String,
    pub reason: &'static str,
    pub token: &'static str,
    pub fingerprint: String,
    /// JSON, sealed on the way in; nothing where the provider cannot be told.
    pub request: Option<Bytes>,
    /// Why it cannot be told.
    pub unsupported: Option<String>,
    pub created_at: Timestamp,
}

/// A revocation and what became of it.
#[derive(Clone, Debug)]
pub struct RevocationRow {
    pub pk: i64,
    pub environment: EnvironmentPk,
    pub connection: ConnectionPk,
    pub integration_key: String,
    pub connection_id: String,
    pub provider: String,
    pub reason: String,
    pub token: String,
    pub fingerprint: String,
    pub state: String,
    pub attempts: i64,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl RevocationRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            environment: row.get(1)?,
            connection: row.get(2)?,
            integration_key: row.get(3)?,
            connection_id: row.get(4)?,
            provider: row.get(5)?,
            reason: row.get(6)?,
            token: row.get(7)?,
            fingerprint: row.get(8)?,
            state: row.get(9)?,
            attempts: row.get(10)?,
            status: row.get(11)?,
            error: row.get(12)?,
            created_at: row.get(13)?,
            finished_at: row.get(14)?,
        })
    }
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct RevocationOutcome {
    /// `revoked`, `gone` or `failed`; nothing if it is to be tried again.
    pub state: Option<&'static str>,
    pub status: Option<i64>,
    pub error: Option<String>,
    /// The next try, if there is one.
    pub next_at: Timestamp,
}

impl Tx {
    /// Stores a revocation with the deletion that it follows from.
    pub async fn insert_revocation(&self, new: &NewRevocation) -> Result<(), StoreError> {
        let row = new.pk.to_string();
        let context = seal(new.environment, new.connection, &row);
        let request = match &new.request {
            Some(plain) => Some(self.seal(context, plain).await?),
            None => None,
        };
        let (state, finished_at) = if request.is_some() {
            ("waiting", None)
        } else {
            ("unsupported", Some(new.created_at))
        };
        let values = params![
            new.pk,
            new.environment,
            new.connection,
            &new.integration_key,
            &new.connection_id,
            &new.provider,
            new.reason,
            new.token,
            &new.fingerprint,
            request,
            state,
            new.created_at,
            new.unsupported.clone(),
            finished_at,
        ];
        self.execute(&REVOCATION_INSERT, values).await.map(|_| ())
    }

    /// Takes due revocations until `until`; whoever does not finish them by then gives them up.
    pub async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<(RevocationRow, Bytes)>, StoreError> {
        let mut claimed = Vec::new();
        for row in self.query(&REVOCATION_DUE, params![now, limit]).await? {
            let pk: i64 = row.get(0)?;
            if self
                .execute(&REVOCATION_CLAIM, params![pk, now, until])
                .await?
                == 0
            {
                continue;
            }
            let row = self.get(&REVOCATION_OPEN, params![pk]).await?;
            let revocation = RevocationRow::from_row(&row)?;
            let sealed: Bytes = row.get(15)?;
            let name = pk.to_string();
            let context = seal(revocation.environment, revocation.connection, &name);
            let request = self.open(context, &sealed).await?;
            claimed.push((revocation, request));
        }
        Ok(claimed)
    }

    /// Notes what an attempt came to; nothing if it was not this attempt's any more.
    pub async fn end_revocation_attempt(
        &self,
        revocation: &RevocationRow,
        outcome: &RevocationOutcome,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (pk, attempt) = (revocation.pk, revocation.attempts);
        let (status, error) = (outcome.status, outcome.error.clone());
        let changed = match outcome.state {
            Some(state) => {
                let values = params![pk, attempt, state, status, error, now];
                self.execute(&REVOCATION_FINISH, values).await?
            }
            None => {
                let values = params![pk, attempt, outcome.next_at, status, error];
                self.execute(&REVOCATION_LATER, values).await?
            }
        };
        Ok(changed == 1)
    }

    /// Forgets old proofs.
    pub async fn delete_revocations_before(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.execute(&REVOCATION_DELETE_OLD, params![before, limit])
            .await
    }
}

impl Reader {
    /// Whether a revocation is due: looking costs less than beginning a transaction for nothing.
    pub async fn has_due_revocation(&self, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.find(&REVOCATION_DUE, params![now, 1_i64]).await?;
        Ok(found.is_some())
    }

    /// Revocations of an environment, the newest first; `before` is the `pk` of the last one seen.
    pub async fn list_revocations(
        &self,
        environment: EnvironmentPk,
        before: i64,
        connection_id: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RevocationRow>, StoreError> {
        let connection_id = connection_id.map(str::to_owned);
        let params = params![environment, before, connection_id, limit];
        let rows = self.query(&REVOCATION_LIST, params).await?;
        rows.iter().map(RevocationRow::from_row).collect()
    }
}

const fn seal(environment: EnvironmentPk, connection: ConnectionPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: Some(connection),
        table: "revocation",
        column: "request",
        row,
    }
}
