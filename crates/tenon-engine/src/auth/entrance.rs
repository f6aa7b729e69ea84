//! What all flows check first, in this order, and what they carry on from there (auth-and-proxy.md, 3.5).

use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use serde_json::{Map, Value};
use tenon_core::{auth::AuthMode, names::ConnectionId};
use tenon_providers::{Provider, webhook::Place};
use tenon_store::{
    StoreError, connect_sessions::ConnectSessionRow, environments::EnvironmentRow,
    integrations::IntegrationRow,
};

use super::{
    asked::{self, Asked},
    oauth2::authorize,
};
use crate::{
    Engine,
    connections::{NewConnection, tags::EndUser},
    records::Problem,
};

/// A browser at the door.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub environment: EnvironmentRow,
    /// `None`: it came with the public key.
    pub session: Option<ConnectSessionRow>,
    /// Whether it must bring an HMAC.
    pub needs_hmac: bool,
    pub integration_key: String,
    /// Only with the public key; a session decides itself.
    pub connection_id: Option<ConnectionId>,
    pub hmac: Option<String>,
    /// `params[…]`: texts for the connection config.
    pub params: Map<String, Value>,
    /// `authorization_params[…]`.
    pub authorization_params: Map<String, Value>,
    /// Comma list.
    pub user_scope: Option<String>,
    /// What a session that asks for settings of syncs was told.
    pub settings: Option<Map<String, Value>>,
}

/// Why a visitor is turned away.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    #[error("the flow has to carry an `hmac`")]
    MissingHmac,
    #[error("the `hmac` does not belong to this integration and connection")]
    InvalidHmac,
    #[error("there is no integration `{0}`")]
    UnknownIntegration(String),
    #[error("the provider `{0}` of this integration is not in the catalogue")]
    UnknownProvider(String),
    #[error("integration `{integration}` is authorised by `{mode}`, not this way")]
    WrongMode { integration: String, mode: AuthMode },
    #[error("the connect session does not allow integration `{0}`")]
    NotAllowed(String),
    #[error("the connection that was to be authorised again does not exist")]
    InvalidConnection,
    #[error("{}", settings_text(.0))]
    Settings(Vec<Problem>),
    #[error("store failed while a flow began")]
    Store(#[from] StoreError),
}

/// A visitor who may go on.
#[derive(Clone, Debug)]
pub struct Entrance {
    pub environment: EnvironmentRow,
    pub session: Option<ConnectSessionRow>,
    pub integration: IntegrationRow,
    pub provider: Arc<Provider>,
    pub connection_id: ConnectionId,
    /// What the browser sent, overlaid by what the session decided.
    pub connection_config: Map<String, Value>,
    pub authorization_params: Map<String, Value>,
    pub user_scope: Option<String>,
    /// Instead of the scopes of the integration.
    pub scopes_override: Option<Vec<String>>,
    /// Checked settings of syncs: what a new connection has as its metadata.
    pub settings: Option<Map<String, Value>>,
}

impl Visitor {
    /// Checks everything that does not need the provider. `modes` are those of the route.
    pub async fn enter(
        mut self,
        engine: &Engine,
        modes: &[AuthMode],
    ) -> Result<Entrance, EntranceError> {
        self.check_hmac()?;
        let reader = engine.reader();
        let found = reader
            .find_integration(self.environment.pk, &self.integration_key)
            .await?;
        let integration =
            found.ok_or_else(|| EntranceError::UnknownIntegration(self.integration_key.clone()))?;
        let provider = engine
            .catalogue
            .find(&integration.provider)
            .ok_or_else(|| EntranceError::UnknownProvider(integration.provider.clone()))?;
        if !modes.contains(&provider.auth_mode) {
            return Err(EntranceError::WrongMode {
                integration: integration.unique_key,
                mode: provider.auth_mode,
            });
        }
        if !self.is_allowed() {
            return Err(EntranceError::NotAllowed(integration.unique_key));
        }
        let connection_id = match self.reconnected(engine, &integration).await? {
            Some(id) => id,
            None => match &self.connection_id {
                Some(id) => id.clone(),
                None => generated(engine),
            },
        };
        let settings = match self.settings.take() {
            Some(given) => self.checked_settings(engine, &integration, given).await?,
            None => None,
        };
        let own = provider_own(engine, &provider);
        let entrance = self.overlaid(integration, provider, connection_id, &own);
        Ok(Entrance {
            settings,
            ..entrance
        })
    }

    /// Settings are taken only where a session asks for them, and never for a connection that has its own.
    async fn checked_settings(
        &self,
        engine: &Engine,
        integration: &IntegrationRow,
        given: Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, EntranceError> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        if session.connection.is_some() || !asked::is_wanted(engine, session).await? {
            return Ok(None);
        }
        let asked = Asked::of(engine, integration.pk).await?;
        asked
            .checked(given)
            .map(Some)
            .map_err(EntranceError::Settings)
    }

    fn check_hmac(&self) -> Result<(), EntranceError> {
        if !self.needs_hmac {
            return Ok(());
        }
        let given = self.hmac.as_deref().filter(|text| !text.is_empty());
        let given = given.ok_or(EntranceError::MissingHmac)?;
        let key = self
            .environment
            .hmac_key
            .as_ref()
            .ok_or(EntranceError::InvalidHmac)?;
        let signed = match &self.connection_id {
            Some(id) => format!("{}:{id}", self.integration_key),
            None => self.integration_key.clone(),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let expected = hex::encode(hmac::sign(&key, signed.as_bytes()));
        constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes())
            .map_err(|_| EntranceError::InvalidHmac)
    }

