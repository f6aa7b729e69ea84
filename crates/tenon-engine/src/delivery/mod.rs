//! Outgoing webhooks: a row before a request, retried for days (DESIGN, 5; webhooks.md, 1).

use serde_json::Value;
use tenon_core::{
    function::Cancel,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_store::{StoreError, Tx};

use crate::Engine;

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    Auth,
    Sync,
    AsyncAction,
    Forward,
}

impl DeliveryKind {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Sync => "sync",
            Self::AsyncAction => "async_action",
            Self::Forward => "forward",
        }
    }
}

/// Something the app is to be told.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub environment: EnvironmentPk,
    pub connection: Option<ConnectionPk>,
    pub kind: DeliveryKind,
    /// Keys are sorted at every level before it is stored.
    pub body: Value,
    /// Extra headers of a forward.
    pub headers: Vec<(String, String)>,
    /// Operation that attempts are logged in.
    pub operation: Option<String>,
}

impl Outgoing {
    /// Without extra headers and operation.
    pub fn new(
        environment: EnvironmentPk,
        connection: Option<ConnectionPk>,
        kind: DeliveryKind,
        body: Value,
    ) -> Self {
        Self {
            environment,
            connection,
            kind,
            body,
            headers: Vec::new(),
            operation: None,
        }
    }
}

/// Stores an event and a delivery for each URL it goes to, in the caller's transaction. Chooses the URLs: those of the
/// environment, or the connection's own instead of both. Whether the switches of the environment want this webhook is
/// the caller's decision. Returns the id that is the `webhook-id`.
pub async fn enqueue(
    _tx: &Tx,
    _engine: &Engine,
    _outgoing: Outgoing,
) -> Result<String, StoreError> {
    unimplemented!()
}

/// Sends what is waiting. One per node.
pub struct Dispatcher {
    engine: Engine,
}

impl Dispatcher {
    /// A dispatcher of this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until shutdown. May be killed at any line.
    pub async fn run(self, shutdown: Cancel) {
        let _ = self.engine;
        shutdown.raised().await;
    }
}
