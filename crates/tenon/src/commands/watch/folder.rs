//! A folder that tells when something in it changes.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors write a file in several steps: wait until it has been quiet this long.
const QUIET: Duration = Duration::from_millis(120);

/// Folders with nothing of the author's in them.
const IGNORED: [&str; 5] = ["node_modules", "build", "dist", "target", "coverage"];

/// Extensions of files that a bundle may hold.
const SOURCES: [&str; 7] = ["ts", "mts", "cts", "js", "mjs", "cjs", "json"];

/// Watches sources below a folder.
pub(super) struct Folder {
    root: PathBuf,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    changes: mpsc::UnboundedReceiver<()>,
    /// A change was seen that no call of [`Folder::changed`] has told yet.
    untold: bool,
}

impl Folder {
    /// Begins to watch. Large folders that hold no sources are left out.
    pub(super) fn watch(root: &Path) -> anyhow::Result<Self> {
        let root = root
            .canonicalize()
            .with_context(|| format!("`{}` cannot be watched", root.display()))?;
        let (sender, changes) = mpsc::unbounded_channel();
        let base = root.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(&base, &event)) {
                let _ = sender.send(());
            }
        })
        .context("this system cannot watch folders")?;
        let mut folder = Self {
            root,
            watcher,
            watched: HashSet::new(),
            changes,
            untold: false,
        };
        folder
            .watcher
            .watch(&folder.root, RecursiveMode::NonRecursive)
            .with_context(|| format!("`{}` cannot be watched", folder.root.display()))?;
        folder.watch_folders();
        Ok(folder)
    }

    /// Ends after a change, once it is quiet again. May be dropped while it waits: the change is told next time.
    pub(super) async fn changed(&mut self) -> anyhow::Result<()> {
        if !self.untold {
            self.changes
                .recv()
                .await
                .context("the folder is no longer watched")?;
            self.untold = true;
        }
        while tokio::time::timeout(QUIET, self.changes.recv())
            .await
            .is_ok_and(|change| change.is_some())
        {}
        self.untold = false;
        self.watch_folders();
        Ok(())
    }

    /// Also watches folders that are new.
    fn watch_folders(&mut self) {
        let Ok(listing) = std::fs::read_dir(&self.root) else {
            return;
        };
        let mut there = HashSet::new();
        for entry in listing.flatten() {
            let path = entry.path();
            if path.is_dir() && !is_ignored(&entry.file_name().to_string_lossy()) {
                there.insert(path);
            }
        }
        for path in &there {
            if !self.watched.contains(path)
                && self.watcher.watch(path, RecursiveMode::Recursive).is_ok()
            {
                self.watched.insert(path.clone());
            }
        }
        self.watched.retain(|path| there.contains(path));
    }
}

fn is_change(root: &Path, event: &Event) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.paths.iter().any(|path| {
        let below = path.strip_prefix(root).unwrap_or(path);
        is_source(below) && !below.components().any(
            |part| matches!(part, Component::Normal(name) if is_ignored(&name.to_string_lossy())),
        )
    })
}

/// Code and data that a bundle may hold, `.env`, and folders; not logs and other things that change all the time.
fn is_source(path: &Path) -> bool {
    let Some(extension) = path.extension() else {
        return true;
    };
    SOURCES.iter().any(|source| extension == *source)
}

fn is_ignored(name: &str) -> bool {
    (name.starts_with('.') && name != ".env") || IGNORED.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use notify::{Event, EventKind, event::ModifyKind};

    use super::is_change;

    #[test]
    fn only_sources_count() {
        let changes = |path: &str| {
            let event = Event::new(EventKind::Modify(ModifyKind::Any)).add_path(path.into());
            is_change(Path::new("/p"), &event)
        };
        for path in [
            "/p/index.ts",
            "/p/a/syncs/x.ts",
            "/p/a/data.json",
            "/p/a",
            "/p/.env",
        ] {
            assert!(changes(path), "{path}");
        }
        for path in [
            "/p/dev.log",
            "/p/node_modules/x/y.js",
            "/p/.tenon/dev.json",
            "/p/a/.x.ts.swp",
        ] {
            assert!(!changes(path), "{path}");
        }
    }
}
