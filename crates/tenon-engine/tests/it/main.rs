//! What the engine does, seen from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on ends the test"
)]

mod delivery;
mod egress;
mod egress_guard;
mod key_vaults;
mod node;
mod records;
mod world;
