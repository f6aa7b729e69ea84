//! Secret keys: found by a keyed hash, remembered for some seconds.

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use tenon_core::names::EnvironmentPk;
use tenon_engine::{
    Engine,
    audit::{self, Door, ReadBy, SecretOf},
    environments,
};
use tracing::warn;

use super::{
    bearer,
    scope::{self, Scope},
};
use crate::{ApiError, App, ErrorCode};

/// How long a key is remembered: so long may another node honour a key that was deleted on this one.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Most keys remembered.
const MAX_KEYS: usize = 10_000;

/// Who holds a secret key.
#[derive(Debug)]
pub struct KeyHolder {
    pub environment: EnvironmentPk,
    pub environment_name: String,
    pub environment_uuid: String,
    pub scopes: Vec<String>,
    /// For the audit.
    pub(crate) key: i64,
    /// Minute of the last stamp: a write per key and minute at most.
    stamped: AtomicI64,
}

/// A caller with a secret key that has the scope `S`.
#[derive(Clone, Debug)]
pub struct Caller<S> {
    pub environment: EnvironmentPk,
    pub holder: Arc<KeyHolder>,
    scope: PhantomData<fn() -> S>,
}

impl<S> Caller<S> {
    /// Whether the key also has another scope.
    pub fn has(&self, scope: &str) -> bool {
        scope::covers(&self.holder.scopes, scope)
    }
}

impl<S> Caller<S> {
    /// The key itself, for the audit.
    pub(crate) fn key(&self) -> i64 {
        self.holder.key
    }

    /// Notes that this caller got a secret.
    pub(crate) fn read(&self, app: &App, of: SecretOf) {
        let by = ReadBy::Key(self.holder.key);
        audit::read(&app.engine, self.environment, Door::Api, by, of);
    }
}

impl<S: Scope> Caller<S> {
    pub(super) fn allowed(holder: Arc<KeyHolder>) -> Result<Self, ApiError> {
        if !scope::covers(&holder.scopes, S::NAME) {
            let message = format!("the key lacks the scope `{}`", S::NAME);
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Forbidden,
                message,
            ));
        }
        Ok(Self {
            environment: holder.environment,
            holder,
            scope: PhantomData,
        })
    }
}

impl<S: Scope> FromRequestParts<App> for Caller<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer::token(&parts.headers)?;
        let holder = find_holder(app, token).await?;
        Self::allowed(holder)
    }
}

/// Who holds this key; 401 with the exact code if nobody does.
pub(crate) async fn find_holder(app: &App, token: &str) -> Result<Arc<KeyHolder>, ApiError> {
    if token.starts_with(bearer::SANDBOX_PREFIX) {
        return Err(unknown());
    }
    if !bearer::is_key(token) {
        return Err(bearer::unauthorized(
            ErrorCode::InvalidSecretKeyFormat,
            "a secret key is a UUID of version 4",
        ));
    }
    let holder = app
        .keys
        .find(&app.engine, token)
        .await?
        .ok_or_else(unknown)?;
    stamp(&app.engine, &holder);
    Ok(holder)
}

fn unknown() -> ApiError {
    bearer::unauthorized(
        ErrorCode::UnknownAccount,
        "no environment has this secret key",
    )
}

/// Keys seen lately, by their hash.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: RwLock<HashMap<[u8; 32], Entry>>,
}

#[derive(Debug)]
struct Entry {
    holder: Arc<KeyHolder>,
    until: Duration,
}

impl KeyCache {
    /// Forgets everything: a key was deleted or its scopes changed.
    pub(crate) fn clear(&self) {
        self.entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    async fn find(&self, engine: &Engine, token: &str) -> Result<Option<Arc<KeyHolder>>, ApiError> {
        let lookup = environments::key_lookup(engine, token);
        let now = engine.clock.monotonic();
        if let Some(holder) = self.remembered(&lookup, now) {
            return Ok(Some(holder));
        }
        let Some(found) = engine.reader().find_api_key(lookup).await? else {
            return Ok(None);
        };
        let scopes = serde_json::from_str(&found.scopes).map_err(|error| {
            ApiError::internal_text(format!(
                "scopes of key {} are broken: {error}",
                found.key_pk
            ))
        })?;
        let holder = Arc::new(KeyHolder {
            environment: found.environment,
            environment_name: found.environment_name,
            environment_uuid: found.environment_uuid,
            scopes,
            key: found.key_pk,
            stamped: AtomicI64::new(-1),
        });
        self.remember(lookup, &holder, now);
        Ok(Some(holder))
    }

    fn remembered(&self, lookup: &[u8; 32], now: Duration) -> Option<Arc<KeyHolder>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(lookup)?;
        (entry.until > now).then(|| Arc::clone(&entry.holder))
    }

    fn remember(&self, lookup: [u8; 32], holder: &Arc<KeyHolder>, now: Duration) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_KEYS {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= MAX_KEYS {
            entries.clear();
        }
        if let Some(old) = entries.get(&lookup) {
            let minute = old.holder.stamped.load(Ordering::Relaxed);
            holder.stamped.store(minute, Ordering::Relaxed);
        }
        let entry = Entry {
            holder: Arc::clone(holder),
            until: now + REMEMBERED,
        };
        entries.insert(lookup, entry);
    }
}

/// Notes that the key was used, at most once a minute and beside the request.
fn stamp(engine: &Engine, holder: &KeyHolder) {
    let now = engine.clock.now();
    let minute = now.secs() / 60;
    if holder.stamped.swap(minute, Ordering::Relaxed) == minute {
        return;
    }
    let (store, key) = (engine.store.clone(), holder.key);
    tokio::spawn(async move {
        let stamped = store
            .write(move |tx| async move { tx.stamp_api_key(key, now).await })
            .await;
        if let Err(error) = stamped {
            warn!(%error, "could not note the use of an API key");
        }
    });
}

/// The environment of the caller, as far as headers tell; for counting, not for access.
pub(crate) async fn environment_of(
    app: &App,
    headers: &axum::http::HeaderMap,
) -> Option<EnvironmentPk> {
    let token = bearer::token(headers).ok()?;
    if bearer::is_session_token(token) {
        let session = super::find_session(app, token).await.ok()?;
        return Some(session.environment);
    }
    find_holder(app, token)
        .await
        .ok()
        .map(|holder| holder.environment)
}
