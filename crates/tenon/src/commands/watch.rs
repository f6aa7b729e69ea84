//! `tenon watch`: compiles and deploys on every save.

use std::{path::PathBuf, process::ExitCode};

use tenon_core::{Secret, function::Cancel};

/// Arguments of `tenon watch`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Environment to deploy to
    #[arg(value_name = "ENVIRONMENT", default_value = "dev")]
    pub environment: String,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Server to deploy to
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// Where [`watch_folder`] deploys to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Base URL of the server.
    pub url: String,
    pub secret_key: Secret<String>,
}

/// Watches until interrupted.
pub fn run(_args: Args) -> ExitCode {
    unimplemented!()
}

/// Compiles and deploys the functions below `root` now and after every change, until `shutdown` is raised. What happens
/// is told through `tell`, a line at a time. For `tenon dev`; ends only with `shutdown` or when the folder cannot be
/// watched.
pub async fn watch_folder(
    _root: PathBuf,
    _target: Target,
    _shutdown: Cancel,
    _tell: impl Fn(String) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    unimplemented!()
}
