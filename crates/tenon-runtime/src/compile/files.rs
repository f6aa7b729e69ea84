//! Where source text comes from: a folder, or memory.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Source files by path relative to the project, with `/` between the parts.
pub trait Files: Send + Sync {
    /// The text of a file.
    fn read(&self, path: &str) -> io::Result<String>;

    /// Whether there is such a file.
    fn is_file(&self, path: &str) -> bool;
}

/// Files of a folder.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The folder `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<String> {
        let path = self.root.join(path);
        let size = std::fs::metadata(&path)?.len();
        if size > super::bundle::SOURCE_FILE_BYTES {
            return Err(io::Error::other(format!("the file has {size} bytes")));
        }
        std::fs::read_to_string(path)
    }

    fn is_file(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }
}

/// Files that exist only here: code that came over the wire, tests.
#[derive(Clone, Debug, Default)]
pub struct InMemory(BTreeMap<String, String>);

impl InMemory {
    /// Files from pairs of path and text.
    pub fn new<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        Self(
            files
                .into_iter()
                .map(|(path, text)| (path.into(), text.into()))
                .collect(),
        )
    }
}

impl Files for InMemory {
    fn read(&self, path: &str) -> io::Result<String> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_file(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}
