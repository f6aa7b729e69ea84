//! Packages of the project's `node_modules`, made part of a bundle (docs/reference/npm-packages.md).
//!
//! [`exports`] is the pure rule of the fields `exports` and `imports`, [`manifest`] reads a `package.json`, [`lookup`]
//! finds the file that an import means as Node and bundlers do, [`core_modules`] knows what only Node has.
//!
//! A package is taken as for Node. Where that leads to a module that only Node has and the package brings something for
//! browsers, [`Packages::prefer_browser`] makes the next attempt take this instead.

pub(super) mod core_modules;
mod exports;
mod lookup;
mod manifest;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use super::files::Files;
use manifest::Manifest;

/// Most files that packages bring into one bundle: each is compiled at deploy and loaded at every run.
pub(crate) const PACKAGE_FILES: usize = 3_000;

/// Most source text that packages bring into one bundle: beyond it the bytecode no longer fits a run's heap well.
pub(crate) const PACKAGE_BYTES: usize = 16 * 1024 * 1024;

/// Longest chain of imports: whatever is longer would not fit the engine's stack when it is loaded.
pub(crate) const IMPORT_DEPTH: usize = 250;

/// Largest `package.json` that is read.
const MANIFEST_BYTES: usize = 1024 * 1024;

const NODE_MODULES: &str = "node_modules/";

/// How a module is asked for: decides which of a package's builds is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Import,
    Require,
}

/// What an import inside or of a package means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file, by its path relative to the project.
    File(String),
    /// Offered by the runtime under this name.
    Offered(&'static str),
    /// Left out by the package itself in its build for browsers.
    Nothing,
}

/// Why an import leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Not installed.
    Package(String),
    /// Installed, but the package shows no such part of itself.
    NotExported { package: String, subpath: String },
    /// A part that is not there.
    File { package: String, path: String },
    /// Lies outside the project, or cannot be read.
    Outside { path: String, reason: String },
    /// A module of Node, or one that could only work with one.
    Unavailable { name: String, reason: &'static str },
}

/// Finds packages and what they consist of.
pub(super) struct Packages<'f> {
    files: &'f dyn Files,
    manifests: RefCell<HashMap<String, Option<Rc<Manifest>>>>,
    /// Folders of packages that are taken in their build for browsers.
    browser: BTreeSet<String>,
}

impl<'f> Packages<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            manifests: RefCell::default(),
            browser: BTreeSet::new(),
        }
    }

    /// Takes the package that `path` belongs to in its build for browsers from now on; false if there is none, or if it
    /// was taken so already.
    pub(super) fn prefer_browser(&mut self, path: &str) -> bool {
        let Some(folder) = owner(path) else {
            return false;
        };
        let offers = self
            .manifest(folder)
            .is_some_and(|manifest| manifest.has_browser_build());
        offers && self.browser.insert(folder.to_owned())
    }

    /// Whether files like this one speak the language's own modules by what is declared: by extension or `"type"`.
    pub(super) fn declares_modules(&self, path: &str) -> bool {
        match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("mjs" | "mts") => true,
            Some("cjs" | "cts") => false,
            _ => self
                .scope(path)
                .is_some_and(|manifest| manifest.is_module()),
        }
    }

    /// The nearest `package.json` at or above a file, not above its package.
    fn scope(&self, path: &str) -> Option<Rc<Manifest>> {
        let top = owner(path).unwrap_or_default();
        let mut folder = parent(path);
        loop {
            if let Some(found) = self.manifest(folder) {
                return Some(found);
            }
            if folder.len() <= top.len() {
                return None;
            }
            folder = parent(folder);
        }
    }

    /// The `package.json` of a folder. One that makes no sense is like none.
    fn manifest(&self, folder: &str) -> Option<Rc<Manifest>> {
        if let Some(known) = self.manifests.borrow().get(folder) {
            return known.clone();
        }
        let path = inside(folder, "package.json");
        let read = || {
            let text = self.files.read(&path).ok()?;
            (text.len() <= MANIFEST_BYTES).then(|| Manifest::parse(&text))?
        };
        let found = self.files.is_file(&path).then(read).flatten().map(Rc::new);
        self.manifests
            .borrow_mut()
            .insert(folder.to_owned(), found.clone());
        found
    }
}

/// The folder of the package that a file belongs to; none for the project's own files.
pub(super) fn owner(path: &str) -> Option<&str> {
    let start = match path.rfind(&format!("/{NODE_MODULES}")) {
        Some(at) => at + 1 + NODE_MODULES.len(),
        None if path.starts_with(NODE_MODULES) => NODE_MODULES.len(),
        None => return None,
    };
    Some(&path[..start + name_length(&path[start..])])
}

/// The name of the package that a file belongs to.
pub(super) fn name_of(path: &str) -> Option<&str> {
    let folder = owner(path)?;
    let start = folder.rfind(NODE_MODULES).map(|at| at + NODE_MODULES.len());
    Some(&folder[start.unwrap_or(0)..])
}

/// How much of `text` is the name of a package, `@scope/` included.
fn name_length(text: &str) -> usize {
    let parts = if text.starts_with('@') { 2 } else { 1 };
    text.match_indices('/')
        .nth(parts - 1)
        .map_or(text.len(), |(at, _)| at)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::{name_of, owner};

    #[test]
    fn files_belong_to_the_innermost_package() {
        for (path, folder, name) in [
            ("crm/syncs/a.ts", None, None),
            ("node_modules/a/b.js", Some("node_modules/a"), Some("a")),
            (
                "node_modules/@s/a/lib/b.js",
                Some("node_modules/@s/a"),
                Some("@s/a"),
            ),
            (
                "node_modules/.pnpm/a@1/node_modules/a/b.js",
                Some("node_modules/.pnpm/a@1/node_modules/a"),
                Some("a"),
            ),
        ] {
            assert_eq!((owner(path), name_of(path)), (folder, name), "{path}");
        }
    }
}
