//! The operator's provider files: read at the start, and again when one of them changes.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use tenon_core::function::Cancel;
use tenon_engine::Engine;
use tenon_providers::Catalogue;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::Mode;

/// How often the files are looked at: one call per file, and nobody waits longer for an edit.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The catalogue of this repository with the entries of some files.
pub(crate) fn load(files: &[PathBuf]) -> anyhow::Result<Catalogue> {
    with_files(Catalogue::embedded(), files)
}

fn with_files(mut catalogue: Catalogue, files: &[PathBuf]) -> anyhow::Result<Catalogue> {
    for file in files {
        catalogue
            .load_file(file)
            .with_context(|| format!("could not load providers from `{}`", file.display()))?;
    }
    Ok(catalogue)
}

/// What a server's catalogue is made of.
#[derive(Clone)]
pub(super) struct ProviderFiles {
    files: Vec<PathBuf>,
    /// The demo's own file, as text.
    demo: Option<String>,
    /// How the files were when they were read last.
    seen: Vec<Option<Stamp>>,
}

/// What changes when a file does.
type Stamp = (i64, i64, u64, u64);

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.size(),
        metadata.ino(),
    ))
}

impl ProviderFiles {
    pub(super) fn new(files: &[PathBuf], demo: Option<String>) -> Self {
        Self {
            files: files.to_owned(),
            demo,
            seen: files.iter().map(|file| stamp(file)).collect(),
        }
    }

    /// Reads everything.
    pub(super) fn load(&self) -> anyhow::Result<Catalogue> {
        let mut catalogue = Catalogue::embedded();
        if let Some(demo) = &self.demo {
            catalogue
                .load_yaml("the demo's provider file", demo)
                .context("could not load the demo's provider")?;
        }
        with_files(catalogue, &self.files)
    }

    /// Reads the files again after a change and on SIGHUP, until `shutdown`. In `dev` SIGHUP keeps its usual meaning: the
    /// terminal is gone.
    pub(super) async fn watch(mut self, engine: Engine, mode: Mode, shutdown: Cancel) {
        if self.files.is_empty() {
            return;
        }
        let mut hangups = match mode {
            Mode::Serve => signal(SignalKind::hangup()).ok(),
            Mode::Dev => None,
        };
        loop {
            let asked = tokio::select! {
                () = engine.clock.sleep(LOOK_EVERY) => false,
                () = hangup(&mut hangups) => true,
                () = shutdown.raised() => return,
            };
            // Files may lie on a disk that is slow today.
            let look = tokio::task::spawn_blocking(move || {
                let read = self.read_if_changed(asked);
                (self, read)
            });
            match look.await {
                Ok((files, read)) => {
                    self = files;
                    read.into_iter()
                        .for_each(|read| take(&engine.catalogue, read));
                }
                Err(problem) => return error!("provider files are no longer looked at: {problem}"),
            }
        }
    }

    fn read_if_changed(&mut self, asked: bool) -> Option<anyhow::Result<Catalogue>> {
        let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
        if stamps == self.seen && !asked {
            return None;
        }
        self.seen = stamps;
        Some(self.load())
    }
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

fn take(catalogue: &Catalogue, read: anyhow::Result<Catalogue>) {
    match read {
        Ok(next) => {
            let gone = catalogue.replace(next);
            if gone.is_empty() {
                info!("read the provider files again");
            } else {
                info!(
                    "read the provider files again; no longer there: {}",
                    gone.join(", ")
                );
            }
        }
        Err(problem) => {
            error!("the provider files from before stay in use: {problem:#}");
            catalogue.keep(Some(format!("{problem:#}")));
        }
    }
}
