//! Connections: the row, what it is found by, what changes.

mod lookup;
pub(crate) mod statements;

use bytes::Bytes;
use serde_json::Value;
use tenon_core::{
    Timestamp,
    auth::CredentialsJson,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
};

pub use lookup::{Lookup, LookupKind, MAX_LOOKUP_BYTES, MAX_LOOKUPS, lookups_of};

use statements::*;

use crate::{Reader, Row, SealContext, Sealed, StoreError, Tx, params};

/// A connection as it is stored. JSON columns are kept as text: most readers only pass them on.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    pub pk: ConnectionPk,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub integration_key: String,
    pub connection_id: String,
    pub provider: String,
    pub auth_mode: String,
    pub credentials: Sealed,
    pub credentials_expires_at: Option<Timestamp>,
    pub credentials_version: i64,
    /// JSON object.
    pub connection_config: String,
    /// JSON object.
    pub metadata: Option<String>,
    /// JSON object of texts.
    pub tags: String,
    /// JSON object.
    pub end_user: Option<String>,
    pub webhook_url_override: Option<String>,
    pub last_fetched_at: Option<Timestamp>,
    pub last_refresh_success: Option<Timestamp>,
    pub last_refresh_failure: Option<Timestamp>,
    pub refresh_attempts: i64,
    pub refresh_exhausted: bool,
    pub auth_error: Option<String>,
    pub auth_error_log_id: Option<String>,
    pub sync_error_log_id: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What is written when a connection is created or authorised again.
#[derive(Clone, Debug)]
pub struct ConnectionWrite<'a> {
    pub pk: ConnectionPk,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub connection_id: &'a str,
    pub provider: &'a str,
    pub auth_mode: &'a str,
    pub credentials: &'a CredentialsJson,
    pub credentials_expires_at: Option<Timestamp>,
    pub connection_config: &'a Value,
    pub metadata: Option<&'a Value>,
    pub tags: &'a Value,
    pub end_user: Option<&'a Value>,
    pub webhook_url_override: Option<&'a str>,
    pub now: Timestamp,
}

/// Which connections to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    pub connection_id: Option<String>,
    /// Part of connection id, end user's name or email; `%` and `_` are wildcards, as in the reference.
    pub search: Option<String>,
    pub end_user_id: Option<String>,
    pub organization_id: Option<String>,
    /// Only these integrations.
    pub integrations: Option<Vec<IntegrationPk>>,
    pub tags: Vec<(String, String)>,
    pub limit: i64,
    pub offset: i64,
}

