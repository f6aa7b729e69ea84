//! Webhooks that providers send us (webhooks.md, 2): checked, stored, answered; then routed to functions and to the app.
//!
//! [`accept`] does what the provider waits for: it proves the signature and stores the request. The [`Router`] does the
//! rest: it finds the connections that a request is for, queues the functions that subscribed to it and the webhook that
//! tells the app, slice by slice, each in one transaction. What a provider's webhooks look like is data
//! ([`tenon_providers::webhook`]).

mod accept;
mod fetched_key;
mod plan;
mod request;
mod router;
mod signature;
mod source;

#[cfg(test)]
mod tests;

pub use accept::{Accepted, OwnAnswer, Refused, accept, address};
pub use request::Incoming;
pub use router::Router;
