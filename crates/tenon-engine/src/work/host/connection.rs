//! Connection, token, metadata and integration as functions see them (functions.md, 2.5).

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenon_core::{
    auth::AuthMode,
    function::{HostError, HostErrorKind, HostReply},
};
use tenon_store::StoreError;

use super::{RunHost, api_error, plain_error, store_error};
use crate::{
    audit::{self, Door, ReadBy, SecretOf},
    auth::refresh::{
        self, ConnectionErrorKind, ConnectionWithCredentials, CredentialsError, Refresh,
    },
    environments::TokenMode,
    inbound, integrations,
    proxy::ProxyTarget,
};

/// Members of credentials that are no secrets.
const SHOWN: [&str; 6] = [
    "type",
    "expires_at",
    "client_id",
    "scopes",
    "app_id",
    "app_link",
];

/// What functions see in place of a credential that is kept from them.
const REDACTED: &str = "[redacted]";

impl RunHost {
    pub(super) async fn connection(
        &self,
        target: &ProxyTarget,
        force_refresh: bool,
        refresh_token: bool,
    ) -> Result<HostReply, HostError> {
        let connection = self.fresh(target, force_refresh).await?;
        let mut public = public(&connection, refresh_token);
        if self.hides_secrets().await? {
            redact(&mut public["credentials"]);
        } else {
            self.read(SecretOf::Connection(connection.pk));
        }
        Ok(HostReply::Json(public))
    }

    async fn fresh(
        &self,
        target: &ProxyTarget,
        force_refresh: bool,
    ) -> Result<Arc<ConnectionWithCredentials>, HostError> {
        let refresh = if force_refresh {
            Refresh::Always
        } else {
            Refresh::IfNeeded
        };
        refresh::fresh(
            &self.engine,
            target.environment,
            &target.integration,
            &target.connection,
            refresh,
        )
        .await
        .map_err(credentials_error)
    }

    /// The token itself where there is one, else the credentials.
    pub(super) async fn token(&self) -> Result<HostReply, HostError> {
        let connection = self.fresh(&self.target(None, None)?, false).await?;
        let mut credentials = connection.credentials.expose().clone();
        credentials.remove("refresh_token");
        let token = match connection.auth_mode {
            AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic | AuthMode::App => {
                credentials.get("access_token").cloned()
            }
            AuthMode::OAuth2ClientCredentials
            | AuthMode::TwoStep
            | AuthMode::Jwt
            | AuthMode::Signature
            | AuthMode::Tableau => credentials.get("token").cloned(),
            _ => None,
        };
        let mut token = token.unwrap_or(Value::Object(credentials));
        if self.hides_secrets().await? {
            redact(&mut token);
        } else {
            self.read(SecretOf::Connection(connection.pk));
        }
        Ok(HostReply::Json(token))
    }

    /// Notes that the function got a secret.
    pub(super) fn read(&self, of: SecretOf) {
        let by = ReadBy::Function(self.run.function.pk);
        let environment = self.run.subject.environment;
        audit::read(&self.engine, environment, Door::Function, by, of);
    }

    async fn hides_secrets(&self) -> Result<bool, HostError> {
        Ok(self.settings().await?.tokens == TokenMode::HostOnly)
    }

    pub(super) async fn metadata(&self) -> Result<HostReply, HostError> {
        let found = self
            .engine
            .reader()
            .find_connection_by_pk(self.run.subject.connection)
            .await
            .map_err(store_error)?;
        let metadata = found
            .and_then(|row| row.metadata)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_else(|| json!({}));
        Ok(HostReply::Json(metadata))
    }

    /// Replaces the metadata, or merges into it at the top level.
    pub(super) async fn set_metadata(
        &self,
        metadata: Map<String, Value>,
        merge: bool,
    ) -> Result<HostReply, HostError> {
        let connection = self.run.subject.connection;
        let now = self.engine.clock.now();
        let found = self
            .engine
            .store
            .write(move |tx| async move {
                let Some(row) = tx.find_connection_by_pk(connection).await? else {
                    return Ok::<_, StoreError>(false);
                };
                let mut all: Map<String, Value> = match &row.metadata {
                    Some(text) if merge => serde_json::from_str(text).unwrap_or_default(),
                    _ => Map::new(),
                };
                all.extend(metadata);
                tx.set_metadata(&row, &Value::Object(all), now).await?;
                Ok(true)
            })
            .await
            .map_err(store_error)?;
        if !found {
            return Err(plain_error("the connection is gone".to_owned()));
        }
        Ok(HostReply::Done)
    }

