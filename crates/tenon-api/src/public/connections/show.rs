//! A connection as clients read it (auth-and-proxy.md, 3.3).

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use tenon_core::{Timestamp, auth::CredentialsJson};
use tenon_engine::auth::refresh::{ConnectionErrorKind, ConnectionWithCredentials, Health};
use tenon_providers::Catalogue;
use tenon_store::{StoreError, connections::ConnectionRow};

/// How an answer writes instants: the reference has a form of its own for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// `….678Z`
    Zulu,
    /// `….678+00:00`
    Offset,
}

impl Moment {
    fn write(self, instant: Timestamp) -> String {
        match self {
            Self::Zulu => instant.iso_millis(),
            Self::Offset => instant.iso_millis_offset(),
        }
    }
}

/// An active error.
#[derive(Debug, Serialize)]
pub(super) struct ShownError {
    #[serde(rename = "type")]
    kind: &'static str,
    log_id: String,
}

/// The form of lists, without credentials. JSON that is stored goes out as it is.
#[derive(Debug, Serialize)]
pub(super) struct Simple {
    id: i64,
    connection_id: String,
    provider_config_key: String,
    provider: String,
    errors: Vec<ShownError>,
    end_user: Option<Box<RawValue>>,
    tags: Box<RawValue>,
    metadata: Option<Box<RawValue>>,
    created: String,
    /// Only where it is asked for: clients of the reference do not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<super::health::Shown>,
}

impl Simple {
    /// Adds how the connection is doing.
    pub(super) fn with_health(row: ConnectionRow) -> Result<Self, StoreError> {
        let health = Health::of(&row, None).into();
        Ok(Self {
            health: Some(health),
            ..Self::try_from(row)?
        })
    }
}

impl TryFrom<ConnectionRow> for Simple {
    type Error = StoreError;

    fn try_from(row: ConnectionRow) -> Result<Self, StoreError> {
        let errors = errors_of(&row);
        let raw = |column: &'static str, text: String| {
            RawValue::from_string(text).map_err(|_| StoreError::Corrupt {
                table: "connection",
                column,
                row: row.pk.to_string(),
            })
        };
        Ok(Self {
            id: row.pk.0,
            end_user: row.end_user.map(|text| raw("end_user", text)).transpose()?,
            tags: raw("tags", row.tags)?,
            metadata: row.metadata.map(|text| raw("metadata", text)).transpose()?,
            connection_id: row.connection_id,
            provider_config_key: row.integration_key,
            provider: row.provider,
            errors,
            created: row.created_at.iso_micros_offset(),
            health: None,
        })
    }
}

fn errors_of(row: &ConnectionRow) -> Vec<ShownError> {
    let auth = row.auth_error_log_id.clone().map(|id| ("auth", id));
    let sync = row.sync_error_log_id.clone().map(|id| ("sync", id));
    auth.into_iter()
        .chain(sync)
        .map(|(kind, log_id)| ShownError { kind, log_id })
        .collect()
}

/// The form of one connection.
#[derive(Debug, Serialize)]
pub(crate) struct Full {
    id: i64,
    connection_id: String,
    provider_config_key: String,
    provider: String,
    errors: Vec<ShownError>,
    end_user: Option<Value>,
    tags: Map<String, Value>,
    metadata: Option<Map<String, Value>>,
    connection_config: Map<String, Value>,
    webhook_url_override: Option<String>,
    created_at: String,
    updated_at: String,
    last_fetched_at: Option<String>,
    credentials: CredentialsJson,
}

impl Full {
    /// A connection whose credentials were read for use. Refresh tokens are still in it.
    pub(super) fn of(connection: ConnectionWithCredentials, moment: Moment) -> Self {
        let errors = connection.errors.into_iter().map(|error| ShownError {
            kind: match error.kind {
                ConnectionErrorKind::Auth => "auth",
                ConnectionErrorKind::Sync => "sync",
            },
            log_id: error.log_id,
        });
        Self {
            id: connection.pk.0,
            connection_id: connection.connection_id.into(),
            provider_config_key: connection.integration_key.into(),
            provider: connection.provider_name.into(),
            errors: errors.collect(),
            end_user: connection.end_user,
            tags: connection.tags,
            metadata: connection.metadata,
            connection_config: connection.connection_config,
            webhook_url_override: connection.webhook_url_override,
            created_at: moment.write(connection.created_at),
            updated_at: moment.write(connection.updated_at),
            last_fetched_at: connection.last_fetched_at.map(|at| moment.write(at)),
            credentials: connection.credentials.into_exposed(),
        }
    }

