//! Sockets of connect flows: the page that opened a popup waits here for its result.
//!
//! A result is a row before it is a frame (`auth_result`), so that it reaches a socket on another node, and one that
//! broke and came back. This node only remembers whom to wake.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tenon_core::Timestamp;
use tenon_store::{StoreError, Tx};
use tokio::sync::Notify;

use crate::Engine;

/// How often a socket looks for a result that another node may have stored.
const LOOK: Duration = Duration::from_millis(500);

/// How long a result is kept for a socket that comes back.
pub const KEPT: Duration = Duration::from_secs(60);

/// Most sockets of a node: each costs a few KB, and nobody has this many people connecting at once.
const MOST_SOCKETS: usize = 10_000;

/// The sockets of this node. Cloning shares the list.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Arc<Mutex<HashMap<String, Vec<Arc<Notify>>>>>);

/// An open socket.
pub struct Socket {
    engine: Engine,
    client_id: String,
    wake: Arc<Notify>,
    seen: Option<Timestamp>,
}

/// Opens a socket. `wanted` is the client id of an earlier socket of the same page. `None`: there are too many.
pub fn open(engine: &Engine, wanted: Option<&str>) -> Option<Socket> {
    let client_id = wanted
        .and_then(|text| uuid::Uuid::parse_str(text).ok())
        .unwrap_or_else(|| engine.ids.uuid4())
        .to_string();
    let wake = Arc::new(Notify::new());
    let mut sockets = engine
        .sockets
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if sockets.len() >= MOST_SOCKETS {
        return None;
    }
    sockets
        .entry(client_id.clone())
        .or_default()
        .push(Arc::clone(&wake));
    drop(sockets);
    Some(Socket {
        engine: engine.clone(),
        client_id,
        wake,
        seen: None,
    })
}

impl Socket {
    /// The first frame: tells the page its client id.
    pub fn acknowledgement(&self) -> String {
        json!({ "message_type": "connection_ack", "ws_client_id": self.client_id }).to_string()
    }

    /// The next result for this socket.
    pub async fn next(&mut self) -> String {
        loop {
            match self.look().await {
                Ok(Some(message)) => return message,
                Ok(None) => {}
                Err(error) => tracing::warn!("could not look for the result of a flow: {error}"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.engine.clock.sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<Option<String>, StoreError> {
        let found = self
            .engine
            .reader()
            .find_auth_result(&self.client_id)
            .await?;
        let Some((message, at)) = found.filter(|(_, at)| Some(*at) != self.seen) else {
            return Ok(None);
        };
        if self.engine.clock.now().since(at) > KEPT {
            return Ok(None);
        }
        self.seen = Some(at);
        Ok(Some(message))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut sockets = self
            .engine
            .sockets
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(wakes) = sockets.get_mut(&self.client_id) {
            wakes.retain(|wake| !Arc::ptr_eq(wake, &self.wake));
            if wakes.is_empty() {
                sockets.remove(&self.client_id);
            }
        }
    }
}

/// How a flow ended, for the page that began it.
#[derive(Clone, Copy, Debug)]
pub enum FlowResult<'a> {
    Connected { is_pending: bool },
    Failed { kind: &'a str, message: &'a str },
}

/// Leaves a result for a socket, in the transaction that makes it true.
pub(crate) async fn publish(
    tx: &Tx,
    engine: &Engine,
    client_id: &str,
    integration_key: &str,
    connection_id: &str,
    result: FlowResult<'_>,
) -> Result<(), StoreError> {
    let message = match result {
        FlowResult::Connected { is_pending } => json!({
            "message_type": "success",
            "provider_config_key": integration_key,
            "connection_id": connection_id,
            "is_pending": is_pending,
        }),
        FlowResult::Failed { kind, message } => json!({
            "message_type": "error",
            "provider_config_key": integration_key,
            "connection_id": connection_id,
            "error_type": kind,
            "error_desc": message,
        }),
    };
    tx.put_auth_result(client_id, &message.to_string(), engine.clock.now())
        .await?;
    let (sockets, client_id) = (engine.sockets.clone(), client_id.to_owned());
    tx.after_commit(move || sockets.wake(&client_id));
    Ok(())
}

impl Sockets {
    fn wake(&self, client_id: &str) {
        let sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for wake in sockets.get(client_id).into_iter().flatten() {
            wake.notify_one();
        }
    }
}
