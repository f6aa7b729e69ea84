//! The only room that knows SQL.
//!
//! [`Store`] is one database, SQLite or Postgres. Changes go through [`Store::write`], plain reads through
//! [`Store::reader`]. Statements are written once (see [`statements!`]) and prepared on both databases by a test.

pub mod auth;
pub mod connect_sessions;
pub mod connections;
mod driver;
pub mod environments;
pub mod integrations;
pub mod messages;
pub mod operations;
mod seal;
mod statement;
mod store;
pub mod work;

pub use driver::{Param, Row, Value};
pub use seal::{SealContext, Sealed};
pub use statement::Statement;
pub use store::{DatabaseUrl, Reader, Store, StoreError, StoreOptions, Tx};
