//! `tenon test`: replays recorded fixtures of functions, without server or network.

use std::{path::PathBuf, process::ExitCode};

/// Arguments of `tenon test`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Folder with integrations, an integration, or a fixture
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Only fixtures of this integration
    #[arg(long, value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Only fixtures of this function
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// What `Date` shows inside functions: `now` or an ISO 8601 instant
    #[arg(long, value_name = "now|ISO", default_value = "now")]
    pub clock: String,
    /// Print results as JSON lines
    #[arg(long)]
    pub json: bool,
    /// Provider file in Nango's format, for pagination settings; repeatable
    #[arg(long, value_name = "FILE")]
    pub providers: Vec<PathBuf>,
}

/// Replays; exit code 1 if a fixture fails.
pub fn run(_args: Args) -> ExitCode {
    unimplemented!()
}
