//! Reading a connection with its credentials.

use serde_json::{Map, Value};
use std::sync::Arc;
use tenon_core::{
    Secret,
    auth::{AuthMode, CredentialsJson},
    names::{ConnectionId, EnvironmentPk, IntegrationKey, ProviderName},
};
use tenon_providers::Provider;
use tenon_store::{StoreError, connections::ConnectionRow, integrations::IntegrationRow};

use super::{
    ConnectionError, ConnectionErrorKind, ConnectionWithCredentials, CredentialsError, remembered,
};
use crate::{
    Engine,
    auth::{
        dpop::{self, DpopKey},
        issue,
    },
};

/// A connection and all that is needed to renew its credentials.
pub(super) struct Loaded {
    pub row: ConnectionRow,
    pub integration: Arc<IntegrationRow>,
    pub provider: Arc<Provider>,
    pub mode: AuthMode,
    pub credentials: CredentialsJson,
}

impl Loaded {
    pub(super) async fn find(
        engine: &Engine,
        environment: EnvironmentPk,
        integration: &IntegrationKey,
        connection: &ConnectionId,
    ) -> Result<Self, CredentialsError> {
        let reader = engine.reader();
        let found = reader
            .find_connection(environment, integration.as_str(), connection.as_str())
            .await?;
        let Some(row) = found else {
            let known = reader
                .find_integration(environment, integration.as_str())
                .await?;
            return Err(match known {
                None => CredentialsError::UnknownIntegration(integration.clone()),
                Some(_) => CredentialsError::UnknownConnection {
                    connection: connection.clone(),
                    integration: integration.clone(),
                },
            });
        };
        let Some(settings) = remembered::find_integration(engine, row.integration).await? else {
            return Err(CredentialsError::UnknownIntegration(integration.clone()));
        };
        let credentials = reader.open_credentials(&row).await?;
        Self::new(engine, row, settings, credentials)
            .ok_or_else(|| CredentialsError::UnknownProvider(integration.to_string()))
    }

    /// `None` if the provider is not in the catalogue any more.
    pub(super) fn new(
        engine: &Engine,
        row: ConnectionRow,
        integration: Arc<IntegrationRow>,
        credentials: CredentialsJson,
    ) -> Option<Self> {
        let provider = engine.catalogue.find(&integration.provider)?;
        let mode = AuthMode::parse(&row.auth_mode).unwrap_or(provider.auth_mode);
        Some(Self {
            row,
            integration,
            provider,
            mode,
            credentials,
        })
    }

    /// Whether new credentials are to be asked for.
    pub(super) fn is_due(&self, forced: bool, now: tenon_core::Timestamp) -> bool {
        super::rules::is_due(
            &self.row,
            &self.credentials,
            &self.provider,
            self.mode,
            forced,
            now,
        )
    }

    pub(super) fn connection_config(&self) -> Result<Map<String, Value>, StoreError> {
        parse(&self.row, "connection_config", &self.row.connection_config)
    }

    /// The connection as everybody else uses it.
    pub(super) fn connection(&self) -> Result<ConnectionWithCredentials, StoreError> {
        let row = &self.row;
        let corrupt = |column: &'static str| StoreError::Corrupt {
            table: "connection",
            column,
            row: row.pk.to_string(),
        };
        let mut credentials = self.credentials.clone();
        credentials.remove(issue::INSTALLATION);
        let dpop_key = DpopKey::of(&credentials);
        credentials.remove(dpop::MEMBER);
        let mut config = self.connection_config()?;
        if let Some(Value::Object(kept)) = credentials.remove(issue::KEPT) {
            config.extend(kept);
        }
        let errors = [
            (ConnectionErrorKind::Auth, &row.auth_error_log_id),
            (ConnectionErrorKind::Sync, &row.sync_error_log_id),
        ];
        let errors = errors.into_iter().filter_map(|(kind, log_id)| {
            let log_id = log_id.clone()?;
            Some(ConnectionError { kind, log_id })
        });
        Ok(ConnectionWithCredentials {
            pk: row.pk,
            environment: row.environment,
            integration_pk: row.integration,
            integration_key: IntegrationKey::parse(&row.integration_key)
                .map_err(|_| corrupt("integration_pk"))?,
            connection_id: ConnectionId::imported(&row.connection_id)
                .map_err(|_| corrupt("connection_id"))?,
            provider_name: ProviderName::parse(&row.provider).map_err(|_| corrupt("provider"))?,
            auth_mode: self.mode,
            credentials: Secret::new(credentials),
            dpop_key,
            client_id: self.integration.client_id.clone(),
            client_secret: self.integration.secrets.client_secret.clone(),
            connection_config: config,
            metadata: row
                .metadata
                .as_deref()
                .map(|text| parse(row, "metadata", text))
                .transpose()?,
            tags: parse(row, "tags", &row.tags)?,
            end_user: row
                .end_user
                .as_deref()
                .map(|text| serde_json::from_str(text).map_err(|_| corrupt("end_user")))
                .transpose()?,
            webhook_url_override: row.webhook_url_override.clone(),
            errors: errors.collect(),
            last_fetched_at: row.last_fetched_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn parse(
    row: &ConnectionRow,
    column: &'static str,
    text: &str,
) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt {
        table: "connection",
        column,
        row: row.pk.to_string(),
    })
}