    /// A connection that was just stored.
    pub(super) fn stored(
        row: &ConnectionRow,
        credentials: CredentialsJson,
        moment: Moment,
    ) -> Result<Self, StoreError> {
        let parse = |column: &'static str, text: &str| {
            serde_json::from_str(text).map_err(|_| StoreError::Corrupt {
                table: "connection",
                column,
                row: row.pk.to_string(),
            })
        };
        Ok(Self {
            id: row.pk.0,
            connection_id: row.connection_id.clone(),
            provider_config_key: row.integration_key.clone(),
            provider: row.provider.clone(),
            errors: errors_of(row),
            end_user: row
                .end_user
                .as_deref()
                .map(|text| serde_json::from_str(text).unwrap_or(Value::Null)),
            tags: parse("tags", &row.tags)?,
            metadata: row
                .metadata
                .as_deref()
                .map(|text| parse("metadata", text))
                .transpose()?,
            connection_config: parse("connection_config", &row.connection_config)?,
            webhook_url_override: row.webhook_url_override.clone(),
            created_at: moment.write(row.created_at),
            updated_at: moment.write(row.updated_at),
            last_fetched_at: row.last_fetched_at.map(|at| moment.write(at)),
            credentials,
        })
    }

    /// Leaves out the credentials.
    pub(super) fn without_credentials(mut self) -> Self {
        self.credentials = Map::new();
        self
    }

    /// Leaves out refresh tokens, wherever a provider put them.
    pub(super) fn without_refresh_tokens(mut self, catalogue: &Catalogue) -> Self {
        strip(&mut self.credentials);
        strip(&mut self.connection_config);
        // Two-step providers name the path of theirs.
        let path = catalogue
            .find(&self.provider)
            .and_then(|provider| provider.token_response.as_ref()?.refresh_token.clone());
        if let (Some(path), Some(raw)) = (path, self.credentials.get_mut("raw")) {
            remove_path(raw, &path);
        }
        self
    }
}

/// Removes every member whose name spells "refreshtoken" once everything but letters is dropped.
fn strip(object: &mut Map<String, Value>) {
    object.retain(|name, _| !is_refresh_token(name));
    for value in object.values_mut() {
        strip_value(value);
    }
}

fn strip_value(value: &mut Value) {
    match value {
        Value::Object(object) => strip(object),
        Value::Array(items) => items.iter_mut().for_each(strip_value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_refresh_token(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphabetic);
    letters
        .map(|byte| byte.to_ascii_lowercase())
        .eq(b"refreshtoken".iter().copied())
}

fn remove_path(value: &mut Value, path: &str) {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = value;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        let Some(next) = at.get_mut(part) else { return };
        at = next;
    }
    if let Value::Object(object) = at {
        object.shift_remove(last);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{remove_path, strip_value};

    #[test]
    fn refresh_tokens_go_whatever_their_spelling() {
        let mut value = json!({"refresh_token": "a", "refreshToken": "b", "Refresh-Token2": "c", "access_token": "d",
            "raw": [{"REFRESH_TOKEN": "e", "refresh_token_expires_in": 1}]});
        strip_value(&mut value);
        assert_eq!(
            value,
            json!({"access_token": "d", "raw": [{"refresh_token_expires_in": 1}]})
        );
    }

    #[test]
    fn a_named_path_goes_too() {
        let mut value = json!({"session": {"renewal": "x", "id": 1}});
        remove_path(&mut value, "session.renewal");
        remove_path(&mut value, "no.such.path");
        assert_eq!(value, json!({"session": {"id": 1}}));
        remove_path(&mut Value::Null, "a");
    }
}
