//! Webhooks that providers sent: stored before they are answered, removed when all that follows from them is stored.

pub(crate) mod dialect;

use bytes::Bytes;
use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
};

use crate::{Reader, Row, SealContext, StoreError, Tx, connections::LookupKind, params};

crate::statements! {
    INBOUND_INSERT = "
        INSERT INTO inbound (pk, environment_pk, integration_pk, request, step, after_connection_pk, failures,
            next_at_us, operation_id, created_at_us)
        VALUES ($1, $2, $3, $4, 0, 0, 0, $5, $6, $5)";
    INBOUND_DUE = "
        SELECT pk, environment_pk, integration_pk, request, step, after_connection_pk, failures, operation_id,
            created_at_us
        FROM inbound WHERE next_at_us <= $1 ORDER BY next_at_us, pk LIMIT $2";
    INBOUND_NEXT = "SELECT MIN(next_at_us) FROM inbound";
    INBOUND_ADVANCE = "
        UPDATE inbound SET step = $2, after_connection_pk = $3 WHERE pk = $1";
    INBOUND_POSTPONE = "
        UPDATE inbound SET failures = failures + 1, next_at_us = $3 WHERE pk = $1 AND failures = $2";
    INBOUND_DELETE = "DELETE FROM inbound WHERE pk = $1";
    INBOUND_WAITING = "
        SELECT COUNT(*) FROM (SELECT 1 FROM inbound WHERE environment_pk = $1 LIMIT $2) waiting";
    CONNECTIONS_BY_VALUE = "
        SELECT c.pk, c.connection_id FROM connection_lookup l JOIN connection c ON c.pk = l.connection_pk
        WHERE l.environment_pk = $1 AND l.kind = $2 AND l.path = $3 AND l.value = $4 AND c.integration_pk = $5
            AND c.deleted_at_us IS NULL AND c.pk > $6
        ORDER BY c.pk LIMIT $7";
    CONNECTIONS_BY_ID = "
        SELECT pk, connection_id FROM connection
        WHERE integration_pk = $1 AND connection_id = $2 AND deleted_at_us IS NULL AND pk > $3";
    CONNECTIONS_OF_INTEGRATION = "
        SELECT pk, connection_id FROM connection
        WHERE integration_pk = $1 AND deleted_at_us IS NULL AND pk > $2 ORDER BY pk LIMIT $3";
    SYNC_EXISTS = "
        SELECT 1 FROM sync WHERE connection_pk = $1 AND name = $2 AND variant = 'base' AND deleted_at_us IS NULL";
}

/// A webhook about to be stored.
#[derive(Clone, Debug)]
pub struct NewInbound {
    pub pk: i64,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    /// JSON; sealed on the way in.
    pub request: Bytes,
    pub operation: String,
    pub created_at: Timestamp,
}

/// A webhook that waits to be routed.
#[derive(Clone, Debug)]
pub struct InboundRow {
    pub pk: i64,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    /// JSON, opened.
    pub request: Bytes,
    pub place: Place,
    pub failures: i64,
    pub operation: String,
    pub created_at: Timestamp,
}

/// How far a webhook got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub step: i64,
    /// Connections up to this one are done in this step.
    pub after: ConnectionPk,
}

/// By what connections of an integration are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    ConnectionId(&'a str),
    Lookup {
        kind: LookupKind,
        path: &'a str,
        value: &'a str,
    },
    /// All of them.
    Integration,
}

fn seal(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "inbound",
        column: "request",
        row,
    }
}

impl Tx {
    /// Stores a webhook that is due now.
    pub async fn insert_inbound(&self, new: &NewInbound) -> Result<(), StoreError> {
        let row = new.pk.to_string();
        let request = self.seal(seal(new.environment, &row), &new.request).await?;
        let values = params![
            new.pk,
            new.environment,
            new.integration,
            request,
            new.created_at,
            &new.operation,
        ];
        self.execute(&INBOUND_INSERT, values).await.map(|_| ())
    }

