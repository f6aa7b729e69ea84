//! Behaviours of the store, each on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on ends the test"
)]

mod connect_attempts;
mod connections;
mod device_flows;
mod instance_key;
mod records;
mod rotation;
mod schema;
mod seal;
mod transactions;
mod work;
