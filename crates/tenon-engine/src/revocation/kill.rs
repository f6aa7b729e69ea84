//! The kill switch: everything of a provider, an environment or an end user's organisation goes, and providers are told.

use std::collections::{BTreeMap, HashSet};

use tenon_core::names::ConnectionPk;
use tenon_store::{StoreError, connections::ConnectionFilter, environments::EnvironmentRow};

use super::Reason;
use crate::{Engine, connections};

/// Connections deleted in one transaction.
const SLICE: usize = 50;

/// Connections read at once while looking for those of an organisation.
const PAGE: i64 = 1_000;

/// What is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlastOf {
    /// A provider, in every environment.
    Provider(String),
    /// Everything of an environment.
    Environment(String),
    /// An organisation of end users, in every environment.
    Organization(String),
}

/// What stands to be deleted. Look at it before [`kill`].
#[derive(Clone, Debug, Default)]
pub struct Blast {
    pub integrations: Vec<Integration>,
    targets: Vec<ConnectionPk>,
    seen: HashSet<ConnectionPk>,
}

/// Connections of one integration.
#[derive(Clone, Debug)]
pub struct Integration {
    pub environment: String,
    pub unique_key: String,
    pub provider: String,
    /// Whether its provider can be told.
    pub is_revocable: bool,
    pub connection_ids: Vec<String>,
}

impl Blast {
    /// How many connections there are.
    pub const fn connections(&self) -> usize {
        self.targets.len()
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    pub connections: usize,
}

/// Looks what would go. Nothing if there is no such environment.
pub async fn blast(engine: &Engine, of: &BlastOf) -> Result<Option<Blast>, StoreError> {
    let environments = engine.reader().list_environments().await?;
    let mut blast = Blast::default();
    match of {
        BlastOf::Environment(name) => {
            let Some(environment) = environments.iter().find(|one| one.name == *name) else {
                return Ok(None);
            };
            blast
                .add_integrations(engine, environment, |_| true)
                .await?;
        }
        BlastOf::Provider(provider) => {
            for environment in &environments {
                let same = |name: &str| name == provider;
                blast.add_integrations(engine, environment, same).await?;
            }
        }
        BlastOf::Organization(organization) => {
            for environment in &environments {
                blast
                    .add_organization(engine, environment, organization)
                    .await?;
            }
        }
    }
    Ok(Some(blast))
}

/// Deletes what the blast names, and stores what providers are to be told, in small transactions: a node that dies has
/// left the rest to the next call. Functions that want to run before a deletion do not run: when something has leaked,
/// nothing may hold this up.
pub async fn kill(engine: &Engine, blast: &Blast) -> Result<Killed, StoreError> {
    let mut killed = Killed::default();
    for slice in blast.targets.chunks(SLICE) {
        let (inner, slice) = (engine.clone(), slice.to_vec());
        killed.connections += engine
            .store
            .write(move |tx| async move {
                let mut deleted = 0;
                for pk in slice {
                    let Some(connection) = tx.find_connection_by_pk(pk).await? else {
                        continue;
                    };
                    let why = Reason::KillSwitch;
                    if connections::delete_for(&tx, &inner, &connection, why).await? {
                        deleted += 1;
                    }
                }
                Ok::<usize, StoreError>(deleted)
            })
            .await?;
    }
    Ok(killed)
}

impl Blast {
    async fn add_integrations(
        &mut self,
        engine: &Engine,
        environment: &EnvironmentRow,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let reader = engine.reader();
        for integration in reader.list_integrations(environment.pk).await? {
            if !wanted(&integration.provider) {
                continue;
            }
            let keys = reader.list_connection_keys(integration.pk).await?;
            let (pks, ids): (Vec<ConnectionPk>, Vec<String>) = keys.into_iter().unzip();
            self.add(
                engine,
                environment,
                &integration.unique_key,
                &integration.provider,
                ids,
            );
            self.targets.extend(pks);
        }
        Ok(())
    }

    async fn add_organization(
        &mut self,
        engine: &Engine,
        environment: &EnvironmentRow,
        organization: &str,
    ) -> Result<(), StoreError> {
        let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for by_tag in [false, true] {
            let mut offset = 0;
            loop {
                let filter = page(organization, by_tag, offset);
                let rows = engine
                    .reader()
                    .list_connections(environment.pk, &filter)
                    .await?;
                let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                for row in rows {
                    if self.seen.insert(row.pk) {
                        self.targets.push(row.pk);
                        let integration = (row.integration_key, row.provider);
                        let ids = found.entry(integration).or_default();
                        ids.push(row.connection_id);
                    }
                }
                if count < PAGE {
                    break;
                }
                offset += PAGE;
            }
        }
        for ((key, provider), ids) in found {
            self.add(engine, environment, &key, &provider, ids);
        }
        Ok(())
    }

    fn add(
        &mut self,
        engine: &Engine,
        environment: &EnvironmentRow,
        unique_key: &str,
        provider: &str,
        connection_ids: Vec<String>,
    ) {
        if connection_ids.is_empty() {
            return;
        }
        let known = engine.catalogue.find(provider);
        self.integrations.push(Integration {
            environment: environment.name.clone(),
            unique_key: unique_key.to_owned(),
            provider: provider.to_owned(),
            is_revocable: known.is_some_and(|known| engine.catalogue.revocation(&known).is_some()),
            connection_ids,
        });
    }
}

/// Connections made in a session know their organisation, imported ones carry it as a tag.
fn page(organization: &str, by_tag: bool, offset: i64) -> ConnectionFilter {
    let organization = organization.to_owned();
    let (organization_id, tags) = if by_tag {
        (None, vec![("organization_id".to_owned(), organization)])
    } else {
        (Some(organization), Vec::new())
    };
    ConnectionFilter {
        organization_id,
        tags,
        limit: PAGE,
        offset,
        ..ConnectionFilter::default()
    }
}
