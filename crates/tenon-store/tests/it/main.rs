//! Behaviours of the store, each on both databases.

mod instance_key;
mod records;
mod schema;
mod seal;
mod transactions;
mod work;
