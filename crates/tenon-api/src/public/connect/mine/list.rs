//! What an end user has connected, and how it is.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_store::connections::ConnectionRow;

use super::own;
use crate::{
    ApiError, App,
    caller::SessionCaller,
    public::{connect::account_of, providers::logo_url},
    query::Query,
};

/// The answer.
#[derive(Debug, Serialize)]
pub(in crate::public::connect) struct Body {
    data: Vec<Shown>,
}

/// A connection, without anything that only the app should see.
#[derive(Debug, Serialize)]
struct Shown {
    connection_id: String,
    provider_config_key: String,
    provider: String,
    display_name: String,
    /// What its owner knows the account by; tells several of one provider apart.
    account: Option<String>,
    logo: String,
    status: Status,
    /// Since when it is not `ok`, as far as that is known.
    since: Option<String>,
    created_at: String,
}

/// How a connection is, in the words that decide what its owner can do.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// The access could not be renewed; it is tried again.
    Failing,
    /// The access has ended: only its owner can help.
    Reconnect,
    /// The access is fine, but data could not be fetched.
    Data,
}

impl Status {
    const fn of(row: &ConnectionRow) -> Self {
        if row.refresh_exhausted {
            Self::Reconnect
        } else if row.auth_error_log_id.is_some() {
            Self::Failing
        } else if row.sync_error_log_id.is_some() {
            Self::Data
        } else {
            Self::Ok
        }
    }
}

/// `GET /connect/connections`
pub(in crate::public::connect) async fn list(
    State(app): State<App>,
    SessionCaller(session): SessionCaller,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    query.none()?;
    let rows = own(&session)?.list(&app.engine).await?;
    let integrations = app
        .engine
        .reader()
        .list_integrations(session.environment)
        .await?;
    let mut data = Vec::with_capacity(rows.len());
    for row in rows {
        let integration = integrations
            .iter()
            .find(|integration| integration.pk == row.integration);
        let own_name = integration.and_then(|integration| integration.display_name.clone());
        let provider = app.engine.catalogue.find(&row.provider);
        data.push(Shown {
            account: account_of(&app, &row).await?,
            display_name: own_name
                .or_else(|| provider.map(|provider| provider.display_name.clone()))
                .unwrap_or_else(|| row.integration_key.clone()),
            logo: logo_url(&app, &row.provider),
            status: Status::of(&row),
            since: row.last_refresh_failure.map(|at| at.iso_millis()),
            created_at: row.created_at.iso_millis(),
            connection_id: row.connection_id,
            provider_config_key: row.integration_key,
            provider: row.provider,
        });
    }
    Ok(Json(Body { data }))
}
