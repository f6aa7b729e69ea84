//! Credentials that can be used now: read, and refreshed first when they are about to expire (DESIGN 6;
//! auth-and-proxy.md, 7).

use serde_json::{Map, Value};
use tenon_core::{
    Secret, Timestamp,
    auth::{AuthMode, CredentialsJson},
    names::{
        ConnectionId, ConnectionPk, EnvironmentPk, IntegrationKey, IntegrationPk, ProviderName,
    },
};
use tenon_store::StoreError;

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
    BackOff { wait: std::time::Duration },
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

/// Reads a connection with credentials that can be used, refreshing them first if that is due. Marks it as fetched.
pub async fn fresh(
    _engine: &Engine,
    _environment: EnvironmentPk,
    _integration: &IntegrationKey,
    _connection: &ConnectionId,
    _refresh: Refresh,
) -> Result<ConnectionWithCredentials, CredentialsError> {
    unimplemented!()
}
