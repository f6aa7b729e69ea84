//! Storing a connection: the one way, for imports and for every connect flow.

use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::{AuthMode, CredentialsJson},
    names::{ConnectionId, ConnectionPk, EnvironmentPk, IntegrationPk},
};
use tenon_store::{
    StoreError, Tx,
    connections::{ConnectionRow, ConnectionWrite},
};

use super::{
    expiry,
    tags::EndUser,
    webhook::{self, AuthEvent},
};
use crate::{
    Engine,
    operations::{NewOperation, OperationKind, OperationState},
    work::{self, Arrival, ConnectionRejected, SavedConnectionRef},
};

/// A connection to store.
#[derive(Clone, Debug)]
pub struct NewConnection {
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub integration_key: String,
    pub provider: String,
    pub auth_mode: AuthMode,
    /// A `UUIDv4` is made if none is given.
    pub connection_id: Option<ConnectionId>,
    /// The shape clients read, with `type` (auth-and-proxy.md, 6). `expires_at` in it decides when they are stale.
    pub credentials: Secret<CredentialsJson>,
    /// Replaces what is stored; `None` keeps it.
    pub connection_config: Option<Map<String, Value>>,
    /// Replaces what is stored; `None` keeps it.
    pub metadata: Option<Map<String, Value>>,
    /// Replaces what is stored, end user's tags already merged ([`super::tags::merged`]); `None` keeps it.
    pub tags: Option<Map<String, Value>>,
    /// Replaces what is stored; `None` keeps it.
    pub end_user: Option<EndUser>,
    /// Replaces what is stored (an empty text clears it); `None` keeps it.
    pub webhook_url_override: Option<String>,
    /// Whether it comes out of a connect session: then the webhook names the end user.
    pub by_session: bool,
    /// Operation of the flow, which ends with success here; a new one is made if there is none.
    pub operation_id: Option<String>,
}

/// Whether a connection is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOperation {
    Creation,
    Override,
    Refresh,
}

impl AuthOperation {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Override => "override",
            Self::Refresh => "refresh",
        }
    }
}

/// A connection that was stored.
#[derive(Clone, Debug)]
pub struct SavedConnection {
    pub connection: ConnectionRow,
    /// `Creation` or `Override`.
    pub operation: AuthOperation,
    pub operation_id: String,
    /// Whether functions of the integration must agree before anything follows: [`settle`] asks them.
    pub needs_validation: bool,
    by_session: bool,
}

/// Stores a connection in the caller's transaction, with its lookups and its operation. What follows from it (syncs,
/// functions, the auth webhook) is part of the transaction too, unless functions have to agree first: so [`settle`]
/// must be awaited after the commit.
///
/// An existing connection keeps metadata, tags, end user and settings that are not given: the reference empties them,
/// which loses what the app had stored there.
pub async fn save(
    tx: &Tx,
    engine: &Engine,
    new: NewConnection,
) -> Result<SavedConnection, StoreError> {
    let now = engine.clock.now();
    let connection_id = match &new.connection_id {
        Some(id) => id.to_string(),
        None => engine.ids.uuid4().to_string(),
    };
    let existing = tx
        .find_connection_to_change(new.integration, &connection_id)
        .await?;
    let pk = match &existing {
        Some(connection) => connection.pk,
        None => ConnectionPk(engine.ids.int()),
    };
    let kept = Kept::of(existing.as_ref())?;
    let waited = is_waiting(kept.connection_config.as_ref());
    let connection_config = object(new.connection_config).or(kept.connection_config);
    let tags = object(new.tags).or(kept.tags);
    let metadata = object(new.metadata).or(kept.metadata);
    let end_user = new
        .end_user
        .as_ref()
        .map(EndUser::to_json)
        .or(kept.end_user);
    let webhook_url = match new.webhook_url_override {
        Some(url) => Some(url).filter(|url| !url.is_empty()),
        None => kept.webhook_url_override,
    };
    let empty = Value::Object(Map::new());
    let write = ConnectionWrite {
        pk,
        environment: new.environment,
        integration: new.integration,
        connection_id: &connection_id,
        provider: &new.provider,
        auth_mode: new.auth_mode.as_str(),
        credentials: new.credentials.expose(),
        credentials_expires_at: expiry::expires_at(new.credentials.expose()),
        connection_config: connection_config.as_ref().unwrap_or(&empty),
        metadata: metadata.as_ref(),
        tags: tags.as_ref().unwrap_or(&empty),
        end_user: end_user.as_ref(),
        webhook_url_override: webhook_url.as_deref(),
        now,
    };
    match &existing {
        None => tx.insert_connection(&write).await?,
        Some(_) => tx.override_connection(&write).await?,
    }
    // One that only waited has not been announced yet.
    let operation = match existing {
        Some(_) if !waited => AuthOperation::Override,
        Some(_) | None => AuthOperation::Creation,
    };
    let is_pending = is_waiting(connection_config.as_ref());
    let connection = tx
        .find_connection_by_pk(pk)
        .await?
        .ok_or(StoreError::Missing {
            statement: "connection that was just stored",
        })?;
    let needs_validation = !is_pending && work::needs_validation(tx, new.integration).await?;
    let operation_id = log(
        tx,
        engine,
        &connection,
        new.operation_id,
        operation,
        needs_validation || is_pending,
    )
    .await?;
    let saved = SavedConnection {
        connection,
        operation,
        operation_id,
        needs_validation,
        by_session: new.by_session,
    };
    if !needs_validation && !is_pending {
        follow_up(tx, engine, &saved).await?;
    }
    Ok(saved)
}

