//! What tests need: a clock they move themselves, databases of their own.
//!
//! Tests never wait for the machine's clock: they advance [`TestClock`]. Store behaviours are written once with
//! [`store_test!`] and run on both databases.

pub mod canaries;
mod clock;
pub mod oauth;
mod postgres;
mod store;
pub mod upstream;

pub use clock::TestClock;
pub use postgres::PostgresCluster;
pub use store::TestStore;
