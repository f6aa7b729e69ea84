//! Environments, their API keys and their variables.

use bytes::Bytes;
use tenon_core::{Secret, Timestamp, names::EnvironmentPk};

use crate::{Reader, Row, SealContext, StoreError, Tx, params};

macro_rules! columns {
    () => {
        "pk, uuid, name, public_key, webhook_signing_key, hmac_key, hmac_enabled, public_key_auth, callback_url,
            primary_url, secondary_url, on_sync_completion_always, on_auth_creation, on_auth_refresh_error,
            on_sync_error, on_async_action_completion, egress_mode, egress_hosts, token_mode, record_validation"
    };
}

crate::statements! {
    ENVIRONMENT_INSERT = "
        INSERT INTO environment (pk, uuid, name, public_key, webhook_signing_key, hmac_enabled, public_key_auth,
            on_sync_completion_always, on_auth_creation, on_auth_refresh_error, on_sync_error,
            on_async_action_completion, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)";
    ENVIRONMENT_BY_PK = concat!("SELECT ", columns!(), " FROM environment WHERE pk = $1");
    ENVIRONMENT_BY_NAME = concat!("SELECT ", columns!(), " FROM environment WHERE name = $1");
    ENVIRONMENT_BY_UUID = concat!("SELECT ", columns!(), " FROM environment WHERE uuid = $1");
    ENVIRONMENT_BY_PUBLIC_KEY = concat!("SELECT ", columns!(), " FROM environment WHERE public_key = $1");
    ENVIRONMENT_LIST = concat!("SELECT ", columns!(), " FROM environment ORDER BY created_at_us, pk");
    ENVIRONMENT_WEBHOOKS = "
        UPDATE environment SET primary_url = $2, secondary_url = $3, on_sync_completion_always = $4,
            on_auth_creation = $5, on_auth_refresh_error = $6, on_sync_error = $7, on_async_action_completion = $8,
            updated_at_us = $9
        WHERE pk = $1";
    ENVIRONMENT_FUNCTIONS = "
        UPDATE environment SET egress_mode = $2, egress_hosts = $3, token_mode = $4, record_validation = $5,
            updated_at_us = $6
        WHERE pk = $1";
    FUNCTION_SETTINGS = "
        SELECT egress_mode, egress_hosts, token_mode, record_validation FROM environment WHERE pk = $1";
    ENVIRONMENT_SIGNING_KEY = "
        UPDATE environment SET webhook_signing_key = $2, updated_at_us = $3 WHERE pk = $1";
    ENVIRONMENT_PUBLIC_AUTH = "
        UPDATE environment SET public_key_auth = $2, hmac_enabled = $3, hmac_key = $4, callback_url = $5,
            updated_at_us = $6
        WHERE pk = $1";
    API_KEY_INSERT = "
        INSERT INTO api_key (pk, environment_pk, name, lookup, sealed, scopes, created_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    API_KEY_BY_LOOKUP = "
        SELECT k.pk, k.environment_pk, e.name, e.uuid, k.scopes
        FROM api_key k JOIN environment e ON e.pk = k.environment_pk
        WHERE k.lookup = $1";
    API_KEY_LIST = "
        SELECT pk, name, sealed, scopes FROM api_key WHERE environment_pk = $1 ORDER BY created_at_us, pk";
    API_KEY_DELETE = "
        DELETE FROM api_key WHERE environment_pk = $1 AND pk = $2";
    API_KEY_USED = "
        UPDATE api_key SET last_used_at_us = $2 WHERE pk = $1";
    VARIABLE_LIST = "
        SELECT pk, name, sealed_value FROM environment_variable WHERE environment_pk = $1 ORDER BY pk";
    VARIABLE_FIND = "
        SELECT pk, sealed_value FROM environment_variable WHERE environment_pk = $1 AND name = $2";
    VARIABLE_INSERT = "
        INSERT INTO environment_variable (pk, environment_pk, name, sealed_value) VALUES ($1, $2, $3, $4)";
    VARIABLE_CLEAR = "
        DELETE FROM environment_variable WHERE environment_pk = $1";
}

/// An environment.
#[derive(Clone, Debug)]
pub struct EnvironmentRow {
    pub pk: EnvironmentPk,
    pub uuid: String,
    pub name: String,
    pub public_key: String,
    pub webhook_signing_key: Secret,
    pub hmac_key: Option<Secret>,
    pub hmac_enabled: bool,
    /// `open`, `hmac` or `off`.
    pub public_key_auth: String,
    pub callback_url: Option<String>,
    pub webhooks: WebhookSettingsRow,
    pub functions: FunctionSettingsRow,
}

/// What functions may do, and what is asked of the records that they save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSettingsRow {
    /// `open` or `provider-only`.
    pub egress_mode: String,
    /// JSON list of hosts that are open besides.
    pub egress_hosts: String,
    /// `visible` or `host-only`.
    pub token_mode: String,
    /// `off`, `warn` or `quarantine`.
    pub record_validation: String,
}

