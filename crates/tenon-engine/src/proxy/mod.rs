//! Requests to external APIs with the credentials of a connection (auth-and-proxy.md, section 10).
//!
//! [`send`] streams for apps, [`call`] collects for functions, [`verify`] tries credentials that are not stored yet. All
//! three build requests the same way: URL, provider templates, headers, signature.

mod ask;
mod auth;
mod build;
mod call;
mod exchange;
mod headers;
mod hook;
mod log;
mod minute;
mod reply;
mod retry;
mod send;
mod sign;
mod url;
mod verify;

#[cfg(test)]
mod every_provider;

pub use ask::{ProxyRequest, ProxyRequestBody, ProxyTarget};
pub use call::{Bounds, call, call_within, hosts};
pub(crate) use hook::hidden;
pub use hook::{ask, picked};
pub use minute::ProxyState;
pub use reply::ProxyReply;
pub use send::{ProxyError, send};
pub use verify::{Candidate, VerificationFailed, verify};
