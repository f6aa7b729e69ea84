//! The command line, tested as people use it: the binary, a folder, a server.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod fake_server;
mod project;
mod server;

mod compile;
mod deploy;
mod dryrun;
mod errors;
mod migrate;
mod offline;
mod providers;
mod replay;
mod scaffold;
mod server_side;
mod simulated;
mod watch;
mod wrong;
