//! The data directory: ours alone.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tenon_core::Ids;

/// Makes the directory if it is missing (mode 0700) and returns its absolute path.
pub(crate) fn prepare(path: &Path) -> anyhow::Result<PathBuf> {
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

/// The name of this node in leases, and the lock that keeps a second process from using it.
pub(super) struct Node {
    pub(super) name: String,
    /// Released by the system when the process ends, however it ends.
    _lock: File,
}

impl Node {
    /// Takes the name of this data directory: the same after every restart, so that what a node had begun before it died
    /// is taken up at once instead of when its leases run out. `chosen` wins over the stored name.
    pub(super) fn take(data_dir: &Path, chosen: Option<&str>, ids: &Ids) -> anyhow::Result<Self> {
        let path = data_dir.join("node");
        let cannot_use = || format!("could not use `{}`", path.display());
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(cannot_use)?;
        file.try_lock().map_err(|_| {
            anyhow::anyhow!(
                "another process uses the data directory `{}`\nhint: stop it, or choose another with --data-dir",
                data_dir.display()
            )
        })?;
        let mut stored = String::new();
        file.read_to_string(&mut stored).with_context(cannot_use)?;
        let name = match (chosen, stored.trim()) {
            (Some(chosen), _) => chosen.to_owned(),
            (None, "") => {
                let name = ids.uuid4().to_string();
                file.write_all(name.as_bytes()).with_context(cannot_use)?;
                name
            }
            (None, stored) => stored.to_owned(),
        };
        Ok(Self { name, _lock: file })
    }
}
