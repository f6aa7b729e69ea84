//! Token exchange (RFC 8693): who has a token of the app's own identity provider gets that person's token of an
//! integration. Which identity providers an environment trusts is its own to say ([`issuers`]).

pub mod issuers;
mod jwk;
mod jwt;
mod keys;

use serde_json::Value;
use tenon_core::{
    Secret, Timestamp,
    names::{ConnectionId, EnvironmentPk, IntegrationKey},
};
use tenon_store::{
    StoreError,
    connections::{ConnectionRow, LookupKind},
    trusted_issuers::TrustedIssuerRow,
};

pub(crate) use keys::KeySets;

use super::refresh::{self, ConnectionWithCredentials, CredentialsError, Refresh, RefreshError};
use crate::{
    Engine,
    audit::{self, Door, ReadBy, SecretOf},
    operations::{NewOperation, OperationKind, OperationState},
};
use jwt::Unverified;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub environment: EnvironmentPk,
    /// The key by which the caller has proved that it is the app; without, only issuers that allow it count.
    pub key: Option<i64>,
    pub subject_token: Secret,
    /// Key of the integration.
    pub integration: String,
    /// Which connection of the person, where there are several; the newest unless given.
    pub connection: Option<String>,
}

/// A token of the provider.
#[derive(Clone, Debug)]
pub struct Exchanged {
    pub access_token: Secret,
    pub expires_in_s: Option<u64>,
    pub scope: Option<String>,
    pub connection_id: String,
}

