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

    /// The same place without links on the way to it; an error if it lies outside the project.
    fn real(&self, path: &str) -> io::Result<String> {
        Ok(path.to_owned())
    }
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

    fn real(&self, path: &str) -> io::Result<String> {
        let root = self.root.canonicalize()?;
        let place = root.join(path).canonicalize()?;
        let inside = place
            .strip_prefix(&root)
            .map_err(|_| io::Error::other("it lies outside the project"))?;
        let parts = inside.iter().map(|part| part.to_str());
        let parts: Option<Vec<_>> = parts.collect();
        let parts = parts.ok_or_else(|| io::Error::other("its name is not UTF-8"))?;
        Ok(parts.join("/"))
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
