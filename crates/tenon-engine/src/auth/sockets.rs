//! Sockets of connect flows on this node.

/// Sends results of connect flows to the sockets that wait for them.
#[derive(Clone, Debug, Default)]
pub struct Sockets;