/// Whether a connection waits for something that comes later: nothing follows from it until then.
fn is_waiting(connection_config: Option<&Value>) -> bool {
    let pending = connection_config.and_then(|config| config.get("pending"));
    pending == Some(&Value::Bool(true))
}

/// Ends what [`save`] began, after its commit: where functions must agree they are asked now. A new connection that
/// they refuse is deleted; one that existed before stays and is marked as not working (auth-and-proxy.md, 11).
pub async fn settle(engine: &Engine, saved: &SavedConnection) -> Result<(), SettleError> {
    if !saved.needs_validation {
        return Ok(());
    }
    let verdict = work::validate_connection(engine, &reference(&saved.connection)).await;
    let (engine, saved) = (engine.clone(), saved.clone());
    let store = engine.store.clone();
    let rejected = verdict.as_ref().err().cloned();
    store
        .write(move |tx| async move {
            let log = &saved.operation_id;
            match rejected {
                None => {
                    engine
                        .operations
                        .set(&tx, log, OperationState::Success, None)
                        .await?;
                    follow_up(&tx, &engine, &saved).await
                }
                Some(error) => {
                    engine
                        .operations
                        .set(&tx, log, OperationState::Failed, Some(&error.message))
                        .await?;
                    refuse(&tx, &engine, &saved, &error).await
                }
            }
        })
        .await?;
    verdict.map_err(SettleError::Rejected)
}

/// Why a stored connection could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A function of the integration refused it.
    #[error(transparent)]
    Rejected(#[from] ConnectionRejected),
    #[error("store failed while settling a connection")]
    Store(#[from] StoreError),
}

/// [`save`] in a transaction of its own, then [`settle`].
pub async fn store(engine: &Engine, new: NewConnection) -> Result<SavedConnection, SettleError> {
    let saved = match try_save(engine, new.clone()).await {
        // Somebody else created the same connection between our look and our write: now it is an override.
        Err(error) if error.is_unique_violation() => try_save(engine, new).await?,
        other => other?,
    };
    settle(engine, &saved).await?;
    Ok(saved)
}

async fn try_save(engine: &Engine, new: NewConnection) -> Result<SavedConnection, StoreError> {
    let inner = engine.clone();
    engine
        .store
        .write(move |tx| async move { save(&tx, &inner, new).await })
        .await
}

/// What an existing connection keeps.
#[derive(Default)]
struct Kept {
    connection_config: Option<Value>,
    metadata: Option<Value>,
    tags: Option<Value>,
    end_user: Option<Value>,
    webhook_url_override: Option<String>,
}

impl Kept {
    fn of(existing: Option<&ConnectionRow>) -> Result<Self, StoreError> {
        let Some(row) = existing else {
            return Ok(Self::default());
        };
        let parse = |column: &'static str, text: &str| {
            serde_json::from_str(text).map_err(|_| StoreError::Corrupt {
                table: "connection",
                column,
                row: row.pk.to_string(),
            })
        };
        Ok(Self {
            connection_config: Some(parse("connection_config", &row.connection_config)?),
            metadata: row
                .metadata
                .as_deref()
                .map(|text| parse("metadata", text))
                .transpose()?,
            tags: Some(parse("tags", &row.tags)?),
            end_user: row
                .end_user
                .as_deref()
                .map(|text| parse("end_user", text))
                .transpose()?,
            webhook_url_override: row.webhook_url_override.clone(),
        })
    }
}

