//! Deployed functions, schedules, tasks, runs, checkpoints and locks.

pub mod checkpoints;
pub mod deployments;
pub(crate) mod dialect;
pub mod functions;
pub mod jobs;
pub mod runs;
pub mod subjects;
pub mod syncs;
pub mod tasks;
