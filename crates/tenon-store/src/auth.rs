//! Flows under way, their results, and the lease that allows one refresh per connection at a time.

use std::time::Duration;

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    auth::CredentialsJson,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
};

use crate::{Reader, Sealed, StoreError, Tx, connections::ConnectionRow, params};

crate::statements! {
    PENDING_INSERT = "
        INSERT INTO pending_auth (lookup, environment_pk, integration_pk, payload, created_at_us, expires_at_us)
        VALUES ($1, $2, $3, $4, $5, $6)";
    PENDING_TAKE = "
        DELETE FROM pending_auth WHERE lookup = $1
        RETURNING environment_pk, integration_pk, payload, expires_at_us";
    PENDING_TAKE_EXPIRED = "
        DELETE FROM pending_auth WHERE lookup IN (
            SELECT lookup FROM pending_auth WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)
        RETURNING lookup, environment_pk, integration_pk, payload, expires_at_us";

    RESULT_PUT = "
        INSERT INTO auth_result (ws_client_id, message, created_at_us) VALUES ($1, $2, $3)
        ON CONFLICT (ws_client_id) DO UPDATE SET message = $2, created_at_us = $3";
    RESULT_FIND = "SELECT message, created_at_us FROM auth_result WHERE ws_client_id = $1";
    RESULT_DELETE = "DELETE FROM auth_result WHERE ws_client_id = $1";
    RESULT_DELETE_OLD = "DELETE FROM auth_result WHERE created_at_us < $1";

    /// Answers nothing while somebody else holds the lease.
    LEASE_CLAIM = "
        INSERT INTO refresh_lease (connection_pk, holder, fence, expires_at_us, intent_retried)
        VALUES ($1, $2, 1, $3, FALSE)
        ON CONFLICT (connection_pk) DO UPDATE
            SET holder = $2, fence = refresh_lease.fence + 1, expires_at_us = $3
            WHERE refresh_lease.expires_at_us <= $4
        RETURNING fence, intent_fingerprint, intent_retried, cool_until_us";
    LEASE_INTEND = "
        UPDATE refresh_lease
        SET intent_fence = $2, intent_fingerprint = $3, intent_at_us = $4, intent_retried = $5
        WHERE connection_pk = $1 AND fence = $2";
    LEASE_END = "
        UPDATE refresh_lease
        SET expires_at_us = 0, intent_fence = NULL, intent_fingerprint = NULL, intent_at_us = NULL,
            intent_retried = FALSE, cool_until_us = $3
        WHERE connection_pk = $1 AND fence = $2";
    LEASE_END_UNKNOWN = "
        UPDATE refresh_lease SET expires_at_us = 0, intent_retried = FALSE, cool_until_us = $3
        WHERE connection_pk = $1 AND fence = $2";
    /// Without having sent anything: what an earlier holder left stays.
    LEASE_RELEASE = "
        UPDATE refresh_lease SET expires_at_us = 0 WHERE connection_pk = $1 AND fence = $2";
    LEASE_FIND = "SELECT expires_at_us, cool_until_us FROM refresh_lease WHERE connection_pk = $1";

    /// Only over the credentials that the refresh started from.
    REFRESH_STORE = "
        UPDATE connection
        SET credentials = $3, credentials_expires_at_us = $4, credentials_version = $2 + 1,
            last_refresh_success_us = $5, last_refresh_failure_us = NULL, refresh_attempts = 0,
            refresh_exhausted = FALSE, auth_error = NULL, auth_error_log_id = NULL, updated_at_us = $5
        WHERE pk = $1 AND credentials_version = $2 AND deleted_at_us IS NULL";
    REFRESH_FAIL = "
        UPDATE connection
        SET last_refresh_success_us = NULL, last_refresh_failure_us = $3, refresh_attempts = $4,
            refresh_exhausted = $5, auth_error = $6, auth_error_log_id = $7, updated_at_us = $3
        WHERE pk = $1 AND credentials_version = $2 AND deleted_at_us IS NULL";
    REFRESH_FAIL_SOFT = "
        UPDATE connection SET last_refresh_failure_us = $3
        WHERE pk = $1 AND credentials_version = $2 AND deleted_at_us IS NULL";
    /// The idle ones, in key order, so that a sweep can go on where it stopped. Each has its own place in the last
    /// hours of the time after which it counts as idle.
    IDLE_LIST = "
        SELECT c.pk, c.environment_pk, i.unique_key, c.connection_id
        FROM connection c JOIN integration i ON i.pk = c.integration_pk
        WHERE c.deleted_at_us IS NULL AND i.deleted_at_us IS NULL AND NOT c.refresh_exhausted
            AND (c.last_fetched_at_us IS NULL OR c.last_fetched_at_us < $1 + (c.pk % 97) * $4) AND c.pk > $2
        ORDER BY c.pk LIMIT $3";
}

