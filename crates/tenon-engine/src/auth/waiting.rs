//! Connections that wait for an installation, and the webhook that brings it (auth-and-proxy.md, 6.1 and 6.6).

use serde_json::{Map, Value};
use tenon_core::{
    Secret,
    auth::{AuthMode, CredentialsJson},
    names::ConnectionId,
};
use tenon_providers::Provider;
use tenon_store::{
    StoreError,
    connections::{ConnectionRow, LookupKind},
    integrations::IntegrationRow,
};

use super::{
    entrance::Entrance,
    flow,
    issue::{self, CodeGrant, INSTALLATION, Issued, Party, custom, text},
    oauth2::token::{self, CodeExchange},
    request::TokenFailure,
};
use crate::{
    Engine,
    connections::{self, NewConnection, SavedConnection, SettleError},
};

/// Connections of an integration that are looked at when an installation arrives.
const LOOKED_AT: usize = 50;

/// Whether connections of this provider may wait for a webhook.
pub(crate) fn is_awaited(provider: &Provider) -> bool {
    provider.auth_mode == AuthMode::Custom || provider.installation.as_deref() == Some("outbound")
}

/// Why a waiting connection was not completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaitingError {
    /// The provider is away: the webhook has to be looked at again.
    #[error("the provider could not be asked about an installation: {0}")]
    Later(TokenFailure),
    #[error("store failed while an installation arrived")]
    Store(#[from] StoreError),
}

/// A connection that waits for the webhook of an installation that begins at the provider.
pub async fn wait(engine: &Engine, entrance: &Entrance) -> Result<SavedConnection, SettleError> {
    let mut config = entrance.connection_config.clone();
    config.insert("pending".to_owned(), true.into());
    let mut credentials = CredentialsJson::new();
    credentials.insert(
        "type".to_owned(),
        entrance.provider.auth_mode.as_str().into(),
    );
    let labels = entrance
        .session
        .as_ref()
        .map(super::entrance::SessionLabels::of)
        .unwrap_or_default();
    let new = NewConnection {
        environment: entrance.environment.pk,
        integration: entrance.integration.pk,
        integration_key: entrance.integration.unique_key.clone(),
        provider: entrance.integration.provider.clone(),
        auth_mode: entrance.provider.auth_mode,
        connection_id: Some(entrance.connection_id.clone()),
        credentials: Secret::new(credentials),
        connection_config: Some(config),
        metadata: None,
        tags: None,
        end_user: None,
        webhook_url_override: None,
        by_session: false,
        operation_id: None,
    };
    let new = match entrance.session {
        Some(_) => labels.label(new),
        None => new,
    };
    connections::store(engine, new).await
}

/// Completes the connections that an installation was awaited for. Says how many.
pub(crate) async fn complete(
    engine: &Engine,
    integration: &IntegrationRow,
    provider: &Provider,
    webhook: &Value,
) -> Result<usize, WaitingError> {
    let created = webhook.get("action").and_then(Value::as_str) == Some("created");
    let Some(body) = webhook.as_object().filter(|_| created) else {
        return Ok(0);
    };
    let rows = engine
        .reader()
        .list_connections_by_lookup(
            integration.pk,
            integration.environment,
            LookupKind::Config,
            "pending",
            "true",
        )
        .await?;
    let mut completed = 0;
    for row in rows.into_iter().take(LOOKED_AT) {
        let config: Map<String, Value> =
            serde_json::from_str(&row.connection_config).unwrap_or_default();
        let party = Party {
            engine,
            provider,
            integration,
            connection_config: &config,
        };
        let credentials = engine.reader().open_credentials(&row).await?;
        let brought = match provider.auth_mode {
            AuthMode::Custom => installed(party, &credentials, body).await,
            _ => authorized(party, body).await,
        };
        match brought {
            Ok(None) => {}
            Ok(Some(issued)) => {
                store(engine, integration, provider, &row, issued).await?;
                completed += 1;
            }
            Err(failure) if failure.is_transient() => return Err(WaitingError::Later(failure)),
            Err(failure) => tracing::warn!(
                connection.id = %row.connection_id,
                "an installation did not complete the connection: {failure}"
            ),
        }
    }
    Ok(completed)
}

