//! Settings of syncs that a session asks for while connecting.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::auth::asked::{self, Asked};

use crate::{
    ApiError, App, UriParams,
    caller::{ConnectCaller, scope},
    query::Query,
};

/// `GET /connect/settings/{integration}`: nothing where the session does not ask, or connects again; a secret key learns
/// what there is to ask for.
pub(super) async fn get(
    State(app): State<App>,
    caller: ConnectCaller<scope::WriteConnectSessions>,
    uri: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let key = uri.integration_key("integration")?;
    let found = app
        .engine
        .reader()
        .find_integration(caller.environment(), key)
        .await?;
    let integration =
        found.ok_or_else(|| ApiError::not_found(format!("there is no integration `{key}`")))?;
    let is_wanted = match &caller {
        ConnectCaller::Session(session) => {
            session.connection.is_none() && asked::is_wanted(&app.engine, session).await?
        }
        ConnectCaller::Key(_) => true,
    };
    let asked = if is_wanted {
        Asked::of(&app.engine, integration.pk).await?
    } else {
        Asked::default()
    };
    Ok(Json(json!({
        "data": { "fields": asked.fields, "skipped": asked.skipped }
    })))
}