/// A connection belongs to an end user and carries tags: what a list shows, without credentials.
pub type ConnectionListed = ConnectionRow;

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// A connection by integration key and connection id.
            pub async fn find_connection(
                &self,
                environment: EnvironmentPk,
                integration_key: &str,
                connection_id: &str,
            ) -> Result<Option<ConnectionRow>, StoreError> {
                self.find(
                    &CONNECTION_FIND,
                    params![environment, integration_key, connection_id],
                )
                .await?
                .map(|row| ConnectionRow::from_row(&row))
                .transpose()
            }

            /// A connection by its database key, unless it is deleted.
            pub async fn find_connection_by_pk(
                &self,
                pk: ConnectionPk,
            ) -> Result<Option<ConnectionRow>, StoreError> {
                self.find(&CONNECTION_BY_PK, params![pk])
                    .await?
                    .map(|row| ConnectionRow::from_row(&row))
                    .transpose()
            }

            /// Connections of an environment, the newest first.
            pub async fn list_connections(
                &self,
                environment: EnvironmentPk,
                filter: &ConnectionFilter,
            ) -> Result<Vec<ConnectionRow>, StoreError> {
                let Some((statement, values)) = filter.statement(environment) else {
                    return Ok(Vec::new());
                };
                if filter.may_be_among_the_newest(statement) {
                    let rows = self.query(&CONNECTION_LIST_NEWEST, &values).await?;
                    if i64::try_from(rows.len()).is_ok_and(|found| found >= filter.limit) {
                        return rows.iter().map(ConnectionRow::from_row).collect();
                    }
                }
                let rows = self.query(statement, &values).await?;
                rows.iter().map(ConnectionRow::from_row).collect()
            }

            /// The connections of an integration whose lookup of this kind and path has this value.
            pub async fn list_connections_by_lookup(
                &self,
                integration: IntegrationPk,
                environment: EnvironmentPk,
                kind: LookupKind,
                path: &str,
                value: &str,
            ) -> Result<Vec<ConnectionRow>, StoreError> {
                let values = params![environment, kind.as_str(), path, value, integration];
                let rows = self.query(&CONNECTION_BY_LOOKUP, values).await?;
                rows.iter().map(ConnectionRow::from_row).collect()
            }

            /// Database keys of all connections of an integration.
            pub async fn list_connection_keys(
                &self,
                integration: IntegrationPk,
            ) -> Result<Vec<(ConnectionPk, String)>, StoreError> {
                let rows = self.query(&CONNECTION_KEYS, params![integration]).await?;
                rows.iter()
                    .map(|row| Ok((row.get(0)?, row.get(1)?)))
                    .collect()
            }

            /// The credentials of a connection in clear.
            pub async fn open_credentials(
                &self,
                connection: &ConnectionRow,
            ) -> Result<CredentialsJson, StoreError> {
                let id = connection.pk.to_string();
                let context = credentials_seal(connection.environment, connection.pk, &id);
                let opened = self.open(context, &connection.credentials).await?;
                serde_json::from_slice(&opened).map_err(|_| StoreError::Corrupt {
                    table: "connection",
                    column: "credentials",
                    row: id,
                })
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl Tx {
    /// The live connection with this id, if any, locked until the end of the transaction where the database has locks.
    pub async fn find_connection_to_change(
        &self,
        integration: IntegrationPk,
        connection_id: &str,
    ) -> Result<Option<ConnectionRow>, StoreError> {
        self.find(&CONNECTION_LOCK, params![integration, connection_id])
            .await?
            .map(|row| ConnectionRow::from_row(&row))
            .transpose()
    }

    /// Stores a new connection with its lookups. A taken id is a unique violation.
    pub async fn insert_connection(&self, write: &ConnectionWrite<'_>) -> Result<(), StoreError> {
        let sealed = self
            .seal_credentials(write.environment, write.pk, write.credentials)
            .await?;
        let values = params![
            write.pk,
            write.environment,
            write.integration,
            write.connection_id,
            write.provider,
            write.auth_mode,
            sealed,
            write.credentials_expires_at,
            write.connection_config.to_string(),
            write.metadata.map(Value::to_string),
            write.tags.to_string(),
            write.end_user.map(Value::to_string),
            write.webhook_url_override.map(str::to_owned),
            write.now,
        ];
        self.execute(&CONNECTION_INSERT, values).await?;
        self.insert_lookups(
            write.environment,
            write.integration,
            write.pk,
            &write.lookups(),
        )
        .await
    }

    /// Replaces credentials and settings of a connection; clears its refresh counters and errors.
    pub async fn override_connection(&self, write: &ConnectionWrite<'_>) -> Result<(), StoreError> {
        let sealed = self
            .seal_credentials(write.environment, write.pk, write.credentials)
            .await?;
        let values = params![
            write.pk,
            write.provider,
            write.auth_mode,
            sealed,
            write.credentials_expires_at,
            write.connection_config.to_string(),
            write.metadata.map(Value::to_string),
            write.tags.to_string(),
            write.end_user.map(Value::to_string),
            write.webhook_url_override.map(str::to_owned),
            write.now,
        ];
        self.execute(&CONNECTION_OVERRIDE, values).await?;
        self.execute(&LOOKUP_CLEAR, params![write.pk]).await?;
        self.insert_lookups(
            write.environment,
            write.integration,
            write.pk,
            &write.lookups(),
        )
        .await
    }

    /// Replaces the metadata of a connection.
    pub async fn set_metadata(
        &self,
        connection: &ConnectionRow,
        metadata: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            &CONNECTION_METADATA,
            params![connection.pk, metadata.to_string(), now],
        )
        .await?;
        self.replace_lookups(connection, LookupKind::Metadata, metadata)
            .await
    }

    /// Replaces the connection config of a connection.
    pub async fn set_connection_config(
        &self,
        connection: &ConnectionRow,
        config: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            &CONNECTION_CONFIG,
            params![connection.pk, config.to_string(), now],
        )
        .await?;
        self.replace_lookups(connection, LookupKind::Config, config)
            .await
    }

    /// Replaces end user, tags and webhook URL of a connection.
    pub async fn set_labels(
        &self,
        connection: &ConnectionRow,
        end_user: Option<&Value>,
        tags: &Value,
        webhook_url_override: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = params![
            connection.pk,
            end_user.map(Value::to_string),
            tags.to_string(),
            webhook_url_override.map(str::to_owned),
            now
        ];
        self.execute(&CONNECTION_LABELS, values).await?;
        self.replace_lookups(connection, LookupKind::Tag, tags)
            .await?;
        let nobody = Value::Null;
        self.replace_lookups(connection, LookupKind::EndUser, end_user.unwrap_or(&nobody))
            .await
    }

    /// Marks a connection as deleted, forgets its lookups and dooms its records; whether there was one.
    pub async fn delete_connection(
        &self,
        pk: ConnectionPk,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.execute(&LOOKUP_CLEAR, params![pk]).await?;
        self.doom_models(pk).await?;
        self.forget_quarantine(pk).await?;
        Ok(self.execute(&CONNECTION_DELETE, params![pk, now]).await? > 0)
    }

    /// Marks the credentials of a connection as not working, until they are replaced.
    pub async fn exhaust_connection(
        &self,
        pk: ConnectionPk,
        error: &str,
        log_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&CONNECTION_EXHAUST, params![pk, error, log_id, now])
            .await
            .map(|_| ())
    }

    /// Notes that a connection was read.
    pub async fn stamp_connection(
        &self,
        pk: ConnectionPk,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&CONNECTION_FETCHED, params![pk, now])
            .await
            .map(|_| ())
    }

    pub(crate) async fn seal_credentials(
        &self,
        environment: EnvironmentPk,
        pk: ConnectionPk,
        credentials: &CredentialsJson,
    ) -> Result<Bytes, StoreError> {
        let plain = serde_json::to_vec(credentials).expect("a JSON object of ours can be written");
        self.seal(credentials_seal(environment, pk, &pk.to_string()), &plain)
            .await
    }

    async fn replace_lookups(
        &self,
        connection: &ConnectionRow,
        kind: LookupKind,
        object: &Value,
    ) -> Result<(), StoreError> {
        self.execute(&LOOKUP_CLEAR_KIND, params![connection.pk, kind.as_str()])
            .await?;
        let lookups = lookups_of(kind, object);
        self.insert_lookups(
            connection.environment,
            connection.integration,
            connection.pk,
            &lookups,
        )
        .await
    }

    async fn insert_lookups(
        &self,
        environment: EnvironmentPk,
        integration: IntegrationPk,
        connection: ConnectionPk,
        lookups: &[Lookup],
    ) -> Result<(), StoreError> {
        for lookup in lookups {
            let values = params![
                environment,
                integration,
                lookup.kind.as_str(),
                lookup.path.as_str(),
                lookup.value.as_str(),
                connection
            ];
            self.execute(&LOOKUP_INSERT, values).await?;
        }
        Ok(())
    }
}