/// The installation that a person asked for: the provider knows whether it is theirs.
async fn installed(
    party: Party<'_>,
    user: &CredentialsJson,
    body: &Map<String, Value>,
) -> Result<Option<Issued>, TokenFailure> {
    let Some(id) = token::at(body, "installation.id") else {
        return Ok(None);
    };
    let id = id.to_string().trim_matches('"').to_owned();
    if !custom::can_reach(party, user, &id).await? {
        return Ok(None);
    }
    custom::installed(party, user, &id).await.map(Some)
}

/// The code that a webhook brings, for the connection whose actor installed the app.
async fn authorized(
    party: Party<'_>,
    body: &Map<String, Value>,
) -> Result<Option<Issued>, TokenFailure> {
    let provider = party.provider;
    let path = provider.authorization_code_param_in_webhook.as_deref();
    let code = path.and_then(|path| token::at(body, path)?.as_str());
    let (Some(code), Some(actor)) = (code, text(party.connection_config, "actor")) else {
        return Ok(None);
    };
    let is_actor = ["actor.id", "actor.name"]
        .iter()
        .filter_map(|path| token::at(body, path))
        .any(|value| {
            value
                .to_string()
                .trim_matches('"')
                .eq_ignore_ascii_case(actor)
        });
    if !is_actor {
        return Ok(None);
    }
    let mut config = party.connection_config.clone();
    let mut said = Map::new();
    // Names are places in the webhook, with or without the envelope around it.
    for name in &provider.webhook_response_metadata {
        let inside = format!("data.{name}");
        let value = token::at(body, name).or_else(|| token::at(body, &inside));
        if let Some(value) = value.filter(|value| value.is_string() || value.is_number()) {
            said.insert(name.clone(), value.clone());
        }
    }
    if let Some(id) = said.get("installation.uuid") {
        said.insert(INSTALLATION.to_owned(), id.clone());
    }
    config.extend(said.clone());
    let party = Party {
        connection_config: &config,
        ..party
    };
    let callback_url = flow::callback_url(party.engine, None);
    let grant = CodeGrant {
        exchange: CodeExchange {
            code,
            redirect_uri: &callback_url,
            code_verifier: None,
        },
        state: "",
        client_override: None,
        refresh_token_override: None,
    };
    let mut issued = issue::exchange(party, &grant).await?;
    issued.connection_config.extend(said);
    issue::complete(party, provider.auth_mode, issued)
        .await
        .map(Some)
}

async fn store(
    engine: &Engine,
    integration: &IntegrationRow,
    provider: &Provider,
    row: &ConnectionRow,
    issued: Issued,
) -> Result<(), StoreError> {
    let mut config: Map<String, Value> =
        serde_json::from_str(&row.connection_config).unwrap_or_default();
    config.remove("pending");
    let operation_id = match config.remove("pendingLog") {
        Some(Value::String(id)) => Some(id),
        _ => None,
    };
    config.extend(issued.connection_config);
    let new = NewConnection {
        environment: row.environment,
        integration: integration.pk,
        integration_key: integration.unique_key.clone(),
        provider: integration.provider.clone(),
        auth_mode: provider.auth_mode,
        connection_id: ConnectionId::imported(&row.connection_id).ok(),
        credentials: Secret::new(issued.credentials),
        connection_config: Some(config),
        metadata: None,
        tags: None,
        end_user: None,
        webhook_url_override: None,
        by_session: row.end_user.is_some(),
        operation_id,
    };
    match connections::store(engine, new).await {
        Ok(_) => Ok(()),
        Err(SettleError::Store(error)) => Err(error),
        // Its functions said no, which is noted with the connection.
        Err(SettleError::Rejected(_)) => Ok(()),
    }
}