impl Default for FunctionSettingsRow {
    /// What the columns start with.
    fn default() -> Self {
        Self {
            egress_mode: "open".to_owned(),
            egress_hosts: "[]".to_owned(),
            token_mode: "visible".to_owned(),
            record_validation: "warn".to_owned(),
        }
    }
}

impl FunctionSettingsRow {
    fn from_row(row: &Row, first: usize) -> Result<Self, StoreError> {
        Ok(Self {
            egress_mode: row.get(first)?,
            egress_hosts: row.get(first + 1)?,
            token_mode: row.get(first + 2)?,
            record_validation: row.get(first + 3)?,
        })
    }
}

/// Where an environment's webhooks go and which are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettingsRow {
    pub primary_url: Option<String>,
    pub secondary_url: Option<String>,
    pub on_sync_completion_always: bool,
    pub on_auth_creation: bool,
    pub on_auth_refresh_error: bool,
    pub on_sync_error: bool,
    pub on_async_action_completion: bool,
}

/// Who holds an API key, found by its lookup hash.
#[derive(Clone, Debug)]
pub struct ApiKeyHolder {
    pub key_pk: i64,
    pub environment: EnvironmentPk,
    pub environment_name: String,
    pub environment_uuid: String,
    /// JSON list of texts.
    pub scopes: String,
}

/// An API key to list.
#[derive(Clone, Debug)]
pub struct ApiKeyRow {
    pub pk: i64,
    pub name: String,
    pub key: Secret,
    /// JSON list of texts.
    pub scopes: String,
}