impl ConnectionWrite<'_> {
    fn lookups(&self) -> Vec<Lookup> {
        let mut lookups = lookups_of(LookupKind::Tag, self.tags);
        lookups.extend(lookups_of(LookupKind::Config, self.connection_config));
        if let Some(metadata) = self.metadata {
            lookups.extend(lookups_of(LookupKind::Metadata, metadata));
        }
        if let Some(end_user) = self.end_user {
            lookups.extend(lookups_of(LookupKind::EndUser, end_user));
        }
        lookups
    }
}

impl ConnectionRow {
    /// Reads the columns that every connection statement selects, in their order.
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            environment: row.get(1)?,
            integration: row.get(2)?,
            integration_key: row.get(3)?,
            connection_id: row.get(4)?,
            provider: row.get(5)?,
            auth_mode: row.get(6)?,
            credentials: row.get(7)?,
            credentials_expires_at: row.get(8)?,
            credentials_version: row.get(9)?,
            connection_config: row.get(10)?,
            metadata: row.get(11)?,
            tags: row.get(12)?,
            end_user: row.get(13)?,
            webhook_url_override: row.get(14)?,
            last_fetched_at: row.get(15)?,
            last_refresh_success: row.get(16)?,
            last_refresh_failure: row.get(17)?,
            refresh_attempts: row.get(18)?,
            refresh_exhausted: row.get(19)?,
            auth_error: row.get(20)?,
            auth_error_log_id: row.get(21)?,
            sync_error_log_id: row.get(22)?,
            created_at: row.get(23)?,
            updated_at: row.get(24)?,
        })
    }
}