/// Why there is no token, in the words of RFC 6749, 5.2 and RFC 8693, 2.2.2.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The subject token is not one that this environment takes.
    #[error("the subject token is not accepted: {0}")]
    Subject(&'static str),
    /// The issuer's tokens count only beside a key of the environment.
    #[error("this issuer's tokens need a client that authenticates")]
    NeedsClient,
    #[error("there is no integration `{0}`")]
    UnknownTarget(String),
    #[error("the person has no connection to `{0}`")]
    NotConnected(String),
    #[error("connections to `{0}` have no token that could be given away")]
    NoToken(String),
    /// The person has to connect again.
    #[error("the person has to connect `{0}` again")]
    Reconnect(String),
    /// The issuer's keys or the provider cannot be reached now.
    #[error("{0}")]
    Unavailable(String),
    #[error("store failed while a token was exchanged")]
    Store(#[from] StoreError),
}

/// Checks the subject token and hands out the provider's, refreshed first if that is due.
pub async fn exchange(engine: &Engine, asked: &Exchange) -> Result<Exchanged, ExchangeError> {
    let (issuer, user) = subject(engine, asked).await?;
    let found = connection(engine, asked, &user).await;
    let outcome = match &found {
        Ok(row) => token(engine, asked, row).await,
        Err(_) => Err(ExchangeError::NotConnected(asked.integration.clone())),
    };
    log(engine, asked, found.as_ref().ok(), &outcome).await?;
    let row = found?;
    if outcome.is_ok() {
        let by = asked.key.map_or(ReadBy::Issuer(issuer), ReadBy::Key);
        let of = SecretOf::Connection(row.pk);
        audit::read(engine, asked.environment, Door::Api, by, of);
    }
    outcome
}

/// The issuer that is trusted, and the end user that its token speaks for.
async fn subject(engine: &Engine, asked: &Exchange) -> Result<(i64, String), ExchangeError> {
    let token = Unverified::parse(asked.subject_token.expose()).map_err(ExchangeError::Subject)?;
    let trusted = engine
        .reader()
        .list_trusted_issuers(asked.environment)
        .await?;
    let named = |row: &&TrustedIssuerRow| token.is_meant(&row.issuer, &row.audience);
    let Some(issuer) = trusted.iter().find(named) else {
        return Err(ExchangeError::Subject(
            "nobody here trusts its issuer for this audience",
        ));
    };
    if asked.key.is_none() && !issuer.public_clients {
        return Err(ExchangeError::NeedsClient);
    }
    token
        .check_times(engine.clock.now())
        .map_err(ExchangeError::Subject)?;
    let keys = keys::find(engine, &issuer.jwks_url, token.key_id()).await;
    let keys = keys.map_err(ExchangeError::Unavailable)?;
    token.verify(&keys).map_err(ExchangeError::Subject)?;
    let user = token.claim(&issuer.user_claim);
    let user = user.ok_or(ExchangeError::Subject("it does not name the end user"))?;
    Ok((issuer.pk, user))
}

/// The person's connection: the one that is named, or the newest.
async fn connection(
    engine: &Engine,
    asked: &Exchange,
    user: &str,
) -> Result<ConnectionRow, ExchangeError> {
    let reader = engine.reader();
    let key = &asked.integration;
    let found = reader.find_integration(asked.environment, key).await?;
    let integration = found.ok_or_else(|| ExchangeError::UnknownTarget(key.clone()))?;
    let theirs = reader
        .list_connections_by_lookup(
            integration.pk,
            asked.environment,
            LookupKind::EndUser,
            "id",
            user,
        )
        .await?;
    let wanted = |row: &ConnectionRow| {
        let id = asked.connection.as_ref();
        id.is_none_or(|id| *id == row.connection_id)
    };
    theirs
        .into_iter()
        .filter(wanted)
        .max_by_key(|row| (row.created_at, row.pk.0))
        .ok_or_else(|| ExchangeError::NotConnected(key.clone()))
}

async fn token(
    engine: &Engine,
    asked: &Exchange,
    row: &ConnectionRow,
) -> Result<Exchanged, ExchangeError> {
    let key = &asked.integration;
    let no_token = || ExchangeError::NoToken(key.clone());
    let integration = IntegrationKey::parse(key).map_err(|_| no_token())?;
    let id = ConnectionId::imported(&row.connection_id).map_err(|_| no_token())?;
    let refresh = Refresh::IfNeeded;
    let fresh = refresh::fresh(engine, asked.environment, &integration, &id, refresh).await;
    let connection = fresh.map_err(|error| match error {
        CredentialsError::Refresh { source, .. } => match source {
            RefreshError::Provider {
                is_transient: true, ..
            }
            | RefreshError::Busy
            | RefreshError::BackOff { .. } => ExchangeError::Unavailable(source.to_string()),
            RefreshError::Provider { .. } | RefreshError::Exhausted | RefreshError::OutcomeLost => {
                ExchangeError::Reconnect(key.clone())
            }
        },
        CredentialsError::Store(error) => ExchangeError::Store(error),
        CredentialsError::UnknownIntegration(_)
        | CredentialsError::UnknownConnection { .. }
        | CredentialsError::UnknownProvider(_) => ExchangeError::NotConnected(key.clone()),
    })?;
    read(&connection, engine.clock.now()).ok_or_else(no_token)
}

/// A token that is bound to a key of ours would be of no use to anybody else.
fn read(connection: &ConnectionWithCredentials, now: Timestamp) -> Option<Exchanged> {
    if connection.dpop_key.is_some() {
        return None;
    }
    let credentials = connection.credentials.expose();
    let text = |name: &str| {
        let text = credentials.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let access_token = text("access_token").or_else(|| text("token"))?;
    let expires_at = text("expires_at").and_then(Timestamp::parse_iso);
    let scope = credentials
        .get("raw")
        .and_then(|raw| raw.get("scope")?.as_str());
    Some(Exchanged {
        access_token: Secret::new(access_token.to_owned()),
        expires_in_s: expires_at.map(|at| at.since(now).as_secs()),
        scope: scope.map(str::to_owned),
        connection_id: connection.connection_id.to_string(),
    })
}

/// Who got whose token stays on record; what strangers send does not.
async fn log(
    engine: &Engine,
    asked: &Exchange,
    row: Option<&ConnectionRow>,
    outcome: &Result<Exchanged, ExchangeError>,
) -> Result<(), StoreError> {
    let (inner, environment) = (engine.clone(), asked.environment);
    let key = asked.integration.clone();
    let about = row.map(|row| (row.connection_id.clone(), row.pk));
    let error = outcome.as_ref().err().map(ToString::to_string);
    engine
        .store
        .write(move |tx| async move {
            let (id, pk) = about.map_or((String::new(), None), |(id, pk)| (id, Some(pk)));
            let new = NewOperation::new(environment, OperationKind::Auth, "exchange a token");
            let log = inner
                .operations
                .start(&tx, new.about(&key, &id, pk))
                .await?;
            let state = match error {
                None => OperationState::Success,
                Some(_) => OperationState::Failed,
            };
            inner
                .operations
                .set(&tx, &log, state, error.as_deref())
                .await
        })
        .await
}
