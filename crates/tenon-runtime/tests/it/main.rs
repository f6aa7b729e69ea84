//! The runtime, tested through its doors: functions run in real worker processes against a host that the test writes.

mod common;
mod compile;
mod errors;
mod lockdown;
