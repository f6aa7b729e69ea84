//! Connect sessions as callers.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tenon_core::names::EnvironmentPk;
use tenon_engine::connections::sessions;
use tenon_store::connect_sessions::ConnectSessionRow;

use super::{Caller, KeyHolder, Scope, bearer, key};
use crate::{ApiError, App, ErrorCode};

/// A caller with a connect session, or with a secret key that has the scope `S`.
#[derive(Clone, Debug)]
pub enum ConnectCaller<S> {
    Session(Box<ConnectSessionRow>),
    Key(Caller<S>),
}

impl<S> ConnectCaller<S> {
    /// The environment of the caller.
    pub fn environment(&self) -> EnvironmentPk {
        match self {
            Self::Session(session) => session.environment,
            Self::Key(caller) => caller.environment,
        }
    }
}

impl<S: Scope> FromRequestParts<App> for ConnectCaller<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer::token(&parts.headers)?;
        // A token with the prefix of a session is never tried as a key.
        if token.starts_with(bearer::SESSION_PREFIX) {
            let session = find_session(app, token).await?;
            return Ok(Self::Session(Box::new(session)));
        }
        let holder: Arc<KeyHolder> = key::find_holder(app, token).await?;
        Caller::allowed(holder).map(Self::Key)
    }
}

/// A caller that holds a connect session; secret keys are refused.
#[derive(Clone, Debug)]
pub struct SessionCaller(pub ConnectSessionRow);

impl FromRequestParts<App> for SessionCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer::token(&parts.headers)?;
        find_session(app, token).await.map(Self)
    }
}

/// A caller that holds a connect session, which may have run out a while ago: enough to ask how its flow ended.
#[derive(Clone, Debug)]
pub struct LateSessionCaller(pub ConnectSessionRow);

impl FromRequestParts<App> for LateSessionCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer::token(&parts.headers)?;
        check_format(token)?;
        let found = sessions::find_with_afterglow(&app.engine, token).await?;
        found.map(Self).ok_or_else(unknown)
    }
}

/// The running session of a token; 401 with the exact code if there is none.
pub async fn find_session(app: &App, token: &str) -> Result<ConnectSessionRow, ApiError> {
    check_format(token)?;
    let found = sessions::find(&app.engine, token).await?;
    found.ok_or_else(unknown)
}

fn check_format(token: &str) -> Result<(), ApiError> {
    if bearer::is_session_token(token) {
        return Ok(());
    }
    Err(bearer::unauthorized(
        ErrorCode::InvalidConnectSessionTokenFormat,
        "this is not a connect session token",
    ))
}

fn unknown() -> ApiError {
    bearer::unauthorized(
        ErrorCode::UnknownConnectSessionToken,
        "the connect session does not exist or has ended",
    )
}
