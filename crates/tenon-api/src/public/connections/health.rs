//! How the credentials of a connection are doing, and what to do about it. Ours; see docs/reference/connection-health.md.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_core::Timestamp;
use tenon_engine::auth::refresh::Health;

use crate::{
    ApiError, App, ErrorCode, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// How one connection is doing.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    state: &'static str,
    reason: Option<&'static str>,
    cause: Option<String>,
    log_id: Option<String>,
    expires_at: Option<String>,
    last_refresh_success_at: Option<String>,
    last_refresh_failure_at: Option<String>,
    next_attempt_at: Option<String>,
}

impl From<Health> for Shown {
    fn from(health: Health) -> Self {
        let write = |instant: Option<Timestamp>| instant.map(Timestamp::iso_millis);
        Self {
            state: health.state.as_str(),
            reason: health.reason.map(|reason| reason.as_str()),
            cause: health.cause,
            log_id: health.log_id,
            expires_at: write(health.expires_at),
            last_refresh_success_at: write(health.last_success),
            last_refresh_failure_at: write(health.last_failure),
            next_attempt_at: write(health.next_attempt),
        }
    }
}

/// `GET /connections/{connection_id}/health`: as it is known, without asking the provider.
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ListConnections>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Shown>, ApiError> {
    let key = checked(&query)?;
    let id = uri.connection_id("connection_id")?;
    let reader = app.engine.reader();
    let environment = caller.environment;
    let Some(row) = reader.find_connection(environment, &key, id).await? else {
        let integration = reader.find_integration(environment, &key).await?;
        return Err(match integration {
            None => ApiError::bad_request(
                ErrorCode::UnknownProviderConfig,
                format!("no integration `{key}`"),
            ),
            Some(_) => ApiError::not_found(format!("no connection `{id}` for integration `{key}`")),
        });
    };
    let lease = reader.find_refresh_lease(row.pk).await?;
    let cool_until = lease.and_then(|(_, cool_until)| cool_until);
    Ok(Json(Health::of(&row, cool_until).into()))
}

fn checked(query: &Query) -> Result<String, ApiError> {
    let input = query.input();
    let object = input.object();
    let key = object.required("provider_config_key").text();
    let key = key.integration_key().take();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(key)
}