/// Places in `IDLE_LIST`.
const IDLE_PLACES: i64 = 97;

/// A flow between redirect and callback.
#[derive(Clone, Debug)]
pub struct PendingAuthRow {
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    /// Sealed JSON.
    pub payload: Sealed,
    pub expires_at: Timestamp,
}

/// A refresh lease that was just claimed, and what an earlier holder left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshLease {
    pub fence: i64,
    /// Fingerprint of the refresh token that an earlier holder sent without learning the outcome.
    pub intent: Option<Bytes>,
    /// That token has been tried once more already.
    pub intent_retried: bool,
    pub cool_until: Option<Timestamp>,
}

/// Result of a refresh that brought credentials.
#[derive(Clone, Debug)]
pub struct StoredRefresh<'a> {
    /// As it was when the refresh started.
    pub connection: &'a ConnectionRow,
    pub credentials: &'a CredentialsJson,
    pub expires_at: Option<Timestamp>,
    pub now: Timestamp,
}

/// Result of a refresh that failed.
#[derive(Clone, Debug)]
pub struct FailedRefresh<'a> {
    pub pk: ConnectionPk,
    pub version: i64,
    pub attempts: i64,
    pub exhausted: bool,
    pub cause: &'a str,
    pub log_id: &'a str,
    pub now: Timestamp,
}

/// A connection that nobody has fetched for a while.
#[derive(Clone, Debug)]
pub struct IdleConnection {
    pub pk: ConnectionPk,
    pub environment: EnvironmentPk,
    pub integration_key: String,
    pub connection_id: String,
}

