//! What the working part of an engine keeps in memory: nothing that a restart may not lose.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenon_core::{
    Secret, Timestamp,
    function::Cancel,
    limits,
    names::{EnvironmentPk, FunctionPk, IntegrationPk, TaskPk},
};
use tokio::sync::Semaphore;

use crate::{egress::Pot, records::Schemas};

/// Bytes of JavaScript kept ready: a few hundred ordinary bundles.
const BUNDLE_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Versions of functions whose schemas are kept ready.
const SCHEMAS_KEPT: usize = 1_000;

/// Actions of one environment that run at once (functions.md, 4.3).
pub(crate) const ACTIONS_PER_ENVIRONMENT: usize = 500;

/// Shared by the loops, the handlers and the runs of one node.
#[derive(Debug, Default)]
pub struct WorkState {
    bundles: Mutex<BundleCache>,
    running: Mutex<HashMap<TaskPk, RunningTask>>,
    actions: Mutex<HashMap<EnvironmentPk, Arc<Semaphore>>>,
    replies: Mutex<HashMap<EnvironmentPk, Arc<Pot>>>,
    schemas: Mutex<HashMap<FunctionPk, Arc<Schemas>>>,
    /// Environments with more incoming webhooks waiting than can be taken.
    inbound_full: Mutex<HashSet<EnvironmentPk>>,
    /// When a refused webhook was last noted for its owner.
    refusals: Mutex<HashMap<IntegrationPk, Timestamp>>,
    /// Keys that providers handed out for the signatures of their webhooks, by address.
    webhook_keys: Mutex<HashMap<String, (Timestamp, Secret)>>,
}

/// How long a key of a provider is believed without being fetched anew.
const WEBHOOK_KEY_AGE: Duration = Duration::from_secs(3_600);

/// Most keys of providers that are kept; more means that somebody makes up addresses.
const WEBHOOK_KEYS: usize = 1_000;

/// Refused webhooks of one integration are noted this often.
const NOTE_REFUSALS_EVERY: Duration = Duration::from_secs(60);

/// A task that runs on this node.
#[derive(Clone, Debug)]
pub(crate) struct RunningTask {
    pub fence: i64,
    pub cancel: Cancel,
}

#[derive(Debug, Default)]
struct BundleCache {
    by_hash: HashMap<String, Arc<str>>,
    order: VecDeque<String>,
    size_bytes: usize,
}

impl WorkState {
    /// Schemas of a version of a function, if they were asked for lately.
    pub(crate) fn schemas(&self, function: FunctionPk) -> Option<Arc<Schemas>> {
        lock(&self.schemas).get(&function).cloned()
    }

    pub(crate) fn keep_schemas(&self, function: FunctionPk, schemas: &Arc<Schemas>) {
        let mut known = lock(&self.schemas);
        if known.len() >= SCHEMAS_KEPT {
            known.clear();
        }
        known.insert(function, Arc::clone(schemas));
    }

    pub(crate) fn bundle(&self, hash: &str) -> Option<Arc<str>> {
        lock(&self.bundles).by_hash.get(hash).cloned()
    }

    pub(crate) fn keep_bundle(&self, hash: &str, javascript: &Arc<str>) {
        let mut cache = lock(&self.bundles);
        if cache
            .by_hash
            .insert(hash.to_owned(), Arc::clone(javascript))
            .is_some()
        {
            return;
        }
        cache.order.push_back(hash.to_owned());
        cache.size_bytes += javascript.len();
        while cache.size_bytes > BUNDLE_CACHE_BYTES {
            let Some(oldest) = cache.order.pop_front() else {
                return;
            };
            if let Some(gone) = cache.by_hash.remove(&oldest) {
                cache.size_bytes -= gone.len();
            }
        }
    }

    /// Notes a task that begins to run here.
    pub(crate) fn begin(&self, task: TaskPk, fence: i64) -> Cancel {
        let cancel = Cancel::default();
        let running = RunningTask {
            fence,
            cancel: cancel.clone(),
        };
        lock(&self.running).insert(task, running);
        cancel
    }

    /// Forgets a task, unless it began again under another fence meanwhile.
    pub(crate) fn end(&self, task: TaskPk, fence: i64) {
        let mut running = lock(&self.running);
        if running.get(&task).is_some_and(|held| held.fence == fence) {
            running.remove(&task);
        }
    }

    /// Stops a task if it runs here.
    pub(crate) fn cancel(&self, task: TaskPk) {
        if let Some(held) = lock(&self.running).get(&task) {
            held.cancel.raise();
        }
    }

    /// Everything that runs here.
    pub(crate) fn running(&self) -> Vec<(TaskPk, RunningTask)> {
        lock(&self.running)
            .iter()
            .map(|(task, held)| (*task, held.clone()))
            .collect()
    }

    /// Says which environments take no more incoming webhooks for now.
    pub fn set_inbound_full(&self, environments: HashSet<EnvironmentPk>) {
        *lock(&self.inbound_full) = environments;
    }

    /// Whether an environment takes no more incoming webhooks for now.
    pub(crate) fn is_inbound_full(&self, environment: EnvironmentPk) -> bool {
        lock(&self.inbound_full).contains(&environment)
    }

    /// Whether a refused webhook is to be noted for its owner, who is told once a minute.
    pub(crate) fn note_refusal(&self, integration: IntegrationPk, now: Timestamp) -> bool {
        let mut refusals = lock(&self.refusals);
        refusals.retain(|_, at| now.since(*at) < NOTE_REFUSALS_EVERY);
        match refusals.entry(integration) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(now);
                true
            }
        }
    }

    /// A key that a provider handed out a moment ago.
    pub(crate) fn webhook_key(&self, address: &str, now: Timestamp) -> Option<Secret> {
        let keys = lock(&self.webhook_keys);
        let (at, key) = keys.get(address)?;
        (now.since(*at) < WEBHOOK_KEY_AGE).then(|| key.clone())
    }

    /// Keeps a key that a provider handed out.
    pub(crate) fn keep_webhook_key(&self, address: &str, key: &Secret, now: Timestamp) {
        let mut keys = lock(&self.webhook_keys);
        keys.retain(|_, (at, _)| now.since(*at) < WEBHOOK_KEY_AGE);
        if keys.len() < WEBHOOK_KEYS {
            keys.insert(address.to_owned(), (now, key.clone()));
        }
    }

    /// The places for actions of an environment.
    pub(crate) fn action_places(&self, environment: EnvironmentPk) -> Arc<Semaphore> {
        Arc::clone(
            lock(&self.actions)
                .entry(environment)
                .or_insert_with(|| Arc::new(Semaphore::new(ACTIONS_PER_ENVIRONMENT))),
        )
    }

    /// What the answers to all runs of an environment are paid from.
    pub(crate) fn replies(&self, environment: EnvironmentPk) -> Arc<Pot> {
        Arc::clone(
            lock(&self.replies)
                .entry(environment)
                .or_insert_with(|| Pot::new(limits::ENVIRONMENT_REPLIES_BYTES)),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
