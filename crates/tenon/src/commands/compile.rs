//! `tenon compile`: compiles every function of a folder and shows what is wrong.

use std::{path::PathBuf, process::ExitCode};

/// Arguments of `tenon compile`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Folder with `index.ts`
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
}

/// Compiles; exit code 10 if something is wrong with the code.
pub fn run(_args: Args) -> ExitCode {
    unimplemented!()
}
