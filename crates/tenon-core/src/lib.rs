//! Words and pure rules of Tenon.
//!
//! Everything here is a value or a decision: no sockets, no files, no database. Time, randomness and ids come in as
//! parameters ([`clock::Clock`], [`random::Random`], [`ids::Ids`]), so that a test can play a month in milliseconds.

pub mod account;
pub mod api_key;
pub mod auth;
pub mod clock;
pub mod cursor;
pub mod delivery;
pub mod frequency;
pub mod function;
pub mod ids;
pub mod limits;
pub mod names;
pub mod random;
pub mod schedule;
pub mod secret;

pub use clock::{Clock, SharedClock, Timestamp};
pub use ids::Ids;
pub use random::{Random, SharedRandom};
pub use secret::Secret;