fn object(map: Option<Map<String, Value>>) -> Option<Value> {
    map.map(Value::Object)
}

async fn log(
    tx: &Tx,
    engine: &Engine,
    connection: &ConnectionRow,
    given: Option<String>,
    operation: AuthOperation,
    pending: bool,
) -> Result<String, StoreError> {
    let state = if pending {
        OperationState::Running
    } else {
        OperationState::Success
    };
    if let Some(id) = given {
        engine.operations.set(tx, &id, state, None).await?;
        return Ok(id);
    }
    let title = match operation {
        AuthOperation::Creation => "connection created",
        AuthOperation::Override | AuthOperation::Refresh => "connection authorised again",
    };
    let new = NewOperation {
        state,
        ..NewOperation::new(connection.environment, OperationKind::Auth, title).about(
            &connection.integration_key,
            &connection.connection_id,
            Some(connection.pk),
        )
    };
    engine.operations.start(tx, new).await
}

/// What a connection that counts sets in motion.
async fn follow_up(tx: &Tx, engine: &Engine, saved: &SavedConnection) -> Result<(), StoreError> {
    let arrival = match saved.operation {
        AuthOperation::Creation => Arrival::New,
        AuthOperation::Override | AuthOperation::Refresh => Arrival::Again,
    };
    work::connection_created(tx, engine, &reference(&saved.connection), arrival).await?;
    announce(tx, engine, saved, None).await
}

async fn refuse(
    tx: &Tx,
    engine: &Engine,
    saved: &SavedConnection,
    error: &ConnectionRejected,
) -> Result<(), StoreError> {
    let now = engine.clock.now();
    let connection = &saved.connection;
    match saved.operation {
        // Nobody was told of it: it never was. Tasks it may have are those of the functions that refused it.
        AuthOperation::Creation => {
            tx.delete_connection(connection.pk, now).await?;
            return work::connection_deleted(tx, engine, &reference(connection)).await;
        }
        AuthOperation::Override | AuthOperation::Refresh => {
            tx.exhaust_connection(connection.pk, &error.message, &saved.operation_id, now)
                .await?;
        }
    }
    let failure = ("connection_validation_failed", error.message.as_str());
    announce(tx, engine, saved, Some(failure)).await
}

async fn announce(
    tx: &Tx,
    engine: &Engine,
    saved: &SavedConnection,
    error: Option<(&str, &str)>,
) -> Result<(), StoreError> {
    let connection = &saved.connection;
    let tags = serde_json::from_str(&connection.tags).unwrap_or(Value::Null);
    let end_user = connection
        .end_user
        .as_deref()
        .filter(|_| saved.by_session)
        .and_then(|text| serde_json::from_str(text).ok())
        .and_then(|value: Value| EndUser::from_json(&value));
    let event = AuthEvent {
        environment: connection.environment,
        connection: Some(connection.pk),
        connection_id: &connection.connection_id,
        integration_key: &connection.integration_key,
        provider: &connection.provider,
        auth_mode: &connection.auth_mode,
        operation: saved.operation,
        tags: Some(&tags),
        session_end_user: end_user.as_ref(),
        error,
        log: Some(&saved.operation_id),
    };
    webhook::announce(tx, engine, &event).await
}

/// The keys of a stored connection.
pub(super) const fn reference(connection: &ConnectionRow) -> SavedConnectionRef {
    SavedConnectionRef {
        environment: connection.environment,
        integration: connection.integration,
        connection: connection.pk,
    }
}