    pub(super) async fn integration(&self, include: &[String]) -> Result<HostReply, HostError> {
        let subject = &self.run.subject;
        let found = self
            .engine
            .reader()
            .find_integration(subject.environment, &subject.integration_key)
            .await
            .map_err(store_error)?;
        let Some(row) = found else {
            return Err(plain_error("the integration is gone".to_owned()));
        };
        let provider = self.engine.catalogue.find(&row.provider);
        let name = provider
            .as_ref()
            .map(|provider| provider.display_name.clone());
        let settings = &self.engine.settings;
        let mut integration = json!({
            "unique_key": row.unique_key,
            "provider": row.provider,
            "display_name": row.display_name.clone().or(name),
            "logo": format!("{}/images/template-logos/{}.svg", settings.public_url, row.provider),
            "forward_webhooks": row.forward_webhooks,
            "created_at": row.created_at.iso_millis(),
            "updated_at": row.updated_at.iso_millis(),
        });
        if include.iter().any(|part| part == "webhook") {
            let address = inbound::address(&self.engine, &subject.environment_uuid, &row);
            integration["webhook_url"] = json!(address);
        }
        if include.iter().any(|part| part == "credentials") {
            let mode = provider.map_or(AuthMode::None, |provider| provider.auth_mode);
            integration["credentials"] = json!(integrations::shown_credentials(mode, &row));
            if self.hides_secrets().await? {
                redact(&mut integration["credentials"]);
            }
        }
        Ok(HostReply::Json(integration))
    }
}

/// Writes over every text and number of credentials, except what is no secret.
fn redact(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(_) | Value::String(_) => *value = json!(REDACTED),
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(members) => {
            for (name, member) in members {
                if !SHOWN.contains(&name.as_str()) {
                    redact(member);
                }
            }
        }
    }
}

/// The public object of a connection (auth-and-proxy.md, 3.3). The refresh token only on request.
fn public(connection: &ConnectionWithCredentials, refresh_token: bool) -> Value {
    let mut credentials = connection.credentials.expose().clone();
    if !refresh_token {
        credentials.remove("refresh_token");
        if let Some(Value::Object(raw)) = credentials.get_mut("raw") {
            raw.remove("refresh_token");
        }
    }
    if connection.auth_mode == AuthMode::None {
        credentials.clear();
    }
    let errors: Vec<Value> = connection
        .errors
        .iter()
        .map(|error| {
            let kind = match error.kind {
                ConnectionErrorKind::Auth => "auth",
                ConnectionErrorKind::Sync => "sync",
            };
            json!({ "type": kind, "log_id": error.log_id })
        })
        .collect();
    json!({
        "id": connection.pk.0,
        "connection_id": connection.connection_id,
        "provider_config_key": connection.integration_key,
        "provider": connection.provider_name,
        "errors": errors,
        "end_user": connection.end_user,
        "tags": connection.tags,
        "metadata": connection.metadata.clone().unwrap_or_default(),
        "connection_config": connection.connection_config,
        "webhook_url_override": connection.webhook_url_override,
        "created_at": connection.created_at.iso_millis_offset(),
        "updated_at": connection.updated_at.iso_millis_offset(),
        "last_fetched_at": connection.last_fetched_at.map(|at| at.iso_millis_offset()),
        "credentials": credentials,
    })
}

/// As the SDK would see the answer of our own API.
fn credentials_error(error: CredentialsError) -> HostError {
    let (status, code) = match &error {
        CredentialsError::UnknownIntegration(_) => (400, "unknown_provider_config"),
        CredentialsError::UnknownConnection { .. } => (404, "not_found"),
        CredentialsError::UnknownProvider(_) => (400, "unknown_provider_template"),
        CredentialsError::Refresh { source, .. } => source.wire(),
        CredentialsError::Store(_) => {
            return HostError {
                kind: HostErrorKind::Plain,
                ..plain_error("the platform could not answer; try again".to_owned())
            };
        }
    };
    let body = json!({ "error": { "code": code, "message": error.to_string() } });
    api_error((status, body), "/connections")
}
