//! `dev.json`: where scripts and tests find URL and keys of a development server.

use std::{io::Write as _, path::Path};

use anyhow::Context as _;
use serde::Serialize;
use tenon_core::Secret;

use crate::config::Config;

/// An environment with its keys.
#[derive(Serialize)]
pub(super) struct EnvironmentKeys {
    pub(super) name: String,
    pub(super) uuid: String,
    pub(super) secret_key: Secret<String>,
    pub(super) public_key: String,
}

#[derive(Serialize)]
struct DevFile<'a> {
    url: &'a str,
    environments: &'a [EnvironmentKeys],
}

/// Writes `<data-dir>/dev.json` (mode 0600), whole or not at all.
pub(super) fn write(
    data_dir: &Path,
    config: &Config,
    environments: &[EnvironmentKeys],
) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(&DevFile {
        url: &config.public_url,
        environments,
    })?;
    let target = data_dir.join("dev.json");
    let temporary = data_dir.join("dev.json.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &target)
    };
    write().with_context(|| format!("could not write `{}`", target.display()))
}
