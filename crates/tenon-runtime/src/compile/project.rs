//! Which functions a project folder holds (cli.md, 1).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    bundle::{Bundled, bundle},
    diagnostic::{CompileError, Diagnostic},
    files::Disk,
};

/// Folders of an integration that hold functions.
pub const FOLDERS: [&str; 3] = ["syncs", "actions", "on-events"];

/// A folder with functions in it.
#[derive(Clone, Debug)]
pub struct Project {
    pub root: PathBuf,
    pub entries: Vec<EntryPoint>,
}

/// The file of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// First part of the path.
    pub integration: String,
    /// Base name of the file.
    pub name: String,
    /// `syncs`, `actions` or `on-events`.
    pub folder: String,
    /// Path relative to the project, with `/` between the parts.
    pub path: String,
    /// Where the manifest names it, for complaints: line and text of the line.
    pub listed: Option<(u32, String)>,
}

/// Why a folder is no project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("`{path}` is not a folder with functions: it has no index.ts")]
    NoManifest { path: String },
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Wrong(CompileError),
}

impl Project {
    /// Reads `index.ts`: one side-effect import per function.
    pub fn open(root: &Path) -> Result<Self, ProjectError> {
        let manifest = root.join("index.ts");
        let text = std::fs::read_to_string(&manifest).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProjectError::NoManifest {
                path: root.display().to_string(),
            },
            _ => ProjectError::Unreadable {
                path: manifest.display().to_string(),
                source,
            },
        })?;
        let entries =
            entries(&text, |path| root.join(path).is_file()).map_err(ProjectError::Wrong)?;
        Ok(Self {
            root: root.to_owned(),
            entries,
        })
    }

    /// Finds functions by the layout of the folder alone, manifest or not. Broken links and the like are skipped and
    /// come back as complaints.
    pub fn scan(root: &Path) -> Result<(Self, Vec<String>), ProjectError> {
        let mut skipped = Vec::new();
        let mut entries = Vec::new();
        for integration in folders(root, &mut skipped)? {
            for folder in FOLDERS {
                let place = root.join(&integration).join(folder);
                if place.is_dir() {
                    entries.extend(scan_folder(&place, &integration, folder, &mut skipped));
                }
            }
        }
        let project = Self {
            root: root.to_owned(),
            entries,
        };
        Ok((project, skipped))
    }

    /// Bundles one function.
    pub fn bundle(&self, entry: &EntryPoint) -> Result<Bundled, CompileError> {
        bundle(&Disk::new(&self.root), &entry.path)
    }
}

fn folders(root: &Path, skipped: &mut Vec<String>) -> Result<Vec<String>, ProjectError> {
    let unreadable = |source| ProjectError::Unreadable {
        path: root.display().to_string(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        match std::fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => names.push(name),
            Ok(_) => {}
            Err(error) => skipped.push(format!("{name}: {error}")),
        }
    }
    names.sort();
    Ok(names)
}

fn scan_folder(
    place: &Path,
    integration: &str,
    folder: &str,
    skipped: &mut Vec<String>,
) -> Vec<EntryPoint> {
    let mut found = Vec::new();
    let listing = match std::fs::read_dir(place) {
        Ok(listing) => listing,
        Err(error) => {
            skipped.push(format!("{integration}/{folder}: {error}"));
            return found;
        }
    };
    for entry in listing.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".ts") else {
            continue;
        };
        if name.ends_with(".d") || name.ends_with(".test") {
            continue;
        }
        let path = format!("{integration}/{folder}/{file}");
        if let Err(error) = std::fs::metadata(entry.path()) {
            skipped.push(format!("{path}: {error}"));
            continue;
        }
        found.push(EntryPoint {
            integration: integration.to_owned(),
            name: name.to_owned(),
            folder: folder.to_owned(),
            path,
            listed: None,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Reads the lines of a manifest.
fn entries(
    manifest: &str,
    is_file: impl Fn(&str) -> bool,
) -> Result<Vec<EntryPoint>, CompileError> {
    let mut found: Vec<EntryPoint> = Vec::new();
    let mut seen = BTreeMap::new();
    let mut diagnostics = Vec::new();
    let mut offset = 0;
    for (index, line) in manifest.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += line.len();
        let Some(written) = imported(line) else {
            continue;
        };
        let at = start + line.find("./").unwrap_or(0);
        let complain = |message: String| {
            Diagnostic::at("index.ts", manifest, at, at + written.len() + 2, message)
        };
        match entry(written, u32::try_from(index + 1).unwrap_or(u32::MAX), line) {
            Some(entry) if !is_file(&entry.path) => {
                diagnostics.push(complain(format!("there is no file `{}`", entry.path)));
            }
            Some(entry) => {
                let key = (
                    entry.integration.clone(),
                    entry.folder.clone(),
                    entry.name.clone(),
                );
                if seen.insert(key, ()).is_none() {
                    found.push(entry);
                }
            }
            None => diagnostics.push(
                complain(format!("`./{written}` is not the path of a function")).with_hint(
                    "a function lies at `./<integration>/syncs|actions|on-events/<name>.ts`",
                ),
            ),
        }
    }
    if diagnostics.is_empty() {
        Ok(found)
    } else {
        Err(CompileError { diagnostics })
    }
}

/// What stands behind `./` in `import './x';`.
fn imported(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("import ")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let rest = &rest[1..];
    let (path, _) = rest.split_once(quote)?;
    path.strip_prefix("./")
}

fn entry(written: &str, line: u32, text: &str) -> Option<EntryPoint> {
    let stem = [".ts", ".js", ".mjs", ".cjs"]
        .iter()
        .find_map(|extension| written.strip_suffix(extension))
        .unwrap_or(written);
    let parts: Vec<&str> = stem.split('/').collect();
    let (integration, folder, name) = match parts.as_slice() {
        [integration, folder, .., name] if FOLDERS.contains(folder) => (integration, folder, name),
        _ => return None,
    };
    if parts.iter().any(|part| part.is_empty() || *part == "..") {
        return None;
    }
    Some(EntryPoint {
        integration: (*integration).to_owned(),
        name: (*name).to_owned(),
        folder: (*folder).to_owned(),
        path: format!("{stem}.ts"),
        listed: Some((line, text.trim_end().to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn only_side_effect_imports_count() {
        let manifest = "// project\nimport './github/syncs/issues.js';\nimport \"./github/actions/close\"\nimport { x } from './github/x.js';\n  import './github/syncs/indented.js';\n";
        let found = entries(manifest, |_| true).unwrap();
        let paths: Vec<&str> = found.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["github/syncs/issues.ts", "github/actions/close.ts"]);
        assert_eq!(found[0].integration, "github");
        assert_eq!(found[0].name, "issues");
    }

    #[test]
    fn missing_files_are_named_with_their_line() {
        let error = entries("\nimport './github/syncs/issues.js';\n", |_| false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "index.ts:2:9: there is no file `github/syncs/issues.ts`\n  2 | import './github/syncs/issues.js';\n    |         ^^^^^^^^^^^^^^^^^^^^^^^^"
        );
    }
}
