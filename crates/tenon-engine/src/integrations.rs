//! Integrations: providers configured in an environment.

mod config;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use tenon_core::{
    Secret,
    auth::AuthMode,
    names::{EnvironmentPk, IntegrationPk},
};
use tenon_providers::{ClientRegistration, Provider};
use tenon_store::{
    StoreError, Tx,
    integrations::{IntegrationRow, IntegrationSecrets},
};

pub use config::ConfigError;

use crate::{
    Engine,
    auth::{flow, mcp, request::TokenFailure},
    connections,
    operations::{NewOperation, OperationKind, OperationState},
    work,
};

/// Name under `custom` of the secret that an owner sets for incoming webhooks.
pub const WEBHOOK_SECRET: &str = "webhookSecret";

/// Credentials of the owner's own app at the provider.
#[derive(Clone, Debug)]
pub enum IntegrationCredentials {
    /// `OAUTH1`, `OAUTH2` and `TBA`.
    Client {
        mode: AuthMode,
        client_id: String,
        client_secret: Secret,
        scopes: Option<String>,
        webhook_secret: Option<Secret>,
    },
    /// `MCP_OAUTH2` and `MCP_OAUTH2_GENERIC`: registered by the owner instead of by us; most have no secret.
    Mcp {
        mode: AuthMode,
        client_id: String,
        client_secret: Option<Secret>,
        scopes: Option<String>,
    },
    App {
        app_id: String,
        app_link: String,
        private_key: Secret,
    },
    Custom {
        client_id: String,
        client_secret: Secret,
        app_id: String,
        app_link: String,
        private_key: Secret,
    },
}

impl IntegrationCredentials {
    /// The auth mode that they are for.
    pub const fn mode(&self) -> AuthMode {
        match self {
            Self::Client { mode, .. } | Self::Mcp { mode, .. } => *mode,
            Self::App { .. } => AuthMode::App,
            Self::Custom { .. } => AuthMode::Custom,
        }
    }
}

/// An integration to create.
#[derive(Clone, Debug)]
pub struct NewIntegration {
    pub provider: String,
    pub unique_key: String,
    pub display_name: Option<String>,
    pub forward_webhooks: bool,
    pub credentials: Option<IntegrationCredentials>,
    /// Values of the provider's `integration_config`.
    pub config: Option<Map<String, Value>>,
    pub custom: Option<Map<String, Value>>,
}

/// Changes to an integration; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct IntegrationPatch {
    pub unique_key: Option<String>,
    pub display_name: Option<String>,
    pub forward_webhooks: Option<bool>,
    pub credentials: Option<IntegrationCredentials>,
    pub config: Option<Map<String, Value>>,
    pub custom: Option<Map<String, Value>>,
    pub own_callback: Option<bool>,
}

