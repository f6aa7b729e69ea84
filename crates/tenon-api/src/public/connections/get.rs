//! One connection, with credentials that can be used now.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::json;
use tenon_core::names::{ConnectionId, IntegrationKey};
use tenon_engine::{
    audit::SecretOf,
    auth::refresh::{self, CredentialsError, Refresh},
};

use super::show::{Full, Moment};
use crate::{
    ApiError, App, ErrorCode, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// What the query says.
struct Params {
    integration: String,
    refresh: Refresh,
    with_refresh_token: bool,
}

/// `GET /connections/{connection_id}`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadConnections>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Full>, ApiError> {
    let params = checked(&query)?;
    let id = uri.connection_id("connection_id")?;
    let integration = IntegrationKey::parse(&params.integration)
        .map_err(|error| ApiError::bad_request(ErrorCode::UnknownProviderConfig, error))?;
    let id = ConnectionId::imported(id).map_err(ApiError::not_found)?;
    let may_see = caller.has(scope::READ_CONNECTION_CREDENTIALS);
    let refresh = if may_see {
        params.refresh
    } else {
        Refresh::Never
    };
    let connection = refresh::fresh(&app.engine, caller.environment, &integration, &id, refresh)
        .await
        .map_err(|error| refused(&app, error))?;
    let pk = connection.pk;
    let mut full = Full::of(Arc::unwrap_or_clone(connection), Moment::Offset);
    if may_see {
        caller.read(&app, SecretOf::Connection(pk));
    } else {
        full = full.without_credentials();
    }
    if !params.with_refresh_token {
        full = full.without_refresh_tokens(&app.engine.catalogue);
    }
    Ok(Json(full))
}

fn checked(query: &Query) -> Result<Params, ApiError> {
    let input = query.input();
    let object = input.object();
    let integration = object
        .required("provider_config_key")
        .text()
        .integration_key()
        .take();
    let with_refresh_token = object.optional("refresh_token").flag_text();
    let force = object.optional("force_refresh").flag_text();
    let app_token = object.optional("refresh_github_app_jwt_token").flag_text();
    object.strict();
    drop(object);
    input.finish()?;
    let always = force == Some(true) || app_token == Some(true);
    Ok(Params {
        integration,
        refresh: if always {
            Refresh::Always
        } else {
            Refresh::IfNeeded
        },
        with_refresh_token: with_refresh_token == Some(true),
    })
}

/// A failed refresh tells the status of its cause and shows the connection without credentials.
fn refused(app: &App, error: CredentialsError) -> ApiError {
    let CredentialsError::Refresh { connection, source } = error else {
        return error.into();
    };
    let (status, _) = source.wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let shown = Full::of(*connection, Moment::Offset)
        .without_credentials()
        .without_refresh_tokens(&app.engine.catalogue);
    ApiError::new(status, ErrorCode::InvalidCredentials, &source)
        .payload(json!({"connection": shown}))
}
