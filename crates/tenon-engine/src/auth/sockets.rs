//! Sockets of connect flows on this node.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::Engine;

/// Sends results of connect flows to the sockets that wait for them. Cloning shares the list.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Arc<()>);

/// A registered socket: what it is to be called and what is sent to it.
#[derive(Debug)]
pub struct Registration {
    /// `ws_client_id` of the acknowledgement.
    pub client_id: String,
    /// JSON texts to send, in order.
    pub messages: mpsc::Receiver<String>,
}

impl Sockets {
    /// Registers a socket that just opened. `wanted` is the client id of an earlier socket of the same page.
    pub fn register(&self, _engine: &Engine, _wanted: Option<&str>) -> Registration {
        unimplemented!()
    }
}
