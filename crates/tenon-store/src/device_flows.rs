//! Device authorization (RFC 8628): what was begun, whose turn it is to ask, how it ended.

use tenon_core::{
    Timestamp,
    names::{ConnectSessionPk, EnvironmentPk, IntegrationPk},
};

use crate::{Reader, Row, Sealed, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "id, environment_pk, integration_pk, session_pk, connection_id, payload, state, error, interval_s, fence,
            created_at_us, expires_at_us"
    };
}

crate::statements! {
    DEVICE_INSERT = "
        INSERT INTO device_flow (id, environment_pk, integration_pk, session_pk, connection_id, payload, state,
            interval_s, next_poll_at_us, fence, created_at_us, expires_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, 0, $9, $10)";
    /// The last condition is looked at again by whoever had to wait for another claim.
    DEVICE_CLAIM = concat!("
        UPDATE device_flow SET next_poll_at_us = $2, fence = fence + 1
        WHERE id IN (
            SELECT id FROM device_flow WHERE next_poll_at_us <= $1 ORDER BY next_poll_at_us LIMIT $3)
            AND next_poll_at_us <= $1
        RETURNING ", columns!());
    DEVICE_PUT_OFF = "
        UPDATE device_flow SET interval_s = $3, next_poll_at_us = $4
        WHERE id = $1 AND fence = $2 AND next_poll_at_us IS NOT NULL";
    DEVICE_END = "
        UPDATE device_flow SET state = $2, error = $3, next_poll_at_us = NULL
        WHERE id = $1 AND next_poll_at_us IS NOT NULL";
    DEVICE_FIND = concat!("SELECT ", columns!(), " FROM device_flow WHERE environment_pk = $1 AND id = $2");
    DEVICE_NEXT = "
        SELECT next_poll_at_us FROM device_flow
        WHERE next_poll_at_us IS NOT NULL ORDER BY next_poll_at_us LIMIT 1";
    DEVICE_COUNT = "
        SELECT COUNT(*) FROM device_flow WHERE environment_pk = $1 AND next_poll_at_us IS NOT NULL";
    DEVICE_PURGE = "
        DELETE FROM device_flow WHERE id IN (
            SELECT id FROM device_flow WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)";
}

/// A device flow to store.
#[derive(Clone, Debug)]
pub struct NewDeviceFlow {
    pub id: String,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub session: Option<ConnectSessionPk>,
    pub connection_id: String,
    /// Sealed JSON.
    pub payload: Sealed,
    pub interval_s: i64,
    pub next_poll_at: Timestamp,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A device flow.
#[derive(Clone, Debug)]
pub struct DeviceFlowRow {
    pub id: String,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub session: Option<ConnectSessionPk>,
    pub connection_id: String,
    pub payload: Sealed,
    pub state: String,
    pub error: Option<String>,
    pub interval_s: i64,
    pub fence: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Tx {
    /// Stores a flow that has just begun.
    pub async fn insert_device_flow(&self, new: &NewDeviceFlow) -> Result<(), StoreError> {
        let values = params![
            new.id.as_str(),
            new.environment,
            new.integration,
            new.session,
            new.connection_id.as_str(),
            new.payload.clone(),
            new.interval_s,
            new.next_poll_at,
            new.created_at,
            new.expires_at,
        ];
        self.execute(&DEVICE_INSERT, values).await.map(|_| ())
    }

    /// Claims flows whose provider is to be asked now; nobody else asks before `until`.
    pub async fn claim_device_flows(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<DeviceFlowRow>, StoreError> {
        let rows = self
            .query(&DEVICE_CLAIM, params![now, until, limit])
            .await?;
        rows.iter().map(DeviceFlowRow::from_row).collect()
    }

    /// Asks again later. `false`: somebody else has claimed it, or it has ended.
    pub async fn put_off_device_flow(
        &self,
        id: &str,
        fence: i64,
        interval_s: i64,
        next_poll_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = params![id, fence, interval_s, next_poll_at];
        self.execute(&DEVICE_PUT_OFF, values).await.map(|n| n == 1)
    }

    /// Ends a flow; `false` if it had ended.
    pub async fn end_device_flow(
        &self,
        id: &str,
        state: &str,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.execute(&DEVICE_END, params![id, state, error])
            .await
            .map(|n| n == 1)
    }

    /// Forgets up to `limit` flows that expired before an instant.
    pub async fn purge_device_flows(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.execute(&DEVICE_PURGE, params![before, limit]).await
    }
}

impl Reader {
    /// A flow of an environment.
    pub async fn find_device_flow(
        &self,
        environment: EnvironmentPk,
        id: &str,
    ) -> Result<Option<DeviceFlowRow>, StoreError> {
        self.find(&DEVICE_FIND, params![environment, id])
            .await?
            .as_ref()
            .map(DeviceFlowRow::from_row)
            .transpose()
    }

    /// When the next provider is to be asked; `None`: no flow is under way.
    pub async fn next_device_poll(&self) -> Result<Option<Timestamp>, StoreError> {
        self.find(&DEVICE_NEXT, params![])
            .await?
            .map(|row| row.get(0))
            .transpose()
    }

    /// Flows of an environment that are under way.
    pub async fn count_device_flows(&self, environment: EnvironmentPk) -> Result<i64, StoreError> {
        self.get(&DEVICE_COUNT, params![environment]).await?.get(0)
    }
}

impl DeviceFlowRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            environment: row.get(1)?,
            integration: row.get(2)?,
            session: row.get(3)?,
            connection_id: row.get(4)?,
            payload: row.get(5)?,
            state: row.get(6)?,
            error: row.get(7)?,
            interval_s: row.get(8)?,
            fence: row.get(9)?,
            created_at: row.get(10)?,
            expires_at: row.get(11)?,
        })
    }
}
