//! Callers of the auth routes: a browser with a session token or the public key in the query.

use axum::{extract::FromRequestParts, http::request::Parts};
use tenon_engine::environments::PublicKeyAuth;
use tenon_store::{connect_sessions::ConnectSessionRow, environments::EnvironmentRow};

use super::{bearer, connect::find_session};
use crate::{ApiError, App, ErrorCode, query::Query};

/// A browser that starts a flow. With both credentials the session wins. Where the environment wants an HMAC of flows
/// that were started with the public key, checking it is the handler's job: it knows what was signed.
#[derive(Clone, Debug)]
pub struct FlowCaller {
    pub environment: EnvironmentRow,
    /// `None` if the public key was used.
    pub session: Option<ConnectSessionRow>,
}

impl FlowCaller {
    /// Whether the flow must carry an HMAC.
    pub fn needs_hmac(&self) -> bool {
        let by_key = PublicKeyAuth::parse(&self.environment.public_key_auth) == PublicKeyAuth::Hmac;
        self.session.is_none() && (self.environment.hmac_enabled || by_key)
    }
}

impl FromRequestParts<App> for FlowCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Ok(query) = Query::from_request_parts(parts, app).await;
        if let Some(token) = query.text("connect_session_token") {
            return by_session(app, token).await;
        }
        let Some(public_key) = query.text("public_key") else {
            return Err(bearer::unauthorized(
                ErrorCode::MissingPublicKey,
                "a connect session token or the public key is missing",
            ));
        };
        by_public_key(app, public_key).await
    }
}

async fn by_session(app: &App, token: &str) -> Result<FlowCaller, ApiError> {
    let session = find_session(app, token).await?;
    let environment = app
        .engine
        .reader()
        .find_environment(session.environment)
        .await?;
    let environment =
        environment.ok_or_else(|| ApiError::internal_text("a session without environment"))?;
    Ok(FlowCaller {
        environment,
        session: Some(session),
    })
}

async fn by_public_key(app: &App, public_key: &str) -> Result<FlowCaller, ApiError> {
    if !bearer::is_key(public_key) {
        return Err(bearer::unauthorized(
            ErrorCode::InvalidPublicKey,
            "a public key is a UUID of version 4",
        ));
    }
    let found = app
        .engine
        .reader()
        .find_environment_by_public_key(public_key)
        .await?;
    let environment = found.ok_or_else(|| {
        bearer::unauthorized(
            ErrorCode::UnknownAccount,
            "no environment has this public key",
        )
    })?;
    if PublicKeyAuth::parse(&environment.public_key_auth) == PublicKeyAuth::Off {
        return Err(bearer::unauthorized(
            ErrorCode::DeprecatedAuthentication,
            "this environment does not take public keys, use a connect session",
        ));
    }
    Ok(FlowCaller {
        environment,
        session: None,
    })
}
