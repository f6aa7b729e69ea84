//! Outgoing webhooks: a row before a request, retried for days (DESIGN, 5; webhooks.md, 1).
//!
//! [`enqueue`] writes an event and its deliveries with the change they tell of. The [`Dispatcher`] finds endpoints with
//! something due and gives each a worker of its own, so that a dead endpoint keeps nobody else waiting. Workers lease
//! deliveries, send them, and hand the outcomes to one ledger that writes them in batches.

mod attempt;
mod dispatcher;
mod feed;
mod json;
mod ledger;
mod outbox;
mod sign;
mod worker;

pub use dispatcher::Dispatcher;
pub use feed::{events_after, find, list, replay};
pub use json::sorted;
pub use outbox::{DeliveryKind, Outgoing, enqueue};
pub use sign::{Signing, standard_webhooks_secret};
