//! Deployments, schedules, tasks, runs, actions.
//!
//! A [`Scheduler`] turns due schedules into tasks, [`Workers`] claim tasks under a lease with a fence and run them. Both
//! are loops that may be killed at any line: what they had begun is found again by its lease.

pub mod actions;
pub mod events;
mod scheduler;
mod state;
mod workers;

pub use events::{
    ConnectionRejected, SavedConnectionRef, before_connection_deletion, connection_created,
    connection_deleted, needs_validation, validate_connection,
};
pub use scheduler::Scheduler;
pub use state::WorkState;
pub use workers::Workers;
