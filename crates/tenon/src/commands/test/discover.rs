//! Finds fixtures by the layout of folders: `<integration>/tests/<name>.test.json` beside `syncs`, `actions`, `on-events`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::{Context as _, bail};
use regex::Regex;
use tenon_runtime::compile::{EntryPoint, project::FOLDERS};

const FIXTURE: &str = ".test.json";

/// A fixture and the function it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Folder above the integration.
    pub(super) root: PathBuf,
    pub(super) entry: EntryPoint,
    pub(super) fixture: PathBuf,
}

impl Case {
    /// Text of the `.test.ts` beside the fixture.
    pub(super) fn test(&self) -> Option<String> {
        let name = self.fixture.file_name()?.to_string_lossy().into_owned();
        let stem = name.strip_suffix(FIXTURE)?;
        test_beside(&self.fixture, &self.entry.integration, stem)
    }

    /// `github/issues`.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.entry.integration, self.entry.name)
    }
}

/// What is left out, and why.
#[derive(Clone, Debug)]
pub(super) struct Skipped {
    pub(super) what: String,
    pub(super) reason: String,
}

/// All fixtures below a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) cases: Vec<Case>,
    pub(super) skipped: Vec<Skipped>,
}

impl Found {
    fn skip(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            what: what.into(),
            reason: reason.into(),
        });
    }
}

/// Finds the fixtures that `path` and the filters mean.
pub(super) fn discover(
    path: &Path,
    integration: Option<&str>,
    function: Option<&str>,
) -> anyhow::Result<Found> {
    let place = place(path)?;
    let only = integration.or(place.integration.as_deref());
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for (name, metadata) in folders(&place.root)? {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let folder = place.root.join(&name);
        match metadata {
            Err(error) => found.skip(&name, format!("broken link: {error}")),
            // An integration that is a link to another one has the same fixtures.
            Ok(()) if !seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())) => {
                found.skip(&name, "link to an integration that is replayed already");
            }
            Ok(()) => of_integration(&place, &name, function, &mut found),
        }
    }
    if found.cases.is_empty() && found.skipped.is_empty() {
        bail!(
            "there are no fixtures in `{}`\nhint: a fixture lies at <integration>/tests/<function>.test.json",
            path.display()
        );
    }
    Ok(found)
}

/// What a path means: the folder above integrations, and perhaps one of them or one fixture.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    integration: Option<String>,
    fixture: Option<String>,
}

fn place(path: &Path) -> anyhow::Result<Place> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    // Made absolute without following links: the names in the path are those that count.
    let path = std::path::absolute(path).with_context(unreadable)?;
    let metadata = std::fs::metadata(&path).with_context(unreadable)?;
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let above = |path: &Path| path.parent().map(Path::to_owned).with_context(unreadable);
    if metadata.is_file() {
        let integration = above(&above(&path)?)?;
        return Ok(Place {
            root: above(&integration)?,
            integration: name(&integration),
            fixture: name(&path),
        });
    }
    if path.join("tests").is_dir() && FOLDERS.iter().any(|folder| path.join(folder).is_dir()) {
        return Ok(Place {
            root: above(&path)?,
            integration: name(&path),
            fixture: None,
        });
    }
    if name(&path).as_deref() == Some("tests") {
        let integration = above(&path)?;
        return Ok(Place {
            root: above(&integration)?,
            integration: name(&integration),
            fixture: None,
        });
    }
    let inner = path.join("integrations");
    let root = if inner.is_dir() { inner } else { path };
    Ok(Place {
        root,
        integration: None,
        fixture: None,
    })
}

/// Folders of a folder, sorted; links that lead nowhere are kept as errors.
fn folders(root: &Path) -> anyhow::Result<Vec<(String, std::io::Result<()>)>> {
    let mut names = Vec::new();
    let listing =
        std::fs::read_dir(root).with_context(|| format!("`{}` cannot be read", root.display()))?;
    for entry in listing {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        match std::fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => names.push((is_link, name, Ok(()))),
            Ok(_) => {}
            Err(error) => names.push((is_link, name, Err(error))),
        }
    }
    // Links last, so that what they lead to is replayed under its own name.
    names.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(names
        .into_iter()
        .map(|(_, name, metadata)| (name, metadata))
        .collect())
}

fn of_integration(place: &Place, integration: &str, function: Option<&str>, found: &mut Found) {
    let tests = place.root.join(integration).join("tests");
    let Ok(listing) = std::fs::read_dir(&tests) else {
        return;
    };
    let mut files: Vec<String> = listing
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|file| file.ends_with(FIXTURE))
        .filter(|file| place.fixture.as_ref().is_none_or(|only| only == file))
        .collect();
    files.sort();
    for file in files {
        let title = format!("{integration}/tests/{file}");
        let fixture = tests.join(&file);
        if let Err(error) = std::fs::metadata(&fixture) {
            found.skip(title, format!("broken link: {error}"));
            continue;
        }
        let stem = &file[..file.len() - FIXTURE.len()];
        match function_of(&place.root, integration, stem, &fixture) {
            Some(entry) if function.is_none_or(|only| only == entry.name) => {
                found.cases.push(Case {
                    root: place.root.clone(),
                    entry,
                    fixture,
                });
            }
            Some(_) => {}
            None if function.is_some() => {}
            None => found.skip(
                title,
                format!("there is no function `{stem}` in {integration}"),
            ),
        }
    }
}

/// The function that a fixture is named after (`<name>` or `<integration>-<name>`), or that the test beside it imports.
fn function_of(root: &Path, integration: &str, stem: &str, fixture: &Path) -> Option<EntryPoint> {
    let short = stem
        .strip_prefix(integration)
        .and_then(|rest| rest.strip_prefix('-'));
    for name in [Some(stem), short].into_iter().flatten() {
        let mut there: Vec<&str> = FOLDERS
            .into_iter()
            .filter(|folder| {
                root.join(integration)
                    .join(folder)
                    .join(format!("{name}.ts"))
                    .is_file()
            })
            .collect();
        // A sync and an action may share a name; only syncs save.
        if there.len() > 1 && !saves(fixture) {
            there.retain(|folder| *folder != "syncs");
        }
        if let Some(folder) = there.first() {
            return Some(entry(integration, folder, name));
        }
    }
    let test = test_beside(fixture, integration, stem)?;
    let imported = IMPORTED.captures(&test)?;
    let found = entry(integration, &imported[1], &imported[2]);
    root.join(&found.path).is_file().then_some(found)
}

/// The function that a test imports.
static IMPORTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"from\s+['"]\.\./(syncs|actions|on-events)/([^'"/]+?)(?:\.[jt]s)?['"]"#)
        .expect("the pattern is a constant and is tested")
});

fn entry(integration: &str, folder: &str, name: &str) -> EntryPoint {
    EntryPoint {
        integration: integration.to_owned(),
        name: name.to_owned(),
        folder: folder.to_owned(),
        path: format!("{integration}/{folder}/{name}.ts"),
        listed: None,
    }
}

/// `<integration>-<stem>.test.ts` or `<stem>.test.ts`.
fn test_beside(fixture: &Path, integration: &str, stem: &str) -> Option<String> {
    let names = [
        format!("{integration}-{stem}.test.ts"),
        format!("{stem}.test.ts"),
    ];
    names
        .iter()
        .find_map(|name| std::fs::read_to_string(fixture.with_file_name(name)).ok())
}

fn saves(fixture: &Path) -> bool {
    let text = std::fs::read_to_string(fixture).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    value["nango"].get("batchSave").is_some()
}
