//! Connect flows, token exchange, refresh.

pub mod sockets;
