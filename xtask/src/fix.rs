//! `cargo xtask fix`.

use std::process::Command;

use anyhow::{Result, ensure};

/// Formats and applies what clippy can mend.
pub(crate) fn run() -> Result<()> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ];
    ensure!(
        Command::new("cargo").args(clippy).status()?.success(),
        "clippy could not mend everything"
    );
    ensure!(
        Command::new("cargo")
            .args(["fmt", "--all"])
            .status()?
            .success(),
        "rustfmt failed"
    );
    Ok(())
}
