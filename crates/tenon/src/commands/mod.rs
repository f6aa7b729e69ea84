//! One module per command.

pub(crate) mod compile;
pub(crate) mod config;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod dryrun;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod migrate;
pub(crate) mod pull;
pub(crate) mod server;
pub(crate) mod simulate;
pub(crate) mod test;
pub(crate) mod watch;