impl Tx {
    /// Stores a flow that goes to the provider now.
    pub async fn insert_pending_auth(
        &self,
        lookup: &[u8],
        row: &PendingAuthRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            lookup.to_vec(),
            row.environment,
            row.integration,
            row.payload.clone(),
            now,
            row.expires_at,
        ];
        self.execute(&PENDING_INSERT, values).await.map(|_| ())
    }

    /// Takes a flow out: of two callbacks with the same state only one gets it.
    pub async fn take_pending_auth(
        &self,
        lookup: &[u8],
    ) -> Result<Option<PendingAuthRow>, StoreError> {
        self.find(&PENDING_TAKE, params![lookup.to_vec()])
            .await?
            .map(|row| {
                Ok(PendingAuthRow {
                    environment: row.get(0)?,
                    integration: row.get(1)?,
                    payload: row.get(2)?,
                    expires_at: row.get(3)?,
                })
            })
            .transpose()
    }

    /// Takes up to `limit` flows out that nobody came back from.
    pub async fn take_expired_pending_auth(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(Bytes, PendingAuthRow)>, StoreError> {
        let rows = self
            .query(&PENDING_TAKE_EXPIRED, params![now, limit])
            .await?;
        rows.iter()
            .map(|row| {
                let taken = PendingAuthRow {
                    environment: row.get(1)?,
                    integration: row.get(2)?,
                    payload: row.get(3)?,
                    expires_at: row.get(4)?,
                };
                Ok((row.get(0)?, taken))
            })
            .collect()
    }

    /// Leaves a result for a socket; a later one replaces it.
    pub async fn put_auth_result(
        &self,
        client_id: &str,
        message: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&RESULT_PUT, params![client_id, message, now])
            .await
            .map(|_| ())
    }

    /// Forgets the result of an earlier flow of the same socket.
    pub async fn delete_auth_result(&self, client_id: &str) -> Result<(), StoreError> {
        self.execute(&RESULT_DELETE, params![client_id])
            .await
            .map(|_| ())
    }

    /// Deletes results that nobody fetched in time.
    pub async fn delete_auth_results_before(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.execute(&RESULT_DELETE_OLD, params![before]).await
    }

    /// Claims the right to refresh a connection; `None` while somebody else has it.
    pub async fn claim_refresh_lease(
        &self,
        connection: ConnectionPk,
        holder: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Option<RefreshLease>, StoreError> {
        self.find(&LEASE_CLAIM, params![connection, holder, expires_at, now])
            .await?
            .map(|row| {
                Ok(RefreshLease {
                    fence: row.get(0)?,
                    intent: row.get(1)?,
                    intent_retried: row.get(2)?,
                    cool_until: row.get(3)?,
                })
            })
            .transpose()
    }

    /// Notes which refresh token is about to be sent; must be committed before it is.
    pub async fn intend_refresh(
        &self,
        connection: ConnectionPk,
        fence: i64,
        fingerprint: &[u8],
        retried: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![connection, fence, fingerprint.to_vec(), now, retried];
        self.execute(&LEASE_INTEND, values).await.map(|n| n == 1)
    }

    /// Gives the lease back with a known outcome. `false`: it was not ours any more, and nothing may be written.
    pub async fn end_refresh_lease(
        &self,
        connection: ConnectionPk,
        fence: i64,
        cool_until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.execute(&LEASE_END, params![connection, fence, cool_until])
            .await
            .map(|n| n == 1)
    }

    /// Gives the lease back without knowing what the provider did: the intent stays.
    pub async fn end_refresh_lease_unknown(
        &self,
        connection: ConnectionPk,
        fence: i64,
        cool_until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.execute(&LEASE_END_UNKNOWN, params![connection, fence, cool_until])
            .await
            .map(|n| n == 1)
    }

    /// Gives the lease back without having sent anything.
    pub async fn release_refresh_lease(
        &self,
        connection: ConnectionPk,
        fence: i64,
    ) -> Result<bool, StoreError> {
        self.execute(&LEASE_RELEASE, params![connection, fence])
            .await
            .map(|n| n == 1)
    }

    /// Stores refreshed credentials and clears every failure; `false` if others were stored meanwhile.
    pub async fn store_refresh(&self, refresh: &StoredRefresh<'_>) -> Result<bool, StoreError> {
        let connection = refresh.connection;
        let sealed = self
            .seal_credentials(connection.environment, connection.pk, refresh.credentials)
            .await?;
        let values = params![
            connection.pk,
            connection.credentials_version,
            sealed,
            refresh.expires_at,
            refresh.now,
        ];
        self.execute(&REFRESH_STORE, values).await.map(|n| n == 1)
    }

    /// Records that a refresh failed.
    pub async fn fail_refresh(&self, failure: &FailedRefresh<'_>) -> Result<bool, StoreError> {
        let values = params![
            failure.pk,
            failure.version,
            failure.now,
            failure.attempts,
            failure.exhausted,
            failure.cause,
            failure.log_id,
        ];
        self.execute(&REFRESH_FAIL, values).await.map(|n| n == 1)
    }

    /// Records a failure that says nothing about the credentials: only the pause before the next attempt begins.
    pub async fn pause_refresh(
        &self,
        connection: ConnectionPk,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.execute(&REFRESH_FAIL_SOFT, params![connection, version, now])
            .await
            .map(|n| n == 1)
    }
}

impl Reader {
    /// The result of a flow, for the socket that started it, and when it came.
    pub async fn find_auth_result(
        &self,
        client_id: &str,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.find(&RESULT_FIND, params![client_id])
            .await?
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .transpose()
    }

    /// When the refresh lease of a connection ends, and until when its provider wants to be left alone.
    pub async fn find_refresh_lease(
        &self,
        connection: ConnectionPk,
    ) -> Result<Option<(Timestamp, Option<Timestamp>)>, StoreError> {
        self.find(&LEASE_FIND, params![connection])
            .await?
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .transpose()
    }

    /// Connections not fetched since `before`, or since up to `spread` later, with keys above `after`.
    pub async fn list_idle_connections(
        &self,
        before: Timestamp,
        spread: Duration,
        after: ConnectionPk,
        limit: i64,
    ) -> Result<Vec<IdleConnection>, StoreError> {
        let step = i64::try_from(spread.as_micros()).unwrap_or(0) / IDLE_PLACES;
        let rows = self
            .query(&IDLE_LIST, params![before, after, limit, step])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(IdleConnection {
                    pk: row.get(0)?,
                    environment: row.get(1)?,
                    integration_key: row.get(2)?,
                    connection_id: row.get(3)?,
                })
            })
            .collect()
    }
}