impl ConnectionFilter {
    /// Whether it is worth while to look through the newest connections first: a page that they fill is the answer.
    fn may_be_among_the_newest(&self, statement: &'static crate::Statement) -> bool {
        let starts_from_what_fits = [&CONNECTION_LIST_SEARCH, &CONNECTION_LIST_INTEGRATIONS];
        starts_from_what_fits
            .iter()
            .any(|other| std::ptr::eq(*other, statement))
            && self.offset.saturating_add(self.limit) <= NEWEST
    }

    /// The statement that starts from the narrowest index, and its values; `None` if nothing can match.
    fn statement(
        &self,
        environment: EnvironmentPk,
    ) -> Option<(&'static crate::Statement, Vec<crate::Param>)> {
        let mut tags = self.tags.clone();
        if tags.len() > TAG_SLOTS {
            return None;
        }
        let integrations = match &self.integrations {
            Some(keys) if keys.is_empty() => return None,
            Some(keys) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                Some(format!(",{},", keys.join(",")))
            }
            None => None,
        };
        let search = self
            .search
            .as_ref()
            .map(|text| format!("%{}%", text.replace('\\', "\\\\")));
        // The first label drives the query, the others filter.
        let driver = if let Some(id) = &self.end_user_id {
            Some(("end_user", "id".to_owned(), id.clone()))
        } else if let Some(id) = &self.organization_id {
            Some(("end_user", "organization.id".to_owned(), id.clone()))
        } else if tags.is_empty() {
            None
        } else {
            let (name, value) = tags.remove(0);
            Some(("tag", name, value))
        };
        let statement = match (&driver, &self.connection_id) {
            (Some(_), _) => &CONNECTION_LIST_LABELLED,
            (None, Some(_)) => &CONNECTION_LIST_ID,
            (None, None) if search.is_some() => &CONNECTION_LIST_SEARCH,
            (None, None) if integrations.is_some() => &CONNECTION_LIST_INTEGRATIONS,
            (None, None) => &CONNECTION_LIST,
        };
        let (kind, path, value) = match driver {
            Some((kind, path, value)) => (Some(kind.to_owned()), Some(path), Some(value)),
            None => (None, None, None),
        };
        let mut values: Vec<crate::Param> = params![
            environment,
            self.limit,
            self.offset,
            self.connection_id.clone(),
            search,
            integrations,
            self.organization_id.clone(),
            kind,
            path,
            value
        ]
        .to_vec();
        for slot in 0..TAG_SLOTS {
            let tag = tags.get(slot);
            values.push(crate::Param::from(tag.map(|(name, _)| name.clone())));
            values.push(crate::Param::from(tag.map(|(_, value)| value.clone())));
        }
        Some((statement, values))
    }
}

/// Where the credentials of a connection are sealed.
pub(crate) const fn credentials_seal(
    environment: EnvironmentPk,
    pk: ConnectionPk,
    row: &str,
) -> SealContext<'_> {
    SealContext {
        environment,
        connection: Some(pk),
        table: "connection",
        column: "credentials",
        row,
    }
}
