//! Connections read lately, ready for use. A busy connection is asked for thousands of times a second and changes once an
//! hour: reading, opening and parsing it each time would cost more than the whole request.
//!
//! Only where this process alone writes: what is remembered is as fresh as a read would be (see
//! [`tenon_store::Changes`]). On Postgres every call reads.

use std::{fmt, sync::Arc};

use quick_cache::{Equivalent, sync::Cache};
use tenon_core::{
    Timestamp, limits,
    names::{ConnectionId, EnvironmentPk, IntegrationKey, IntegrationPk},
};
use tenon_store::{Seen, StoreError, integrations::IntegrationRow};

use super::{ConnectionWithCredentials, CredentialsError, load::Loaded};
use crate::Engine;

/// A connection with all that is needed to use and to renew it.
pub(super) struct Held {
    pub(super) loaded: Loaded,
    pub(super) connection: Arc<ConnectionWithCredentials>,
    /// `None`: not to be remembered.
    seen: Option<Seen>,
}

/// The connections of this node that were read lately, and their integrations: who reads connections that nobody has read
/// lately shall at least not read and open the same integration each time.
pub(super) struct Remembered {
    connections: Cache<Key, Arc<Held>>,
    /// With the count of changes before they were read.
    integrations: Cache<IntegrationPk, (u64, Arc<IntegrationRow>)>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            connections: Cache::new(limits::REMEMBERED_CONNECTIONS),
            integrations: Cache::new(limits::REMEMBERED_INTEGRATIONS),
        }
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Remembered({})", self.connections.len())
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    environment: EnvironmentPk,
    integration: IntegrationKey,
    connection: ConnectionId,
}

/// A key that is only looked for.
#[derive(Hash)]
struct Wanted<'a> {
    environment: EnvironmentPk,
    integration: &'a IntegrationKey,
    connection: &'a ConnectionId,
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.environment == key.environment
            && *self.integration == key.integration
            && *self.connection == key.connection
    }
}

/// The connection as it is stored now.
pub(super) async fn find(
    engine: &Engine,
    environment: EnvironmentPk,
    integration: &IntegrationKey,
    connection: &ConnectionId,
) -> Result<Arc<Held>, CredentialsError> {
    let remembered = &engine.refreshes.remembered.connections;
    let wanted = Wanted {
        environment,
        integration,
        connection,
    };
    let changes = engine.store.changes();
    if let Some(changes) = changes
        && let Some(held) = remembered.get(&wanted)
        && held.is_current(engine, changes)
    {
        return Ok(held);
    }
    let before = changes.map(|changes| (changes, changes.before()));
    let loaded = Loaded::find(engine, environment, integration, connection).await?;
    let seen = before.and_then(|(changes, before)| changes.seen(before, loaded.row.pk));
    let held = Arc::new(Held {
        connection: Arc::new(loaded.connection()?),
        loaded,
        seen,
    });
    if seen.is_some() {
        let key = Key {
            environment,
            integration: integration.clone(),
            connection: connection.clone(),
        };
        remembered.insert(key, Arc::clone(&held));
    }
    Ok(held)
}

/// The integration as it is stored now; `None` if it is deleted.
pub(super) async fn find_integration(
    engine: &Engine,
    integration: IntegrationPk,
) -> Result<Option<Arc<IntegrationRow>>, StoreError> {
    let remembered = &engine.refreshes.remembered.integrations;
    let changes = engine.store.changes().map(tenon_store::Changes::of_all);
    if let Some(changes) = changes
        && let Some((before, row)) = remembered.get(&integration)
        && before == changes
    {
        return Ok(Some(row));
    }
    let found = engine.reader().find_integration_by_pk(integration).await?;
    let found = found.map(Arc::new);
    if let (Some(changes), Some(row)) = (changes, &found) {
        remembered.insert(integration, (changes, Arc::clone(row)));
    }
    Ok(found)
}

impl Held {
    /// The connection as somebody reads it who did so last at this instant.
    pub(super) fn read(&self, at: Option<Timestamp>) -> Arc<ConnectionWithCredentials> {
        if self.connection.last_fetched_at == at {
            return Arc::clone(&self.connection);
        }
        let mut connection = ConnectionWithCredentials::clone(&self.connection);
        connection.last_fetched_at = at;
        Arc::new(connection)
    }

    fn is_current(&self, engine: &Engine, changes: &tenon_store::Changes) -> bool {
        let is_unchanged = self
            .seen
            .is_some_and(|seen| changes.holds(seen, self.loaded.row.pk));
        // The catalogue may have been replaced.
        is_unchanged
            && engine
                .catalogue
                .find(&self.loaded.integration.provider)
                .is_some_and(|provider| Arc::ptr_eq(&provider, &self.loaded.provider))
    }
}
