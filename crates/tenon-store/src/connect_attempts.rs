//! The latest attempt of each connect session: a page that was reloaded asks here how it ended.

use tenon_core::{Timestamp, names::ConnectSessionPk};

use crate::{Reader, StoreError, Tx, params};

crate::statements! {
    ATTEMPT_BEGIN = "
        INSERT INTO connect_attempt (session_pk, operation_id, ws_client_id, integration_key, connection_id, state,
            told, started_at_us)
        VALUES ($1, $2, $3, $4, $5, 'pending', FALSE, $6)
        ON CONFLICT (session_pk) DO UPDATE
            SET operation_id = $2, ws_client_id = $3, integration_key = $4, connection_id = $5, state = 'pending',
                error_type = NULL, error_message = NULL, told = FALSE, started_at_us = $6, ended_at_us = NULL";
    /// A connection that was made counts, whatever was tried besides.
    ATTEMPT_CONNECTED = "
        INSERT INTO connect_attempt (session_pk, operation_id, integration_key, connection_id, state, told,
            started_at_us, ended_at_us)
        VALUES ($1, $2, $3, $4, 'connected', FALSE, $5, $5)
        ON CONFLICT (session_pk) DO UPDATE
            SET operation_id = $2, integration_key = $3, connection_id = $4, state = 'connected', error_type = NULL,
                error_message = NULL, told = FALSE, ended_at_us = $5";
    /// Only of the attempt that is under way: one that was given up may fail late.
    ATTEMPT_FAILED = "
        UPDATE connect_attempt SET state = 'failed', error_type = $3, error_message = $4, ended_at_us = $5
        WHERE session_pk = $1 AND operation_id = $2 AND state = 'pending'";
    ATTEMPT_TOLD = "
        UPDATE connect_attempt SET told = TRUE WHERE session_pk = $1 AND state <> 'pending'";
    ATTEMPT_FIND = "
        SELECT operation_id, ws_client_id, integration_key, connection_id, state, error_type, error_message, told,
            started_at_us, ended_at_us
        FROM connect_attempt WHERE session_pk = $1";
}

/// How the latest attempt of a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectAttemptRow {
    pub operation_id: Option<String>,
    /// The socket that waits for it.
    pub ws_client_id: Option<String>,
    pub integration_key: String,
    pub connection_id: String,
    /// `pending`, `connected` or `failed`.
    pub state: String,
    pub error_type: Option<String>,
    pub error_message: Option<String>,
    /// Whether the application has heard how it ended.
    pub told: bool,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// An attempt, named by its operation.
#[derive(Clone, Copy, Debug)]
pub struct AttemptKey<'a> {
    pub session: ConnectSessionPk,
    pub operation_id: Option<&'a str>,
}

impl Reader {
    /// The latest attempt of a session.
    pub async fn find_connect_attempt(
        &self,
        session: ConnectSessionPk,
    ) -> Result<Option<ConnectAttemptRow>, StoreError> {
        self.find(&ATTEMPT_FIND, params![session])
            .await?
            .map(|row| {
                Ok(ConnectAttemptRow {
                    operation_id: row.get(0)?,
                    ws_client_id: row.get(1)?,
                    integration_key: row.get(2)?,
                    connection_id: row.get(3)?,
                    state: row.get(4)?,
                    error_type: row.get(5)?,
                    error_message: row.get(6)?,
                    told: row.get(7)?,
                    started_at: row.get(8)?,
                    ended_at: row.get(9)?,
                })
            })
            .transpose()
    }
}

impl Tx {
    /// An attempt goes to the provider; it takes the place of an earlier one.
    pub async fn begin_connect_attempt(
        &self,
        attempt: AttemptKey<'_>,
        ws_client_id: Option<&str>,
        integration_key: &str,
        connection_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            attempt.session,
            attempt.operation_id.map(str::to_owned),
            ws_client_id.map(str::to_owned),
            integration_key,
            connection_id,
            now,
        ];
        self.execute(&ATTEMPT_BEGIN, values).await.map(|_| ())
    }

    /// An attempt brought a connection.
    pub async fn end_connect_attempt(
        &self,
        attempt: AttemptKey<'_>,
        integration_key: &str,
        connection_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            attempt.session,
            attempt.operation_id.map(str::to_owned),
            integration_key,
            connection_id,
            now,
        ];
        self.execute(&ATTEMPT_CONNECTED, values).await.map(|_| ())
    }

    /// The application has heard how the latest attempt ended.
    pub async fn tell_connect_attempt(&self, session: ConnectSessionPk) -> Result<(), StoreError> {
        self.execute(&ATTEMPT_TOLD, params![session])
            .await
            .map(|_| ())
    }

    /// An attempt failed; whether it was the one under way.
    pub async fn fail_connect_attempt(
        &self,
        attempt: AttemptKey<'_>,
        kind: &str,
        message: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![
            attempt.session,
            attempt.operation_id.map(str::to_owned),
            kind,
            message,
            now,
        ];
        Ok(self.execute(&ATTEMPT_FAILED, values).await? > 0)
    }
}