/// Access of public keys, and the callback URL.
#[derive(Clone, Debug)]
pub struct PublicAccess {
    /// `open`, `hmac` or `off`.
    pub public_key_auth: String,
    pub hmac_enabled: bool,
    pub hmac_key: Option<Secret>,
    pub callback_url: Option<String>,
}

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// An environment by its key.
            pub async fn find_environment(
                &self,
                pk: EnvironmentPk,
            ) -> Result<Option<EnvironmentRow>, StoreError> {
                let found = self.find(&ENVIRONMENT_BY_PK, params![pk]).await?;
                self.environment_of(found).await
            }

            /// An environment by its name.
            pub async fn find_environment_named(
                &self,
                name: &str,
            ) -> Result<Option<EnvironmentRow>, StoreError> {
                let found = self.find(&ENVIRONMENT_BY_NAME, params![name]).await?;
                self.environment_of(found).await
            }

            /// An environment by the UUID that stands in webhook URLs.
            pub async fn find_environment_by_uuid(
                &self,
                uuid: &str,
            ) -> Result<Option<EnvironmentRow>, StoreError> {
                let found = self.find(&ENVIRONMENT_BY_UUID, params![uuid]).await?;
                self.environment_of(found).await
            }

            /// An environment by its public key.
            pub async fn find_environment_by_public_key(
                &self,
                public_key: &str,
            ) -> Result<Option<EnvironmentRow>, StoreError> {
                let found = self
                    .find(&ENVIRONMENT_BY_PUBLIC_KEY, params![public_key])
                    .await?;
                self.environment_of(found).await
            }

            /// All environments, the oldest first.
            pub async fn list_environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
                let mut environments = Vec::new();
                for row in self.query(&ENVIRONMENT_LIST, &[]).await? {
                    environments.extend(self.environment_of(Some(row)).await?);
                }
                Ok(environments)
            }

            async fn environment_of(
                &self,
                row: Option<Row>,
            ) -> Result<Option<EnvironmentRow>, StoreError> {
                let Some(row) = row else { return Ok(None) };
                let pk: EnvironmentPk = row.get(0)?;
                let id = pk.to_string();
                let signing_key = self
                    .open(seal(pk, "webhook_signing_key", &id), &row.get(4)?)
                    .await?;
                let hmac_key = match row.get::<Option<Bytes>>(5)? {
                    Some(sealed) => Some(self.open(seal(pk, "hmac_key", &id), &sealed).await?),
                    None => None,
                };
                Ok(Some(EnvironmentRow {
                    pk,
                    uuid: row.get(1)?,
                    name: row.get(2)?,
                    public_key: row.get(3)?,
                    webhook_signing_key: secret_text(
                        &signing_key,
                        "environment",
                        "webhook_signing_key",
                        &id,
                    )?,
                    hmac_key: hmac_key
                        .map(|key| secret_text(&key, "environment", "hmac_key", &id))
                        .transpose()?,
                    hmac_enabled: row.get(6)?,
                    public_key_auth: row.get(7)?,
                    callback_url: row.get(8)?,
                    webhooks: WebhookSettingsRow {
                        primary_url: row.get(9)?,
                        secondary_url: row.get(10)?,
                        on_sync_completion_always: row.get(11)?,
                        on_auth_creation: row.get(12)?,
                        on_auth_refresh_error: row.get(13)?,
                        on_sync_error: row.get(14)?,
                        on_async_action_completion: row.get(15)?,
                    },
                    functions: FunctionSettingsRow::from_row(&row, 16)?,
                }))
            }

            /// What functions of an environment may do; nothing if the environment is gone.
            pub async fn function_settings(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Option<FunctionSettingsRow>, StoreError> {
                self.find(&FUNCTION_SETTINGS, params![environment])
                    .await?
                    .map(|row| FunctionSettingsRow::from_row(&row, 0))
                    .transpose()
            }

            /// Who holds the API key with this hash.
            pub async fn find_api_key(
                &self,
                lookup: [u8; 32],
            ) -> Result<Option<ApiKeyHolder>, StoreError> {
                let found = self
                    .find(&API_KEY_BY_LOOKUP, params![lookup.to_vec()])
                    .await?;
                let Some(row) = found else { return Ok(None) };
                Ok(Some(ApiKeyHolder {
                    key_pk: row.get(0)?,
                    environment: row.get(1)?,
                    environment_name: row.get(2)?,
                    environment_uuid: row.get(3)?,
                    scopes: row.get(4)?,
                }))
            }

            /// The API keys of an environment, the oldest first.
            pub async fn list_api_keys(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Vec<ApiKeyRow>, StoreError> {
                let mut keys = Vec::new();
                for row in self.query(&API_KEY_LIST, params![environment]).await? {
                    let pk: i64 = row.get(0)?;
                    let id = pk.to_string();
                    let key = self.open(key_seal(environment, &id), &row.get(2)?).await?;
                    keys.push(ApiKeyRow {
                        pk,
                        name: row.get(1)?,
                        key: secret_text(&key, "api_key", "sealed", &id)?,
                        scopes: row.get(3)?,
                    });
                }
                Ok(keys)
            }

            /// One variable of an environment.
            pub async fn find_variable(
                &self,
                environment: EnvironmentPk,
                name: &str,
            ) -> Result<Option<Secret>, StoreError> {
                let found = self
                    .find(&VARIABLE_FIND, params![environment, name])
                    .await?;
                let Some(row) = found else { return Ok(None) };
                let id = row.get::<i64>(0)?.to_string();
                let value = self
                    .open(variable_seal(environment, &id), &row.get(1)?)
                    .await?;
                secret_text(&value, "environment_variable", "sealed_value", &id).map(Some)
            }

            /// The variables of an environment, in the order in which they were given.
            pub async fn list_variables(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Vec<(String, Secret)>, StoreError> {
                let mut variables = Vec::new();
                for row in self.query(&VARIABLE_LIST, params![environment]).await? {
                    let id = row.get::<i64>(0)?.to_string();
                    let value = self
                        .open(variable_seal(environment, &id), &row.get(2)?)
                        .await?;
                    let value = secret_text(&value, "environment_variable", "sealed_value", &id)?;
                    variables.push((row.get(1)?, value));
                }
                Ok(variables)
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl Tx {
    /// Stores a new environment and makes its data key.
    pub async fn insert_environment(
        &self,
        environment: &EnvironmentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // The signing key can be sealed only once the data key exists, which refers to the row: so it comes second.
        let webhooks = &environment.webhooks;
        let placeholder: Vec<u8> = Vec::new();
        let values = params![
            environment.pk,
            environment.uuid.as_str(),
            environment.name.as_str(),
            environment.public_key.as_str(),
            placeholder,
            environment.hmac_enabled,
            environment.public_key_auth.as_str(),
            webhooks.on_sync_completion_always,
            webhooks.on_auth_creation,
            webhooks.on_auth_refresh_error,
            webhooks.on_sync_error,
            webhooks.on_async_action_completion,
            now,
        ];
        self.execute(&ENVIRONMENT_INSERT, values).await?;
        self.create_data_key(environment.pk).await?;
        self.set_webhook_signing_key(environment.pk, &environment.webhook_signing_key, now)
            .await
    }

    /// Replaces where webhooks go and which are wanted.
    pub async fn set_webhook_settings(
        &self,
        environment: EnvironmentPk,
        settings: &WebhookSettingsRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            environment,
            settings.primary_url.clone(),
            settings.secondary_url.clone(),
            settings.on_sync_completion_always,
            settings.on_auth_creation,
            settings.on_auth_refresh_error,
            settings.on_sync_error,
            settings.on_async_action_completion,
            now,
        ];
        self.execute(&ENVIRONMENT_WEBHOOKS, values)
            .await
            .map(|_| ())
    }

    /// Replaces what functions may do.
    pub async fn set_function_settings(
        &self,
        environment: EnvironmentPk,
        settings: &FunctionSettingsRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            environment,
            settings.egress_mode.as_str(),
            settings.egress_hosts.as_str(),
            settings.token_mode.as_str(),
            settings.record_validation.as_str(),
            now,
        ];
        self.execute(&ENVIRONMENT_FUNCTIONS, values)
            .await
            .map(|_| ())
    }

    /// Replaces the key that signs webhooks.
    pub async fn set_webhook_signing_key(
        &self,
        environment: EnvironmentPk,
        key: &Secret,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = environment.to_string();
        let sealed = self
            .seal(
                seal(environment, "webhook_signing_key", &id),
                key.expose().as_bytes(),
            )
            .await?;
        self.execute(&ENVIRONMENT_SIGNING_KEY, params![environment, sealed, now])
            .await
            .map(|_| ())
    }

    /// Replaces who may start a flow with the public key.
    pub async fn set_public_access(
        &self,
        environment: EnvironmentPk,
        access: &PublicAccess,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = environment.to_string();
        let hmac_key = match &access.hmac_key {
            Some(key) => Some(
                self.seal(seal(environment, "hmac_key", &id), key.expose().as_bytes())
                    .await?,
            ),
            None => None,
        };
        let values = params![
            environment,
            access.public_key_auth.as_str(),
            access.hmac_enabled,
            hmac_key,
            access.callback_url.clone(),
            now,
        ];
        self.execute(&ENVIRONMENT_PUBLIC_AUTH, values)
            .await
            .map(|_| ())
    }

    /// Stores an API key under its lookup hash.
    pub async fn insert_api_key(
        &self,
        environment: EnvironmentPk,
        key: &ApiKeyRow,
        lookup: [u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = key.pk.to_string();
        let sealed = self
            .seal(key_seal(environment, &id), key.key.expose().as_bytes())
            .await?;
        let values = params![
            key.pk,
            environment,
            key.name.as_str(),
            lookup.to_vec(),
            sealed,
            key.scopes.as_str(),
            now,
        ];
        self.execute(&API_KEY_INSERT, values).await.map(|_| ())
    }

    /// Deletes an API key; whether there was one.
    pub async fn delete_api_key(
        &self,
        environment: EnvironmentPk,
        key: i64,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .execute(&API_KEY_DELETE, params![environment, key])
            .await?;
        Ok(deleted > 0)
    }

    /// Notes when an API key was last used.
    pub async fn stamp_api_key(&self, key: i64, now: Timestamp) -> Result<(), StoreError> {
        self.execute(&API_KEY_USED, params![key, now])
            .await
            .map(|_| ())
    }

    /// Replaces all variables of an environment. Each comes with its key, name and value.
    pub async fn replace_variables(
        &self,
        environment: EnvironmentPk,
        variables: &[(i64, String, Secret)],
    ) -> Result<(), StoreError> {
        self.execute(&VARIABLE_CLEAR, params![environment]).await?;
        for (pk, name, value) in variables {
            let sealed = self
                .seal(
                    variable_seal(environment, &pk.to_string()),
                    value.expose().as_bytes(),
                )
                .await?;
            self.execute(
                &VARIABLE_INSERT,
                params![*pk, environment, name.as_str(), sealed],
            )
            .await?;
        }
        Ok(())
    }
}

const fn seal<'a>(
    environment: EnvironmentPk,
    column: &'static str,
    row: &'a str,
) -> SealContext<'a> {
    SealContext {
        environment,
        connection: None,
        table: "environment",
        column,
        row,
    }
}

const fn key_seal(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "api_key",
        column: "sealed",
        row,
    }
}

const fn variable_seal(environment: EnvironmentPk, row: &str) -> SealContext<'_> {
    SealContext {
        environment,
        connection: None,
        table: "environment_variable",
        column: "sealed_value",
        row,
    }
}

/// Opened bytes that must be text.
pub(crate) fn secret_text(
    bytes: &Bytes,
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<Secret, StoreError> {
    String::from_utf8(bytes.to_vec())
        .map(Secret::new)
        .map_err(|_| StoreError::Corrupt {
            table,
            column,
            row: row.to_owned(),
        })
}
