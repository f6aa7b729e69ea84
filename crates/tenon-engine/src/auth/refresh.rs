//! Credentials that can be used now: read, and refreshed first when they are about to expire (DESIGN 6;
//! auth-and-proxy.md, 7).

mod attempt;
mod flights;
mod health;
mod lanes;
mod learn;
mod load;
mod remembered;
mod rules;
mod stamps;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tenon_core::{
    Secret, Timestamp,
    auth::{AuthMode, CredentialsJson},
    names::{
        ConnectionId, ConnectionPk, EnvironmentPk, IntegrationKey, IntegrationPk, ProviderName,
    },
};
use tenon_store::StoreError;

use attempt::{AttemptError, Wish};
pub use health::{Health, HealthReason, HealthState};
use load::Loaded;
use remembered::{Held, Remembered};
pub use stamps::Stamper;

pub use super::dpop::DpopKey;
use super::{dpop, exchange::KeySets};
use crate::Engine;

/// When to ask the provider for new credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// When they expire within the margin.
    IfNeeded,
    /// Now, even if they are fresh and even during the pause after a failure.
    Always,
    /// Not at all: as they are stored.
    Never,
}

/// A connection with credentials in clear, and what is needed to use them.
#[derive(Clone, Debug)]
pub struct ConnectionWithCredentials {
    pub pk: ConnectionPk,
    pub environment: EnvironmentPk,
    pub integration_pk: IntegrationPk,
    pub integration_key: IntegrationKey,
    pub connection_id: ConnectionId,
    pub provider_name: ProviderName,
    pub auth_mode: AuthMode,
    /// The shape clients read, refresh token included: whoever answers a client removes it.
    pub credentials: Secret<CredentialsJson>,
    /// What the token is bound to; never among the credentials.
    pub dpop_key: Option<DpopKey>,
    /// The integration's own client id; `credentials.config_override` wins over it.
    pub client_id: Option<String>,
    /// The integration's own client secret.
    pub client_secret: Option<Secret>,
    pub connection_config: Map<String, Value>,
    pub metadata: Option<Map<String, Value>>,
    pub tags: Map<String, Value>,
    /// `{id, email, display_name, tags, organization}`.
    pub end_user: Option<Value>,
    pub webhook_url_override: Option<String>,
    /// `{type: "auth" | "sync", log_id}`, as the wire has them.
    pub errors: Vec<ConnectionError>,
    pub last_fetched_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An active error of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    pub kind: ConnectionErrorKind,
    /// The operation that tells more.
    pub log_id: String,
}

/// What of a connection does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionErrorKind {
    Auth,
    Sync,
}

/// Why there are no credentials to use.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("no integration `{0}`")]
    UnknownIntegration(IntegrationKey),
    #[error("no connection `{connection}` for integration `{integration}`")]
    UnknownConnection {
        connection: ConnectionId,
        integration: IntegrationKey,
    },
    #[error("the provider `{0}` of this integration is not in the catalogue")]
    UnknownProvider(String),
    /// Refused without asking the provider, or refused by the provider. The connection comes along without credentials.
    #[error("credentials of connection `{}` could not be refreshed", connection.connection_id)]
    Refresh {
        connection: Box<ConnectionWithCredentials>,
        #[source]
        source: RefreshError,
    },
    #[error("store failed while reading credentials")]
    Store(#[from] StoreError),
}

/// Why a refresh did not bring new credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    #[error("refreshing failed on four days; the user has to reconnect")]
    Exhausted,
    #[error("the last attempt failed less than {} s ago", wait.as_secs())]
    BackOff { wait: Duration },
    /// A node stopped between the provider's answer and our store; the old refresh token is spent.
    #[error("the outcome of an earlier refresh was lost; the user has to reconnect")]
    OutcomeLost,
    /// The provider answered, but not with credentials. `status` is its own.
    #[error("{reason}")]
    Provider {
        /// `invalid_grant`, `http_503`, `not_json`, ...
        cause: String,
        reason: String,
        status: Option<u16>,
        /// It says nothing about the credentials: the provider is busy, ill or away.
        is_transient: bool,
    },
    /// Somebody else refreshes and did not finish in time.
    #[error("another refresh of this connection is still running")]
    Busy,
}

impl RefreshError {
    /// HTTP status and error code on the wire (auth-and-proxy.md, 1.3 and 3.3).
    pub const fn wire(&self) -> (u16, &'static str) {
        match self {
            Self::Exhausted => (424, "connection_refresh_exhausted"),
            Self::BackOff { .. } => (424, "connection_refresh_backoff"),
            Self::OutcomeLost => (424, "refresh_outcome_lost"),
            Self::Provider { .. } => (400, "refresh_token_external_error"),
            Self::Busy => (503, "refresh_token_external_error"),
        }
    }
}

