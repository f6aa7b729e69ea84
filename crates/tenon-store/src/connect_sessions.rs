//! Connect sessions: a right to open the connect UI for half an hour.

use tenon_core::{
    Timestamp,
    names::{ConnectSessionPk, ConnectionPk, EnvironmentPk},
};

use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "s.pk, s.environment_pk, e.name, e.uuid, s.end_user, s.organization, s.tags, s.allowed_integrations,
            s.integrations_config_defaults, s.overrides, s.webhook_url_override, s.connection_pk, s.operation_id,
            s.created_at_us, s.expires_at_us, s.manage_connections, s.ask_settings"
    };
}

crate::statements! {
    SESSION_INSERT = "
        INSERT INTO connect_session (pk, environment_pk, lookup, end_user, organization, tags, allowed_integrations,
            integrations_config_defaults, overrides, webhook_url_override, connection_pk, operation_id, created_at_us,
            expires_at_us, manage_connections, ask_settings)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    SESSION_FIND = concat!("SELECT ", columns!(), "
        FROM connect_session s JOIN environment e ON e.pk = s.environment_pk
        WHERE s.lookup = $1 AND s.ended_at_us IS NULL AND s.expires_at_us > $2");
    SESSION_BY_PK = concat!("SELECT ", columns!(), "
        FROM connect_session s JOIN environment e ON e.pk = s.environment_pk
        WHERE s.pk = $1");
    SESSION_END = "
        UPDATE connect_session SET ended_at_us = $2 WHERE pk = $1 AND ended_at_us IS NULL";
    SESSION_PURGE = "
        DELETE FROM connect_session WHERE pk IN (
            SELECT pk FROM connect_session WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)";
}

/// A connect session. JSON columns are kept as text.
#[derive(Clone, Debug)]
pub struct ConnectSessionRow {
    pub pk: ConnectSessionPk,
    pub environment: EnvironmentPk,
    pub environment_name: String,
    pub environment_uuid: String,
    /// JSON object `{id, email?, display_name?, tags?}`.
    pub end_user: Option<String>,
    /// JSON object `{id, display_name?}`.
    pub organization: Option<String>,
    /// JSON object of texts: what the connection gets, end user's tags included.
    pub tags: Option<String>,
    /// JSON list of integration keys.
    pub allowed_integrations: Option<String>,
    /// JSON object by integration key.
    pub integrations_config_defaults: Option<String>,
    /// JSON object by integration key.
    pub overrides: Option<String>,
    pub webhook_url_override: Option<String>,
    /// Set for a reconnect session.
    pub connection: Option<ConnectionPk>,
    pub operation_id: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether it may list, reconnect and delete the connections of its end user.
    pub manage_connections: bool,
    /// Whether it asks for the settings of syncs; `None`: as the environment says.
    pub ask_settings: Option<bool>,
}

impl ConnectSessionRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            environment: row.get(1)?,
            environment_name: row.get(2)?,
            environment_uuid: row.get(3)?,
            end_user: row.get(4)?,
            organization: row.get(5)?,
            tags: row.get(6)?,
            allowed_integrations: row.get(7)?,
            integrations_config_defaults: row.get(8)?,
            overrides: row.get(9)?,
            webhook_url_override: row.get(10)?,
            connection: row.get(11)?,
            operation_id: row.get(12)?,
            created_at: row.get(13)?,
            expires_at: row.get(14)?,
            manage_connections: row.get(15)?,
            ask_settings: row.get(16)?,
        })
    }
}

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// The session whose token has this hash, if it still runs.
            pub async fn find_connect_session(
                &self,
                lookup: [u8; 32],
                now: Timestamp,
            ) -> Result<Option<ConnectSessionRow>, StoreError> {
                self.find(&SESSION_FIND, params![lookup.to_vec(), now])
                    .await?
                    .map(|row| ConnectSessionRow::from_row(&row))
                    .transpose()
            }

            /// A session by its database key, ended or not: a flow that began in time may end later.
            pub async fn find_connect_session_by_pk(
                &self,
                pk: ConnectSessionPk,
            ) -> Result<Option<ConnectSessionRow>, StoreError> {
                self.find(&SESSION_BY_PK, params![pk])
                    .await?
                    .map(|row| ConnectSessionRow::from_row(&row))
                    .transpose()
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl Tx {
    /// Stores a session under the hash of its token.
    pub async fn insert_connect_session(
        &self,
        session: &ConnectSessionRow,
        lookup: [u8; 32],
    ) -> Result<(), StoreError> {
        let values = params![
            session.pk,
            session.environment,
            lookup.to_vec(),
            session.end_user.clone(),
            session.organization.clone(),
            session.tags.clone(),
            session.allowed_integrations.clone(),
            session.integrations_config_defaults.clone(),
            session.overrides.clone(),
            session.webhook_url_override.clone(),
            session.connection,
            session.operation_id.clone(),
            session.created_at,
            session.expires_at,
            session.manage_connections,
            session.ask_settings,
        ];
        self.execute(&SESSION_INSERT, values).await.map(|_| ())
    }

    /// Ends a session; whether it still ran.
    pub async fn end_connect_session(
        &self,
        pk: ConnectSessionPk,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(&SESSION_END, params![pk, now]).await? > 0)
    }

    /// Deletes up to `limit` sessions that expired before an instant; returns how many went.
    pub async fn purge_connect_sessions(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.execute(&SESSION_PURGE, params![before, limit]).await
    }
}
