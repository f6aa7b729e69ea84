//! Who calls, and what they may (auth-and-proxy.md, 1.2).
//!
//! The right to call is an extractor: [`Caller`] for secret keys, [`ConnectCaller`] where a connect session will do too,
//! [`SessionCaller`] where only a session will do, [`FlowCaller`] on the auth routes.

mod bearer;
mod connect;
mod flow;
mod key;
pub mod scope;

pub use connect::{ConnectCaller, LateSessionCaller, SessionCaller, find_session};
pub use flow::FlowCaller;
pub use key::{Caller, KeyHolder};
pub(crate) use key::{KeyCache, environment_of, find_holder};
pub use scope::Scope;
