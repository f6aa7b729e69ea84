//! The runtime, tested through its doors: functions run in real worker processes against a host that the test writes.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on ends the test"
)]

mod bad_input;
mod bundles;
mod common;
mod compile;
mod errors;
mod escapes;
mod faults;
mod http;
mod lockdown;
mod mock;
mod modules;
mod packages;
mod paginate;
mod pool;
mod records;
mod sdk;
mod soap;
