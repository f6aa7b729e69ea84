//! What a deploy changes, compared with what is active.

use std::collections::{HashMap, HashSet};

use tenon_store::work::functions::FunctionRow;

use super::{ConfigKind, DeployMode, Deployment};

/// A sync in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSync {
    pub name: String,
    pub integration: String,
    /// Connections of the integration.
    pub connections: i64,
    pub auto_start: bool,
}

/// An action in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFunction {
    pub name: String,
    pub integration: String,
}

/// An event function in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEvent {
    pub name: String,
    pub integration: String,
    pub event: String,
}

/// What a deploy creates, updates and deletes. What is listed and active counts as updated, changed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub new_syncs: Vec<PlannedSync>,
    pub updated_syncs: Vec<PlannedSync>,
    pub deleted_syncs: Vec<PlannedSync>,
    pub new_actions: Vec<PlannedFunction>,
    pub updated_actions: Vec<PlannedFunction>,
    pub deleted_actions: Vec<PlannedFunction>,
    /// Models that an updated sync no longer has. Their records stay.
    pub deleted_models: Vec<String>,
    pub new_events: Vec<PlannedEvent>,
    pub updated_events: Vec<PlannedEvent>,
    pub deleted_events: Vec<PlannedEvent>,
}

impl Plan {
    pub(super) fn created(&self) -> Vec<&str> {
        names(&self.new_syncs, &self.new_actions, &self.new_events)
    }

    pub(super) fn updated(&self) -> Vec<&str> {
        names(
            &self.updated_syncs,
            &self.updated_actions,
            &self.updated_events,
        )
    }

    pub(super) fn deleted_names(&self) -> Vec<&str> {
        names(
            &self.deleted_syncs,
            &self.deleted_actions,
            &self.deleted_events,
        )
    }
}

fn names<'a>(
    syncs: &'a [PlannedSync],
    actions: &'a [PlannedFunction],
    events: &'a [PlannedEvent],
) -> Vec<&'a str> {
    let syncs = syncs.iter().map(|one| one.name.as_str());
    let actions = actions.iter().map(|one| one.name.as_str());
    let events = events.iter().map(|one| one.name.as_str());
    syncs.chain(actions).chain(events).collect()
}

/// Compares a deploy with the active functions of its environment.
pub(super) fn plan(
    deployment: &Deployment,
    existing: &[FunctionRow],
    connections: &HashMap<String, i64>,
) -> Plan {
    let mut plan = Plan::default();
    let connections = |integration: &str| connections.get(integration).copied().unwrap_or(0);
    for config in &deployment.functions {
        let before = existing.iter().find(|row| {
            row.integration_key == config.integration
                && row.kind == config.kind.as_str()
                && row.name == config.name
        });
        match config.kind {
            ConfigKind::Sync => {
                let sync = PlannedSync {
                    name: config.name.clone(),
                    integration: config.integration.clone(),
                    connections: connections(&config.integration),
                    auto_start: config.auto_start,
                };
                match before {
                    Some(row) => {
                        plan.updated_syncs.push(sync);
                        let gone = row
                            .models
                            .iter()
                            .filter(|model| !config.models.contains(model));
                        plan.deleted_models.extend(gone.cloned());
                    }
                    None => plan.new_syncs.push(sync),
                }
            }
            ConfigKind::Action => {
                let action = PlannedFunction {
                    name: config.name.clone(),
                    integration: config.integration.clone(),
                };
                match before {
                    Some(_) => plan.updated_actions.push(action),
                    None => plan.new_actions.push(action),
                }
            }
        }
    }
    plan_events(deployment, existing, &mut plan);
    for row in deleted(deployment, existing) {
        match row.kind.as_str() {
            "sync" => plan.deleted_syncs.push(PlannedSync {
                name: row.name.clone(),
                integration: row.integration_key.clone(),
                connections: connections(&row.integration_key),
                auto_start: row.auto_start,
            }),
            "action" => plan.deleted_actions.push(PlannedFunction {
                name: row.name.clone(),
                integration: row.integration_key.clone(),
            }),
            _ => plan.deleted_events.push(PlannedEvent {
                name: row.name.clone(),
                integration: row.integration_key.clone(),
                event: row.event.clone().unwrap_or_default(),
            }),
        }
    }
    plan
}

fn plan_events(deployment: &Deployment, existing: &[FunctionRow], plan: &mut Plan) {
    for config in deployment.events.iter().flatten() {
        let known = existing.iter().any(|row| {
            row.integration_key == config.integration
                && row.kind == "on-event"
                && row.name == config.name
        });
        let event = PlannedEvent {
            name: config.name.clone(),
            integration: config.integration.clone(),
            event: config.event.clone(),
        };
        if known {
            plan.updated_events.push(event);
        } else {
            plan.new_events.push(event);
        }
    }
}

/// Active functions that the deploy speaks for and does not list, in the order in which they were deployed. A deploy
/// without any function deletes none: that is more likely a mistake than a wish.
pub(super) fn deleted<'a>(
    deployment: &Deployment,
    existing: &'a [FunctionRow],
) -> Vec<&'a FunctionRow> {
    let first = deployment.functions.first();
    let reverts = matches!(deployment.mode, DeployMode::Revert { .. });
    let scope = match (deployment.mode, first) {
        (DeployMode::Revert { .. }, _) | (DeployMode::All, Some(_)) => None,
        (DeployMode::Single, _) | (_, None) => return Vec::new(),
        (DeployMode::Integration, Some(first)) => Some(first.integration.as_str()),
    };
    let listed: HashSet<(&str, &str, &str)> = deployment
        .functions
        .iter()
        .map(|config| {
            let kind = config.kind.as_str();
            (config.integration.as_str(), kind, config.name.as_str())
        })
        .chain(deployment.events.iter().flatten().map(|config| {
            (
                config.integration.as_str(),
                "on-event",
                config.name.as_str(),
            )
        }))
        .collect();
    let mut deleted: Vec<&FunctionRow> = existing
        .iter()
        .filter(|row| reverts || row.source == "repo")
        .filter(|row| scope.is_none_or(|key| key == row.integration_key))
        .filter(|row| row.kind != "on-event" || deployment.events.is_some())
        .filter(|row| {
            let key = (
                row.integration_key.as_str(),
                row.kind.as_str(),
                row.name.as_str(),
            );
            !listed.contains(&key)
        })
        .collect();
    deleted.sort_by_key(|row| row.pk);
    deleted
}
