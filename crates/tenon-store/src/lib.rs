//! The only room that knows SQL.
//!
//! [`Store`] is one database, SQLite or Postgres. Changes go through [`Store::write`], plain reads through
//! [`Store::reader`]. Statements are written once (see [`statements!`]) and prepared on both databases by a test.

pub mod auth;
mod changes;
pub mod connect_attempts;
pub mod connect_sessions;
pub mod connect_ui;
pub mod connections;
pub mod delivery;
pub mod device_flows;
mod driver;
pub mod environments;
mod error;
pub mod inbound;
mod instance_key;
pub mod integrations;
pub mod messages;
mod migrations;
pub mod operations;
pub mod people;
mod postgres;
pub mod records;
pub mod revocations;
pub mod rotation;
mod seal;
pub mod secret_reads;
mod sqlite;
mod statement;
mod store;
mod transaction;
pub mod transfer;
pub mod trusted_issuers;
pub mod work;

pub use changes::{Before, Changes, Seen};
pub use driver::{FromValue, Param, Row, Value};
pub use error::StoreError;
pub use instance_key::{KeyVault, VaultError, parse_instance_key, parse_instance_keys};
pub use seal::{Opener, SealContext, Sealed, Sealer};
pub use statement::{Statement, registered};
pub use store::{DatabaseUrl, Reader, Store, StoreOptions};
pub use transaction::{Queries, Tx};