    /// Holds a webhook until the end of the transaction, unless somebody else holds it or took it further.
    pub async fn hold_inbound(&self, pk: i64, place: Place) -> Result<bool, StoreError> {
        let values = params![pk, place.step, place.after];
        Ok(self.find(&dialect::INBOUND_HOLD, values).await?.is_some())
    }

    /// Notes how far a webhook got.
    pub async fn advance_inbound(&self, pk: i64, place: Place) -> Result<(), StoreError> {
        self.execute(&INBOUND_ADVANCE, params![pk, place.step, place.after])
            .await
            .map(|_| ())
    }

    /// Removes a webhook: all that follows from it is stored.
    pub async fn delete_inbound(&self, pk: i64) -> Result<(), StoreError> {
        self.execute(&INBOUND_DELETE, params![pk]).await.map(|_| ())
    }

    /// Notes that routing a webhook failed once more, and when to try again.
    pub async fn postpone_inbound(
        &self,
        pk: i64,
        failures: i64,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&INBOUND_POSTPONE, params![pk, failures, until])
            .await
            .map(|_| ())
    }

    /// Whether a connection has the base variant of a sync.
    pub async fn has_base_sync(
        &self,
        connection: ConnectionPk,
        name: &str,
    ) -> Result<bool, StoreError> {
        let row = self.find(&SYNC_EXISTS, params![connection, name]).await?;
        Ok(row.is_some())
    }
}

impl Reader {
    /// Webhooks that are due, the oldest first.
    pub async fn due_inbound(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<InboundRow>, StoreError> {
        let rows = self.query(&INBOUND_DUE, params![now, limit]).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            due.push(self.inbound_of(row).await?);
        }
        Ok(due)
    }

    async fn inbound_of(&self, row: &Row) -> Result<InboundRow, StoreError> {
        let pk: i64 = row.get(0)?;
        let environment: EnvironmentPk = row.get(1)?;
        let sealed: Bytes = row.get(3)?;
        let request = self
            .open(seal(environment, &pk.to_string()), &sealed)
            .await?;
        Ok(InboundRow {
            pk,
            environment,
            integration: row.get(2)?,
            request,
            place: Place {
                step: row.get(4)?,
                after: row.get(5)?,
            },
            failures: row.get(6)?,
            operation: row.get(7)?,
            created_at: row.get(8)?,
        })
    }

    /// When the next webhook is due.
    pub async fn next_inbound(&self) -> Result<Option<Timestamp>, StoreError> {
        self.get(&INBOUND_NEXT, &[]).await?.get(0)
    }

    /// How many webhooks of an environment wait, counted up to `limit`.
    pub async fn waiting_inbound(
        &self,
        environment: EnvironmentPk,
        limit: i64,
    ) -> Result<i64, StoreError> {
        self.get(&INBOUND_WAITING, params![environment, limit])
            .await?
            .get(0)
    }
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// Up to `limit` connections of an integration behind `after`, with their ids, by key.
            pub async fn connections_by(
                &self,
                environment: EnvironmentPk,
                integration: IntegrationPk,
                by: By<'_>,
                after: ConnectionPk,
                limit: i64,
            ) -> Result<Vec<(ConnectionPk, String)>, StoreError> {
                let rows = match by {
                    By::ConnectionId(id) => {
                        let values = params![integration, id, after];
                        self.query(&CONNECTIONS_BY_ID, values).await?
                    }
                    By::Lookup { kind, path, value } => {
                        let kind = kind.as_str();
                        let values =
                            params![environment, kind, path, value, integration, after, limit];
                        self.query(&CONNECTIONS_BY_VALUE, values).await?
                    }
                    By::Integration => {
                        let values = params![integration, after, limit];
                        self.query(&CONNECTIONS_OF_INTEGRATION, values).await?
                    }
                };
                rows.iter()
                    .map(|row| Ok((row.get(0)?, row.get(1)?)))
                    .collect()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);
