//! `tenon deploy`: compiles the functions of a folder and sends them to a server.

use std::{path::PathBuf, process::ExitCode};

/// Arguments of `tenon deploy`; the flags are those of the published command line (cli.md, 3).
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Args {
    /// Environment to deploy to
    #[arg(value_name = "ENVIRONMENT", default_value = "dev")]
    pub environment: String,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Version for every function of this deployment
    #[arg(short = 'v', long = "version", value_name = "VERSION")]
    pub function_version: Option<String>,
    /// Deploy only the sync of this name
    #[arg(short = 's', long, value_name = "NAME")]
    pub sync: Option<String>,
    /// Deploy only the action of this name
    #[arg(short = 'a', long, value_name = "NAME")]
    pub action: Option<String>,
    /// Deploy only the functions of this integration
    #[arg(short = 'i', long, value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Delete syncs that have connections, and models, without asking (with --auto-confirm)
    #[arg(long)]
    pub allow_destructive: bool,
    /// Ask nothing
    #[arg(long)]
    pub auto_confirm: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Server to deploy to
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// Deploys; exit code 10 if the code is wrong, 11 if the server refuses, 1 otherwise.
pub fn run(_args: Args) -> ExitCode {
    unimplemented!()
}
