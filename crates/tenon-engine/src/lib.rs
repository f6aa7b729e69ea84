//! What the product does: connect, refresh, proxy, sync, act, deliver.
//!
//! HTTP, the scheduler, a running function and the command line are four doors to this room. Changes go through its
//! functions; each commits a state change and its consequences together and sends nothing inside a transaction.

mod engine;

pub mod audit;
pub mod auth;
pub mod connections;
pub mod delivery;
pub mod egress;
pub mod environments;
pub mod inbound;
pub mod integrations;
pub mod keys;
pub mod operations;
pub mod people;
pub mod proxy;
pub mod records;
pub mod revocation;
pub mod time;
pub mod transfer;
pub mod work;

pub use engine::{Engine, EngineParts, Settings, Signals};
