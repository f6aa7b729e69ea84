//! One module per command.

pub mod compile;
pub mod config;
pub mod deploy;
pub mod test;
pub mod watch;
