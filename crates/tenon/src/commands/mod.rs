//! One module per command.

pub(crate) mod audit;
pub(crate) mod compile;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod dryrun;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod migrate;
pub(crate) mod providers;
pub(crate) mod pull;
pub(crate) mod revoke;
pub(crate) mod server;
pub(crate) mod simulate;
pub(crate) mod test;
pub(crate) mod watch;

use std::{future::Future, process::ExitCode};

use anyhow::{Context as _, Result};

/// The exit code of a command, and its error for people.
pub(crate) fn ended(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs the work of a command to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start")?
        .block_on(work)
}
