//! The engine: the handles that every use case shares.

use std::{ops::Deref, sync::Arc};

use tenon_core::{Ids, SharedClock, SharedRandom, function::FunctionRunner};
use tenon_providers::Catalogue;
use tenon_store::{Reader, Store};
use tokio::sync::Notify;

use crate::egress::Egress;

/// What an operator decides, parsed once by the binary.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the world sees: callback URLs, links. Without trailing slash.
    pub public_url: String,
    /// Where the Connect UI is, for `connect_link`. Without trailing slash.
    pub connect_url: String,
    /// Requests per minute and account; none by default.
    pub rate_limit_per_minute: Option<u32>,
    /// Webhooks per minute and integration that providers may send; as many as they like by default.
    pub webhook_rate_limit_per_minute: Option<u32>,
    /// Name of this node in leases.
    pub node: String,
}

/// Wakes loops before their next look. A lost wake-up costs a poll interval, never work.
#[derive(Debug, Default)]
pub struct Signals {
    /// A task was created, or a schedule became due.
    pub work: Notify,
    /// A webhook of a provider was stored.
    pub inbound: Notify,
    /// A delivery was enqueued.
    pub deliveries: Notify,
    /// A device flow began.
    pub devices: Notify,
    /// A token is to be revoked.
    pub revocations: Notify,
    /// A task ended: somebody may wait for its result.
    pub finished: Notify,
}

/// What an engine is made of.
pub struct EngineParts {
    pub store: Store,
    pub catalogue: Arc<Catalogue>,
    pub egress: Egress,
    pub runner: Arc<dyn FunctionRunner>,
    pub clock: SharedClock,
    pub random: SharedRandom,
    pub ids: Ids,
    pub settings: Settings,
    pub signals: Arc<Signals>,
    /// Sockets of connect flows on this node.
    pub sockets: crate::auth::sockets::Sockets,
    pub operations: crate::operations::OperationLog,
    /// Refreshes under way on this node; starts empty (`Default`).
    pub refreshes: crate::auth::refresh::Refreshes,
    /// Reads of secrets that are counted and not stored yet; starts empty (`Default`).
    pub secret_reads: crate::audit::SecretReads,
    /// What the proxy remembers; starts empty (`Arc::default()`).
    pub proxy: Arc<crate::proxy::ProxyState>,
    /// What runs on this node; starts empty (`Arc::default()`).
    pub work: Arc<crate::work::WorkState>,
}

/// The engine. Cheap to clone; every use case is a method of one of its parts' modules.
#[derive(Clone)]
pub struct Engine(Arc<EngineParts>);

impl Engine {
    /// Joins the parts.
    pub fn new(parts: EngineParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Plain reads for handlers.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }
}

impl Deref for Engine {
    type Target = EngineParts;

    fn deref(&self) -> &EngineParts {
        &self.0
    }
}
