//! What is kept between redirect and callback.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::AuthMode,
    names::{ConnectSessionPk, EnvironmentPk, IntegrationPk},
};
use tenon_store::{
    SealContext, StoreError, Tx, auth::PendingAuthRow, connect_attempts::AttemptKey,
};

use super::FlowErrorKind;

use crate::{
    Engine,
    auth::{oauth2::Client, sockets},
    operations::OperationState,
};

/// How long a person may take at the provider: password managers, second factors, approvals by somebody else. The
/// cookie of the flow lives as long.
pub const TTL: Duration = Duration::from_secs(3600);

/// Why a flow that was purged failed.
const NOBODY_CAME: &str = "nobody came back from the provider";

/// Flows that are purged in one transaction.
const PURGED_AT_ONCE: i64 = 200;

/// A flow under way. Sealed when stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub integration_key: String,
    pub provider: String,
    pub mode: AuthMode,
    pub connection_id: String,
    pub callback_url: String,
    pub code_verifier: Option<Secret>,
    pub request_token_secret: Option<Secret>,
    pub client: Option<OwnClient>,
    pub refresh_token: Option<Secret>,
    pub session: Option<ConnectSessionPk>,
    pub connection_config: Map<String, Value>,
    pub ws_client_id: Option<String>,
    pub operation_id: String,
    /// Whether the browser was given a cookie that it has to bring back.
    pub has_cookie: bool,
    pub began_in_browser: bool,
    /// Hosts that may call themselves the issuer of the code.
    pub issuer_hosts: Vec<String>,
    /// The name of the provider, where its file says one: nobody else may call himself the issuer.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The integration that has a callback URL of its own, if this one has: only there may the browser arrive.
    #[serde(default)]
    pub own_callback: Option<String>,
    /// What a new connection has as its metadata.
    #[serde(default)]
    pub settings: Option<Map<String, Value>>,
}

/// The end user's own app at the provider.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OwnClient {
    pub id: String,
    pub secret: Option<Secret>,
}

impl From<OwnClient> for Client {
    fn from(own: OwnClient) -> Self {
        Self {
            id: own.id,
            secret: own.secret,
        }
    }
}

impl From<Client> for OwnClient {
    fn from(client: Client) -> Self {
        Self {
            id: client.id,
            secret: client.secret,
        }
    }
}

/// A flow that came back.
pub(super) struct Taken {
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub is_expired: bool,
    pub pending: Pending,
}

pub(super) async fn put(
    tx: &Tx,
    engine: &Engine,
    state: &str,
    environment: EnvironmentPk,
    integration: IntegrationPk,
    pending: &Pending,
) -> Result<(), StoreError> {
    let (now, lookup) = (engine.clock.now(), lookup(engine, state));
    let plain = serde_json::to_vec(pending).expect("plain data of ours can be written");
    let payload = tx
        .seal(seal(environment, &hex::encode(lookup)), &plain)
        .await?;
    let row = PendingAuthRow {
        environment,
        integration,
        payload,
        expires_at: now.plus(TTL),
    };
    tx.insert_pending_auth(&lookup, &row, now).await
}

/// Takes a flow out by its state: of two callbacks only one gets it.
pub(super) async fn take(engine: &Engine, state: &str) -> Result<Option<Taken>, StoreError> {
    let (now, lookup) = (engine.clock.now(), lookup(engine, state));
    engine
        .store
        .write(move |tx| async move {
            let Some(row) = tx.take_pending_auth(&lookup).await? else {
                return Ok(None);
            };
            let pending = open(&tx, &lookup, &row).await?;
            Ok(Some(Taken {
                environment: row.environment,
                integration: row.integration,
                is_expired: row.expires_at <= now,
                pending,
            }))
        })
        .await
}

/// Ends flows that nobody came back from, and forgets results that nobody fetched. Returns how many flows.
pub async fn purge(engine: &Engine) -> Result<usize, StoreError> {
    let (inner, now) = (engine.clone(), engine.clock.now());
    engine
        .store
        .write(move |tx| async move {
            tx.delete_auth_results_before(now.minus(sockets::KEPT))
                .await?;
            let expired = tx.take_expired_pending_auth(now, PURGED_AT_ONCE).await?;
            for (lookup, row) in &expired {
                let pending = open(&tx, lookup, row).await?;
                let reason = Some(NOBODY_CAME);
                let log = &pending.operation_id;
                inner
                    .operations
                    .set(&tx, log, OperationState::Timeout, reason)
                    .await?;
                if let Some(session) = pending.session {
                    let attempt = AttemptKey {
                        session,
                        operation_id: Some(log),
                    };
                    let kind = FlowErrorKind::State.as_str();
                    tx.fail_connect_attempt(attempt, kind, NOBODY_CAME, now)
                        .await?;
                }
            }
            Ok(expired.len())
        })
        .await
}

async fn open(tx: &Tx, lookup: &[u8], row: &PendingAuthRow) -> Result<Pending, StoreError> {
    let id = hex::encode(lookup);
    let opened = tx.open(seal(row.environment, &id), &row.payload).await?;
    serde_json::from_slice(&opened).map_err(|_| StoreError::Corrupt {
        table: "pending_auth",
        column: "payload",
        row: id,
    })
}

fn lookup(engine: &Engine, state: &str) -> [u8; 32] {
    engine.store.index_hash("pending_auth", state.as_bytes())
}

const fn seal(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "pending_auth",
        column: "payload",
        row,
    }
}
