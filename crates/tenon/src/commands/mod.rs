//! One module per command.

pub(crate) mod compile;
pub(crate) mod config;
pub(crate) mod deploy;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod test;
pub(crate) mod watch;
