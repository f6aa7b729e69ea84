//! Integrations: providers configured in an environment.

use bytes::Bytes;
use serde_json::{Map, Value};
use tenon_core::{
    Secret, Timestamp,
    names::{EnvironmentPk, IntegrationPk},
};

use crate::{Reader, Row, SealContext, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "pk, environment_pk, unique_key, provider, display_name, forward_webhooks, client_id, secrets, scopes, app_link,
            integration_config, created_at_us, updated_at_us, own_callback"
    };
}

crate::statements! {
    INTEGRATION_INSERT = "
        INSERT INTO integration (pk, environment_pk, unique_key, provider, display_name, forward_webhooks, client_id,
            secrets, scopes, app_link, integration_config, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    INTEGRATION_UPDATE = "
        UPDATE integration SET unique_key = $2, display_name = $3, forward_webhooks = $4, client_id = $5, secrets = $6,
            scopes = $7, app_link = $8, integration_config = $9, updated_at_us = $10, own_callback = $11
        WHERE pk = $1 AND deleted_at_us IS NULL";
    INTEGRATION_BY_KEY = concat!("SELECT ", columns!(),
        " FROM integration WHERE environment_pk = $1 AND unique_key = $2 AND deleted_at_us IS NULL");
    INTEGRATION_BY_PK = concat!("SELECT ", columns!(),
        " FROM integration WHERE pk = $1 AND deleted_at_us IS NULL");
    INTEGRATION_LIST = concat!("SELECT ", columns!(),
        " FROM integration WHERE environment_pk = $1 AND deleted_at_us IS NULL ORDER BY created_at_us DESC, pk DESC");
    INTEGRATION_DELETE = "
        UPDATE integration SET deleted_at_us = $2, updated_at_us = $2 WHERE pk = $1 AND deleted_at_us IS NULL";
    INTEGRATION_IN_USE = "
        SELECT 1 FROM connection WHERE integration_pk = $1 AND deleted_at_us IS NULL LIMIT 1";
}

/// An integration, secrets in clear.
#[derive(Clone, Debug)]
pub struct IntegrationRow {
    pub pk: IntegrationPk,
    pub environment: EnvironmentPk,
    pub unique_key: String,
    pub provider: String,
    pub display_name: Option<String>,
    pub forward_webhooks: bool,
    pub client_id: Option<String>,
    pub secrets: IntegrationSecrets,
    /// Comma list as the wire has it.
    pub scopes: Option<String>,
    pub app_link: Option<String>,
    /// Values of the provider's `integration_config` that are no secrets.
    pub config: Map<String, Value>,
    /// Whether browsers come back to an address of this integration's own.
    pub own_callback: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The sealed part of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrationSecrets {
    pub client_secret: Option<Secret>,
    /// Base64 of the PEM, as the wire of other servers has it.
    pub private_key: Option<Secret>,
    pub app_id: Option<String>,
    pub webhook_secret: Option<Secret>,
    /// Values that the owner set under `custom`, texts by name.
    pub custom: Secret<Map<String, Value>>,
    /// Secret values of the provider's `integration_config`.
    pub config: Secret<Map<String, Value>>,
}

impl IntegrationRow {
    /// The owner's settings, secret ones included: what templates see.
    pub fn full_config(&self) -> Map<String, Value> {
        let mut all = self.config.clone();
        all.extend(
            self.secrets
                .config
                .expose()
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        all
    }
}

impl IntegrationSecrets {
    fn to_json(&self) -> Vec<u8> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), Value::from(value));
            }
        };
        put(
            "client_secret",
            self.client_secret
                .as_ref()
                .map(|secret| secret.expose().as_str()),
        );
        put(
            "private_key",
            self.private_key
                .as_ref()
                .map(|secret| secret.expose().as_str()),
        );
        put("app_id", self.app_id.as_deref());
        put(
            "webhook_secret",
            self.webhook_secret
                .as_ref()
                .map(|secret| secret.expose().as_str()),
        );
        object.insert(
            "custom".to_owned(),
            Value::Object(self.custom.expose().clone()),
        );
        object.insert(
            "config".to_owned(),
            Value::Object(self.config.expose().clone()),
        );
        Value::Object(object).to_string().into_bytes()
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        let mut object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let mut text = |name: &str| match object.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (client_secret, private_key) = (text("client_secret"), text("private_key"));
        let (app_id, webhook_secret) = (text("app_id"), text("webhook_secret"));
        let mut map = |name: &str| match object.remove(name) {
            Some(Value::Object(map)) => Secret::new(map),
            _ => Secret::default(),
        };
        Some(Self {
            client_secret: client_secret.map(Secret::new),
            private_key: private_key.map(Secret::new),
            app_id,
            webhook_secret: webhook_secret.map(Secret::new),
            custom: map("custom"),
            config: map("config"),
        })
    }
}

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// An integration by its key.
            pub async fn find_integration(
                &self,
                environment: EnvironmentPk,
                unique_key: &str,
            ) -> Result<Option<IntegrationRow>, StoreError> {
                let found = self
                    .find(&INTEGRATION_BY_KEY, params![environment, unique_key])
                    .await?;
                self.integration_of(found).await
            }

            /// An integration by its database key.
            pub async fn find_integration_by_pk(
                &self,
                pk: IntegrationPk,
            ) -> Result<Option<IntegrationRow>, StoreError> {
                let found = self.find(&INTEGRATION_BY_PK, params![pk]).await?;
                self.integration_of(found).await
            }

            /// The integrations of an environment, the newest first.
            pub async fn list_integrations(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Vec<IntegrationRow>, StoreError> {
                let mut integrations = Vec::new();
                for row in self.query(&INTEGRATION_LIST, params![environment]).await? {
                    integrations.extend(self.integration_of(Some(row)).await?);
                }
                Ok(integrations)
            }

            /// Whether an integration has connections.
            pub async fn is_integration_in_use(
                &self,
                pk: IntegrationPk,
            ) -> Result<bool, StoreError> {
                Ok(self.find(&INTEGRATION_IN_USE, params![pk]).await?.is_some())
            }

            async fn integration_of(
                &self,
                row: Option<Row>,
            ) -> Result<Option<IntegrationRow>, StoreError> {
                let Some(row) = row else { return Ok(None) };
                let pk: IntegrationPk = row.get(0)?;
                let environment: EnvironmentPk = row.get(1)?;
                let id = pk.to_string();
                let secrets = match row.get::<Option<Bytes>>(7)? {
                    Some(sealed) => {
                        let opened = self.open(seal(environment, &id), &sealed).await?;
                        IntegrationSecrets::from_json(&opened)
                            .ok_or_else(|| corrupt("secrets", &id))?
                    }
                    None => IntegrationSecrets::default(),
                };
                let config: String = row.get(10)?;
                Ok(Some(IntegrationRow {
                    pk,
                    environment,
                    unique_key: row.get(2)?,
                    provider: row.get(3)?,
                    display_name: row.get(4)?,
                    forward_webhooks: row.get(5)?,
                    client_id: row.get(6)?,
                    secrets,
                    scopes: row.get(8)?,
                    app_link: row.get(9)?,
                    config: serde_json::from_str(&config)
                        .map_err(|_| corrupt("integration_config", &id))?,
                    created_at: row.get(11)?,
                    updated_at: row.get(12)?,
                    own_callback: row.get(13)?,
                }))
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl Tx {
    /// Stores a new integration. A taken key is a unique violation.
    pub async fn insert_integration(&self, integration: &IntegrationRow) -> Result<(), StoreError> {
        let sealed = self.seal_integration(integration).await?;
        let values = params![
            integration.pk,
            integration.environment,
            integration.unique_key.as_str(),
            integration.provider.as_str(),
            integration.display_name.clone(),
            integration.forward_webhooks,
            integration.client_id.clone(),
            sealed,
            integration.scopes.clone(),
            integration.app_link.clone(),
            Value::Object(integration.config.clone()).to_string(),
            integration.created_at,
            integration.updated_at,
        ];
        self.execute(&INTEGRATION_INSERT, values).await.map(|_| ())
    }

    /// Replaces what an owner can change of an integration.
    pub async fn update_integration(&self, integration: &IntegrationRow) -> Result<(), StoreError> {
        let sealed = self.seal_integration(integration).await?;
        let values = params![
            integration.pk,
            integration.unique_key.as_str(),
            integration.display_name.clone(),
            integration.forward_webhooks,
            integration.client_id.clone(),
            sealed,
            integration.scopes.clone(),
            integration.app_link.clone(),
            Value::Object(integration.config.clone()).to_string(),
            integration.updated_at,
            integration.own_callback,
        ];
        self.execute(&INTEGRATION_UPDATE, values).await.map(|_| ())
    }

    /// Marks an integration as deleted; whether there was one.
    pub async fn delete_integration(
        &self,
        pk: IntegrationPk,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(&INTEGRATION_DELETE, params![pk, now]).await? > 0)
    }

    async fn seal_integration(
        &self,
        integration: &IntegrationRow,
    ) -> Result<Option<Bytes>, StoreError> {
        if integration.secrets == IntegrationSecrets::default() {
            return Ok(None);
        }
        let id = integration.pk.to_string();
        self.seal(
            seal(integration.environment, &id),
            &integration.secrets.to_json(),
        )
        .await
        .map(Some)
    }
}

const fn seal(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "integration",
        column: "secrets",
        row,
    }
}

fn corrupt(column: &'static str, row: &str) -> StoreError {
    StoreError::Corrupt {
        table: "integration",
        column,
        row: row.to_owned(),
    }
}
