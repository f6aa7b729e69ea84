//! Deployments, schedules, tasks, runs, actions.
//!
//! A [`Scheduler`] turns due schedules into tasks, [`Workers`] claim tasks under a lease with a fence and run them. Both
//! are loops that may be killed at any line: what they had begun is found again by its lease.

pub mod actions;
pub mod commands;
pub mod deploy;
mod enqueue;
pub mod events;
mod execute;
mod finish;
mod host;
pub(crate) mod incoming;
mod inline;
mod kind;
mod payload;
pub mod rehearsal;
mod run;
mod scheduler;
mod state;
pub mod status;
pub mod variants;
mod webhooks;
mod workers;

pub use events::{
    Arrival, ConnectionRejected, SavedConnectionRef, before_connection_deletion,
    connection_created, connection_deleted, integration_deleted, needs_validation,
    validate_connection,
};
pub use host::RunHost;
pub use scheduler::Scheduler;
pub use state::WorkState;
pub use workers::Workers;