    fn is_allowed(&self) -> bool {
        let Some(session) = &self.session else {
            return true;
        };
        let allowed = session.allowed_integrations.as_deref().map(strings);
        allowed.is_none_or(|keys| keys.is_empty() || keys.contains(&self.integration_key))
    }

    /// The connection of a reconnect session; it must be one of this integration.
    async fn reconnected(
        &self,
        engine: &Engine,
        integration: &IntegrationRow,
    ) -> Result<Option<ConnectionId>, EntranceError> {
        let Some(pk) = self.session.as_ref().and_then(|session| session.connection) else {
            return Ok(None);
        };
        let found = engine.reader().find_connection_by_pk(pk).await?;
        let connection = found
            .filter(|connection| connection.integration == integration.pk)
            .ok_or(EntranceError::InvalidConnection)?;
        ConnectionId::imported(&connection.connection_id)
            .map(Some)
            .map_err(|_| EntranceError::InvalidConnection)
    }

    fn overlaid(
        self,
        integration: IntegrationRow,
        provider: Arc<Provider>,
        connection_id: ConnectionId,
        own: &[String],
    ) -> Entrance {
        let defaults = self.defaults();
        let member = |name: &str| defaults.get(name).and_then(Value::as_object).cloned();
        let mut connection_config = self.params;
        connection_config.remove("webhook_url");
        connection_config.retain(|name, _| !own.contains(name));
        connection_config.extend(member("connection_config").unwrap_or_default());
        let mut authorization_params = self.authorization_params;
        authorization_params.extend(member("authorization_params").unwrap_or_default());
        let user_scope = match &self.session {
            Some(_) => defaults
                .get("user_scopes")
                .and_then(Value::as_str)
                .map(str::to_owned),
            None => self.user_scope,
        };
        let user_scope = user_scope.filter(|scope| !scope.is_empty());
        if let Some(user_scope) = &user_scope {
            connection_config.insert("user_scope".to_owned(), user_scope.as_str().into());
        }
        let scopes_override = connection_config
            .get("oauth_scopes_override")
            .and_then(scopes);
        if let Some(scopes) = &scopes_override {
            connection_config.insert("oauth_scopes_override".to_owned(), scopes.clone().into());
        }
        Entrance {
            environment: self.environment,
            session: self.session,
            integration,
            provider,
            connection_id,
            connection_config,
            authorization_params,
            user_scope,
            scopes_override,
            settings: None,
        }
    }

    /// What the session decided for this integration.
    fn defaults(&self) -> Map<String, Value> {
        let text = self
            .session
            .as_ref()
            .and_then(|session| session.integrations_config_defaults.as_deref());
        let all: Value = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let own = all.get(&self.integration_key).and_then(Value::as_object);
        own.cloned().unwrap_or_default()
    }
}

fn settings_text(problems: &[Problem]) -> String {
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("`{}` {}", problem.path, problem.reason))
        .collect();
    format!("the settings do not fit: {}", list.join("; "))
}

/// Names that only the provider, the session and this server may say. By some of them webhooks find their connection:
/// whoever could choose them in a link would get the webhooks of somebody else.
fn provider_own(engine: &Engine, provider: &Provider) -> Vec<String> {
    let routing = engine.catalogue.webhook_routing(provider);
    let places = routing
        .iter()
        .flat_map(|routing| &routing.connection.find)
        .filter_map(|lookup| match &lookup.place {
            Place::Config(path) => Some(path.clone()),
            Place::ConnectionId | Place::Metadata(_) => None,
        });
    let is_asked = |name: &String| {
        let field = provider.connection_config.get(name.as_str());
        field.is_some_and(|field| !field.automated)
    };
    let mut own: Vec<String> = places.filter(|name| !is_asked(name)).collect();
    own.extend(["pending", "pendingLog"].map(str::to_owned));
    own
}

/// A connection id of our own making.
fn generated(engine: &Engine) -> ConnectionId {
    ConnectionId::parse(&engine.ids.uuid4().to_string()).expect("a UUID is a connection id")
}

fn scopes(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(list) => Some(authorize::scopes(Some(list))),
        Value::Array(items) => Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
    .filter(|scopes: &Vec<String>| !scopes.is_empty())
}

fn strings(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What a session adds to its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionLabels {
    pub tags: Option<Map<String, Value>>,
    pub end_user: Option<EndUser>,
    pub webhook_url_override: Option<String>,
}

impl SessionLabels {
    /// From the session's row.
    pub(crate) fn of(session: &ConnectSessionRow) -> Self {
        let json = |text: &Option<String>| -> Option<Value> {
            serde_json::from_str(text.as_deref()?).ok()
        };
        let end_user = json(&session.end_user).and_then(|mut value| {
            if let (Some(object), Some(organization)) =
                (value.as_object_mut(), json(&session.organization))
            {
                object.entry("organization").or_insert(organization);
            }
            EndUser::from_json(&value)
        });
        Self {
            tags: json(&session.tags).and_then(|value| value.as_object().cloned()),
            end_user,
            webhook_url_override: session.webhook_url_override.clone(),
        }
    }

    /// Puts the labels on a connection that is about to be stored.
    pub(crate) fn label(self, new: NewConnection) -> NewConnection {
        NewConnection {
            tags: self.tags,
            end_user: self.end_user,
            webhook_url_override: self.webhook_url_override,
            by_session: true,
            ..new
        }
    }
}
