//! From something that happened to rows that will be requests.

use bytes::Bytes;
use serde_json::Value;
use tenon_core::names::{ConnectionPk, EnvironmentPk};
use tenon_store::{
    StoreError, Tx,
    delivery::{NewDelivery, NewEvent},
};

use super::json::sorted;
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
    pub const fn new(
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
pub async fn enqueue(tx: &Tx, engine: &Engine, outgoing: Outgoing) -> Result<String, StoreError> {
    let now = engine.clock.now();
    let event = NewEvent {
        pk: engine.ids.int(),
        id: engine.ids.uuid7().to_string(),
        environment: outgoing.environment,
        connection: outgoing.connection,
        kind: outgoing.kind.as_str(),
        body: Bytes::from(sorted(&outgoing.body)),
        headers: stored_headers(&outgoing.headers),
        created_at: now,
    };
    tx.insert_event(&event).await?;
    let urls = tx
        .webhook_urls(outgoing.environment, outgoing.connection)
        .await?;
    for url in &urls {
        let endpoint_pk = tx
            .endpoint(engine.ids.int(), outgoing.environment, url)
            .await?;
        let delivery = NewDelivery {
            pk: engine.ids.int(),
            id: engine.ids.uuid7().to_string(),
            event_pk: event.pk,
            environment: outgoing.environment,
            endpoint_pk,
            connection: outgoing.connection,
            operation: outgoing.operation.clone(),
            created_at: now,
        };
        tx.insert_delivery(&delivery).await?;
    }
    if !urls.is_empty() {
        let signals = std::sync::Arc::clone(&engine.signals);
        tx.after_commit(move || signals.deliveries.notify_one());
    }
    Ok(event.id)
}

fn stored_headers(headers: &[(String, String)]) -> Option<Bytes> {
    if headers.is_empty() {
        return None;
    }
    let pairs: Value = headers
        .iter()
        .map(|(name, value)| Value::from(vec![name.as_str(), value.as_str()]))
        .collect();
    Some(Bytes::from(pairs.to_string()))
}
