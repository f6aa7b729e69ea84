//! Connect flows, token requests, credentials of each mode, refresh.
//!
//! A flow that goes through a browser is [`flow::start`] and [`flow::finish`]; one that only posts credentials is
//! [`direct::connect`]; a device without browser waits in [`device`]. All end in `connections::save`. [`refresh::fresh`] is the one way to read credentials for use.

pub mod asked;
pub mod attempts;
mod conclude;
pub mod device;
pub mod direct;
pub(crate) mod dpop;
pub mod entrance;
pub mod exchange;
pub mod flow;
pub mod issue;
pub mod mcp;
pub mod oauth2;
pub mod refresh;
pub mod refresher;
pub mod request;
pub mod sign;
pub mod sockets;
pub mod waiting;

pub use refresher::Refresher;