/// Why an integration was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum IntegrationError {
    #[error("no integration `{0}`")]
    Unknown(String),
    #[error("no provider `{0}`")]
    UnknownProvider(String),
    #[error("the key `{0}` is taken by another integration")]
    KeyTaken(String),
    #[error("the key of an integration with connections cannot change")]
    InUse,
    #[error("credentials of type `{given}` do not fit a provider with auth mode `{wanted}`")]
    CredentialsType { given: AuthMode, wanted: AuthMode },
    #[error("a provider with auth mode `{0}` needs credentials")]
    MissingCredentials(AuthMode),
    #[error("this provider takes its settings in `integration_config`, not in `custom`")]
    CustomNotTaken,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the provider did not register a client for this integration: {0}")]
    Registration(#[source] TokenFailure),
    #[error("store failed while changing an integration")]
    Store(#[from] StoreError),
}

/// Creates an integration.
pub async fn create(
    engine: &Engine,
    environment: EnvironmentPk,
    new: NewIntegration,
) -> Result<IntegrationRow, IntegrationError> {
    let provider = engine
        .catalogue
        .find(&new.provider)
        .ok_or_else(|| IntegrationError::UnknownProvider(new.provider.clone()))?;
    check_credentials(&provider, new.credentials.as_ref())?;
    if new.credentials.is_none() && needs_credentials(provider.auth_mode) {
        return Err(IntegrationError::MissingCredentials(provider.auth_mode));
    }
    check_custom(&provider, new.custom.as_ref())?;
    let config = config::checked(
        &provider.integration_config,
        new.config.as_ref(),
        config::Missing::Fill,
    )?;
    let now = engine.clock.now();
    let mut row = IntegrationRow {
        pk: IntegrationPk(engine.ids.int()),
        environment,
        unique_key: new.unique_key,
        provider: new.provider,
        display_name: new.display_name,
        forward_webhooks: new.forward_webhooks,
        client_id: None,
        secrets: IntegrationSecrets::default(),
        scopes: default_scopes(&provider),
        app_link: None,
        config: Map::new(),
        own_callback: false,
        created_at: now,
        updated_at: now,
    };
    if let Some(credentials) = new.credentials {
        set_credentials(&mut row, credentials);
    }
    if let Some(custom) = new.custom {
        row.secrets.custom = Secret::new(custom);
    }
    set_config(&mut row, &provider, config);
    register_client(engine, &provider, &mut row).await?;
    let inner = engine.clone();
    let key = row.unique_key.clone();
    let stored = engine
        .store
        .write(move |tx| async move {
            if tx
                .find_integration(environment, &row.unique_key)
                .await?
                .is_some()
            {
                return Err(IntegrationError::KeyTaken(row.unique_key));
            }
            tx.insert_integration(&row).await?;
            log(&tx, &inner, &row, "integration created").await?;
            Ok(row)
        })
        .await;
    taken_if_unique(stored, &key)
}

/// Makes us known to a provider that registers clients, where the owner has not done so.
async fn register_client(
    engine: &Engine,
    provider: &Provider,
    row: &mut IntegrationRow,
) -> Result<(), IntegrationError> {
    let is_registered_here = provider.auth_mode == AuthMode::McpOAuth2
        && provider.client_registration == Some(ClientRegistration::Dynamic);
    if !is_registered_here || row.client_id.is_some() {
        return Ok(());
    }
    let reader = engine.reader();
    if reader
        .find_integration(row.environment, &row.unique_key)
        .await?
        .is_some()
    {
        return Err(IntegrationError::KeyTaken(row.unique_key.clone()));
    }
    let environment = reader.find_environment(row.environment).await?;
    let environment = environment.ok_or(StoreError::Missing {
        statement: "environment of an integration",
    })?;
    let callback_url = flow::callback_url(engine, environment.callback_url.as_deref());
    let client = mcp::at_provider(engine, &environment, provider, &callback_url)
        .await
        .map_err(IntegrationError::Registration)?;
    row.client_id = Some(client.id);
    row.secrets.client_secret = client.secret;
    Ok(())
}

/// Changes an integration.
pub async fn update(
    engine: &Engine,
    environment: EnvironmentPk,
    unique_key: &str,
    patch: IntegrationPatch,
) -> Result<IntegrationRow, IntegrationError> {
    let (inner, key) = (engine.clone(), unique_key.to_owned());
    let new_key = patch.unique_key.clone().unwrap_or_default();
    let stored = engine
        .store
        .write(move |tx| async move {
            let found = tx.find_integration(environment, &key).await?;
            let mut row = found.ok_or_else(|| IntegrationError::Unknown(key.clone()))?;
            rename(&tx, &mut row, patch.unique_key).await?;
            let provider = inner
                .catalogue
                .find(&row.provider)
                .ok_or_else(|| IntegrationError::UnknownProvider(row.provider.clone()))?;
            check_credentials(&provider, patch.credentials.as_ref())?;
            check_custom(&provider, patch.custom.as_ref())?;
            if let Some(given) = &patch.config {
                let given = config::checked(
                    &provider.integration_config,
                    Some(given),
                    config::Missing::Leave,
                )?;
                let mut config = row.full_config();
                config.extend(given);
                set_config(&mut row, &provider, config);
            }
            if let Some(credentials) = patch.credentials {
                set_credentials(&mut row, credentials);
            }
            if let Some(custom) = patch.custom {
                let mut all = row.secrets.custom.expose().clone();
                all.extend(custom);
                row.secrets.custom = Secret::new(all);
            }
            row.display_name = patch.display_name.or(row.display_name);
            row.forward_webhooks = patch.forward_webhooks.unwrap_or(row.forward_webhooks);
            row.own_callback = patch.own_callback.unwrap_or(row.own_callback);
            row.updated_at = inner.clock.now();
            tx.update_integration(&row).await?;
            log(&tx, &inner, &row, "integration changed").await?;
            Ok(row)
        })
        .await;
    taken_if_unique(stored, &new_key)
}

/// Deletes an integration with its connections, their syncs and their schedules.
pub async fn delete(
    engine: &Engine,
    environment: EnvironmentPk,
    unique_key: &str,
) -> Result<(), IntegrationError> {
    let (inner, key) = (engine.clone(), unique_key.to_owned());
    engine
        .store
        .write(move |tx| async move {
            let found = tx.find_integration(environment, &key).await?;
            let row = found.ok_or_else(|| IntegrationError::Unknown(key.clone()))?;
            for (pk, _) in tx.list_connection_keys(row.pk).await? {
                if let Some(connection) = tx.find_connection_by_pk(pk).await? {
                    connections::delete_in(&tx, &inner, &connection).await?;
                }
            }
            work::integration_deleted(&tx, &inner, row.pk).await?;
            tx.delete_integration(row.pk, inner.clock.now()).await?;
            log(&tx, &inner, &row, "integration deleted").await
        })
        .await?;
    Ok(())
}

/// Whether an integration of this auth mode is of no use without the owner's own app.
pub const fn needs_credentials(mode: AuthMode) -> bool {
    matches!(
        mode,
        AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::App | AuthMode::Custom
    )
}

/// Whether an integration of this auth mode takes credentials at all.
pub const fn takes_credentials(mode: AuthMode) -> bool {
    needs_credentials(mode)
        || matches!(
            mode,
            AuthMode::Tba | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic
        )
}

fn check_credentials(
    provider: &Provider,
    credentials: Option<&IntegrationCredentials>,
) -> Result<(), IntegrationError> {
    let Some(given) = credentials.map(IntegrationCredentials::mode) else {
        return Ok(());
    };
    if given != provider.auth_mode {
        return Err(IntegrationError::CredentialsType {
            given,
            wanted: provider.auth_mode,
        });
    }
    Ok(())
}

fn check_custom(
    provider: &Provider,
    custom: Option<&Map<String, Value>>,
) -> Result<(), IntegrationError> {
    if custom.is_some() && !provider.integration_config.is_empty() {
        return Err(IntegrationError::CustomNotTaken);
    }
    Ok(())
}

async fn rename(
    tx: &Tx,
    row: &mut IntegrationRow,
    new_key: Option<String>,
) -> Result<(), IntegrationError> {
    let Some(new_key) = new_key.filter(|key| *key != row.unique_key) else {
        return Ok(());
    };
    if tx.is_integration_in_use(row.pk).await? {
        return Err(IntegrationError::InUse);
    }
    if tx
        .find_integration(row.environment, &new_key)
        .await?
        .is_some()
    {
        return Err(IntegrationError::KeyTaken(new_key));
    }
    row.unique_key = new_key;
    Ok(())
}

fn set_credentials(row: &mut IntegrationRow, credentials: IntegrationCredentials) {
    match credentials {
        IntegrationCredentials::Client {
            client_id,
            client_secret,
            scopes,
            webhook_secret,
            ..
        } => {
            row.client_id = Some(client_id);
            row.secrets.client_secret = Some(client_secret);
            row.scopes = scopes.or_else(|| row.scopes.take());
            if let Some(secret) = webhook_secret {
                let mut custom = row.secrets.custom.expose().clone();
                custom.insert(WEBHOOK_SECRET.to_owned(), secret.into_exposed().into());
                row.secrets.custom = Secret::new(custom);
            }
        }
        IntegrationCredentials::Mcp {
            client_id,
            client_secret,
            scopes,
            ..
        } => {
            row.client_id = Some(client_id);
            row.secrets.client_secret = client_secret;
            row.scopes = scopes.or_else(|| row.scopes.take());
        }
        IntegrationCredentials::App {
            app_id,
            app_link,
            private_key,
        } => {
            row.secrets.app_id = Some(app_id);
            row.app_link = Some(app_link);
            row.secrets.private_key = Some(private_key);
        }
        IntegrationCredentials::Custom {
            client_id,
            client_secret,
            app_id,
            app_link,
            private_key,
        } => {
            row.client_id = Some(client_id);
            row.secrets.client_secret = Some(client_secret);
            row.secrets.app_id = Some(app_id);
            row.app_link = Some(app_link);
            row.secrets.private_key = Some(private_key);
        }
    }
}

/// Splits settings into those that may be shown and those that are sealed.
fn set_config(row: &mut IntegrationRow, provider: &Provider, config: Map<String, Value>) {
    let is_secret = |name: &str| {
        provider
            .integration_config
            .get(name)
            .is_some_and(|field| field.secret)
    };
    let (secret, open): (Vec<_>, Vec<_>) =
        config.into_iter().partition(|(name, _)| is_secret(name));
    row.config = open.into_iter().collect();
    row.secrets.config = Secret::new(secret.into_iter().collect());
}

fn default_scopes(provider: &Provider) -> Option<String> {
    Some(provider.default_scopes.join(",")).filter(|scopes| !scopes.is_empty())
}

async fn log(
    tx: &Tx,
    engine: &Engine,
    row: &IntegrationRow,
    title: &str,
) -> Result<(), IntegrationError> {
    let operation = NewOperation {
        state: OperationState::Success,
        integration: Some(row.unique_key.clone()),
        ..NewOperation::new(row.environment, OperationKind::Admin, title)
    };
    engine.operations.start(tx, operation).await?;
    Ok(())
}

/// Two requests can pass the look at the same time; the unique index decides.
fn taken_if_unique(
    stored: Result<IntegrationRow, IntegrationError>,
    key: &str,
) -> Result<IntegrationRow, IntegrationError> {
    match stored {
        Err(IntegrationError::Store(error)) if error.is_unique_violation() => {
            Err(IntegrationError::KeyTaken(key.to_owned()))
        }
        other => other,
    }
}

/// The credentials as they were given; nothing where the auth mode has none.
pub fn shown_credentials(mode: AuthMode, integration: &IntegrationRow) -> Option<Value> {
    if !takes_credentials(mode) {
        return None;
    }
    let secrets = &integration.secrets;
    let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().clone());
    let pem = secrets
        .private_key
        .as_ref()
        .and_then(|key| STANDARD.decode(key.expose()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Some(match mode {
        AuthMode::App => json!({
            "type": mode,
            "app_id": secrets.app_id,
            "private_key": pem,
            "app_link": integration.app_link,
        }),
        AuthMode::Custom => json!({
            "type": mode,
            "client_id": integration.client_id,
            "client_secret": text(&secrets.client_secret),
            "app_id": secrets.app_id,
            "private_key": pem,
            "app_link": integration.app_link,
        }),
        AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => json!({
            "type": mode,
            "client_id": integration.client_id,
            "client_secret": text(&secrets.client_secret),
            "scopes": integration.scopes,
        }),
        _ => json!({
            "type": mode,
            "client_id": integration.client_id,
            "client_secret": text(&secrets.client_secret),
            "scopes": integration.scopes,
            "webhook_secret": secrets.custom.expose().get(WEBHOOK_SECRET),
        }),
    })
}