/// What this node remembers of credentials: refreshes under way, connections that were read lately, what servers said.
#[derive(Clone, Debug, Default)]
pub struct Refreshes {
    flights: flights::Flights<Result<(), AttemptError>>,
    lanes: lanes::Lanes,
    remembered: Arc<Remembered>,
    stamps: stamps::Stamps,
    /// What servers want in the proofs of bound tokens.
    pub(crate) nonces: dpop::Nonces,
    /// Keys of issuers whose tokens are exchanged.
    pub(crate) key_sets: KeySets,
}

/// How long somebody with a token that still lives waits for the next one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a connection with credentials that can be used, refreshing them first if that is due. Marks it as fetched.
pub async fn fresh(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: &ConnectionId,
    refresh: Refresh,
) -> Result<Arc<ConnectionWithCredentials>, CredentialsError> {
    read(engine, environment, integration, connection, refresh, false).await
}

/// Keeps a connection alive that nobody uses: whoever does that has the time to wait for a turn.
pub(super) async fn keep_alive(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: &ConnectionId,
) -> Result<Arc<ConnectionWithCredentials>, CredentialsError> {
    let refresh = Refresh::IfNeeded;
    read(engine, environment, integration, connection, refresh, true).await
}

async fn read(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: &ConnectionId,
    refresh: Refresh,
    is_patient: bool,
) -> Result<Arc<ConnectionWithCredentials>, CredentialsError> {
    let find = || remembered::find(engine, environment, integration, connection);
    let held = find().await?;
    let loaded = &held.loaded;
    let read_at = engine.refreshes.stamps.note(
        loaded.row.pk,
        loaded.row.last_fetched_at,
        engine.clock.now(),
    );
    let forced = match refresh {
        Refresh::Never => return Ok(held.read(read_at)),
        Refresh::IfNeeded => false,
        Refresh::Always => true,
    };
    if loaded.row.refresh_exhausted && !forced {
        let is_lost = loaded.row.auth_error.as_deref() == Some(rules::OUTCOME_LOST);
        let source = if is_lost {
            RefreshError::OutcomeLost
        } else {
            RefreshError::Exhausted
        };
        return Err(refused(&held, read_at, source));
    }
    if !loaded.is_due(forced, engine.clock.now()) {
        return Ok(held.read(read_at));
    }
    let can_wait = !forced && rules::is_usable(&loaded.row, engine.clock.now());
    let Some(outcome) = renew(engine, loaded, forced, can_wait && !is_patient).await else {
        return Ok(held.read(read_at));
    };
    let held = find().await?;
    let source = match outcome {
        Ok(()) => return Ok(held.read(read_at)),
        Err(AttemptError::Refresh(source)) => source,
        Err(AttemptError::Store(error)) => {
            return Err(CredentialsError::Store(again(&error)));
        }
    };
    // A provider that is away for a moment takes nothing from a token that still lives.
    if !forced && source.is_passing() && rules::is_usable(&held.loaded.row, engine.clock.now()) {
        return Ok(held.read(read_at));
    }
    Err(refused(&held, read_at, source))
}

/// Joins or starts the refresh of a connection. `None`: who is in a hurry uses the token that lives, because the
/// provider is busy with others or slow; the refresh goes on without them.
async fn renew(
    engine: &Engine,
    loaded: &Loaded,
    forced: bool,
    in_a_hurry: bool,
) -> Option<Result<(), AttemptError>> {
    let wish = Wish {
        connection: loaded.row.pk,
        forced,
        seen_version: loaded.row.credentials_version,
        seen_failure: loaded.row.last_refresh_failure,
    };
    let Refreshes { flights, lanes, .. } = &engine.refreshes;
    let now = engine.clock.monotonic();
    let lane = lanes.of(loaded.row.integration);
    let is_under_way = || flights.find(wish.connection).is_some();
    if in_a_hurry && !lane.is_open(now) && !is_under_way() {
        return None;
    }
    let flight = flights.join(wish.connection, now, || {
        attempt::run(engine.clone(), wish, lane)
    });
    let panicked = || Err(RefreshError::Busy.into());
    if !in_a_hurry {
        return Some(flight.result.await.unwrap_or_else(panicked));
    }
    let left = PATIENCE.saturating_sub(now.saturating_sub(flight.started));
    tokio::select! {
        biased;
        outcome = flight.result => Some(outcome.unwrap_or_else(panicked)),
        () = engine.clock.sleep(left) => None,
    }
}

fn refused(held: &Held, read_at: Option<Timestamp>, source: RefreshError) -> CredentialsError {
    let mut connection = Arc::unwrap_or_clone(held.read(read_at));
    connection.credentials = Secret::default();
    CredentialsError::Refresh {
        connection: Box::new(connection),
        source,
    }
}

/// The error of an attempt that several wait for, for one of them.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        other => StoreError::Database {
            statement: "refresh",
            detail: other.to_string(),
            unique_violation: false,
            transient: false,
        },
    }
}

impl RefreshError {
    /// Whether it passes by itself.
    const fn is_passing(&self) -> bool {
        match self {
            Self::BackOff { .. } | Self::Busy => true,
            Self::Provider { is_transient, .. } => *is_transient,
            Self::Exhausted | Self::OutcomeLost => false,
        }
    }
}
