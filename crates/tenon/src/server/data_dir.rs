//! The data directory: ours alone.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Makes the directory if it is missing (mode 0700) and returns its absolute path.
pub(super) fn prepare(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.exists() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(path)
            .with_context(|| format!("could not make the data directory `{}`", path.display()))?;
    }
    path.canonicalize()
        .with_context(|| format!("could not use the data directory `{}`", path.display()))
}
