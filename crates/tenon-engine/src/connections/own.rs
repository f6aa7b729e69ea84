//! Connections of the end user that a session was opened for: what a page of the app lets people see and undo.
//!
//! Whose they are is decided by the tags that every connection of a session carries (`end_user_id`, and
//! `organization_id` where the session names one), never by what the browser says.

use serde_json::{Map, Value, json};
use tenon_core::names::EnvironmentPk;
use tenon_store::{
    StoreError,
    connect_sessions::ConnectSessionRow,
    connections::{ConnectionFilter, ConnectionRow},
};

use super::sessions::{self, NewSession, OpenedSession};
use crate::Engine;

/// Most connections that are shown: nobody has more accounts than that.
const MAX_SHOWN: i64 = 500;

/// The connections that a session may see and change.
#[derive(Clone, Debug)]
pub struct OwnConnections {
    environment: EnvironmentPk,
    /// Tags that a connection must carry.
    tags: Vec<(String, String)>,
    /// Integrations that the session is limited to; all if there are none.
    allowed: Vec<String>,
}

impl OwnConnections {
    /// Those of a session; `None` if it was not opened for this, or names nobody.
    pub fn of(session: &ConnectSessionRow) -> Option<Self> {
        if !session.manage_connections {
            return None;
        }
        let tags: Map<String, Value> = parsed(session.tags.as_deref()).unwrap_or_default();
        let tag = |name: &str| {
            let value = tags.get(name)?.as_str()?;
            Some((name.to_owned(), value.to_owned()))
        };
        let user = tag("end_user_id")?;
        Some(Self {
            environment: session.environment,
            tags: std::iter::once(user)
                .chain(tag("organization_id"))
                .collect(),
            allowed: parsed(session.allowed_integrations.as_deref()).unwrap_or_default(),
        })
    }

    fn includes(&self, connection: &ConnectionRow) -> bool {
        let tags: Map<String, Value> = parsed(Some(&connection.tags)).unwrap_or_default();
        let carries = |(name, value): &(String, String)| {
            tags.get(name).and_then(Value::as_str) == Some(value.as_str())
        };
        self.tags.iter().all(carries)
            && (self.allowed.is_empty() || self.allowed.contains(&connection.integration_key))
    }

    /// All of them, the newest first.
    pub async fn list(&self, engine: &Engine) -> Result<Vec<ConnectionRow>, StoreError> {
        let filter = ConnectionFilter {
            tags: self.tags.clone(),
            limit: MAX_SHOWN,
            ..ConnectionFilter::default()
        };
        let mut rows = engine
            .reader()
            .list_connections(self.environment, &filter)
            .await?;
        rows.retain(|row| self.includes(row));
        Ok(rows)
    }

    /// One of them; `None` whether it is somebody else's or does not exist, so that nobody learns which.
    pub async fn find(
        &self,
        engine: &Engine,
        integration: &str,
        connection: &str,
    ) -> Result<Option<ConnectionRow>, StoreError> {
        let found = engine
            .reader()
            .find_connection(self.environment, integration, connection)
            .await?;
        Ok(found.filter(|row| self.includes(row)))
    }
}

/// Opens a session that authorises one of them again. It carries on what the app decided for the first one.
pub async fn open_reconnect(
    engine: &Engine,
    session: &ConnectSessionRow,
    connection: &ConnectionRow,
) -> Result<OpenedSession, StoreError> {
    let new = NewSession {
        end_user: parsed(connection.end_user.as_deref()),
        allowed_integrations: Some(json!([connection.integration_key])),
        integrations_config_defaults: parsed(session.integrations_config_defaults.as_deref()),
        overrides: parsed(session.overrides.as_deref()),
        connection: Some(connection.pk),
        ask_settings: Some(false),
        ..NewSession::default()
    };
    let (environment, name) = (session.environment, session.environment_name.as_str());
    sessions::open(engine, environment, name, new).await
}

fn parsed<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(text).ok())
}
