//! Languages of the Connect UI: ours, and those that an operator puts into a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use axum::response::Response;
use serde_json::{Map, Value};

use super::assets;

/// Languages that are part of the binary; the first one stands in for texts that another lacks.
pub(super) const EMBEDDED: [&str; 12] = [
    "en", "de", "fr", "es", "ja", "it", "pt-BR", "nl", "pl", "ko", "zh-CN", "ar",
];

/// Largest file of a language.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// The languages that the pages speak.
#[derive(Debug, Default)]
pub struct Languages {
    /// JSON of what the operator changed or added, complete.
    own: BTreeMap<String, String>,
}

/// Why a folder of languages cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LanguagesError {
    #[error("cannot read `{0}`")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("`{0}` is no language: the file of one is named like `sv.json` or `pt-PT.json`")]
    Name(PathBuf),
    #[error("`{0}` is not a JSON object of texts of at most {MAX_FILE_BYTES} bytes")]
    Content(PathBuf),
    #[error("`{file}`: the text `{key}` must contain {wanted}")]
    Placeholder {
        file: PathBuf,
        key: String,
        wanted: String,
    },
}

impl Languages {
    /// Ours and those of a folder: `sv.json` adds a language, `de.json` replaces texts of ours. What a file lacks stands
    /// in our words of that language, or in English.
    pub fn with_folder(folder: &Path) -> Result<Self, LanguagesError> {
        let unreadable = |error| LanguagesError::Read(folder.to_owned(), error);
        let mut own = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let (name, text) = read(&path)?;
                own.insert(name, text);
            }
        }
        Ok(Self { own })
    }

    /// All tags, separated by spaces.
    pub(super) fn names(&self) -> String {
        let ours = EMBEDDED.iter().copied();
        let more = self.own.keys().map(String::as_str);
        let more = more.filter(|name| !EMBEDDED.contains(name));
        ours.chain(more).collect::<Vec<_>>().join(" ")
    }

    /// A file of texts. Browsers may keep ours for ever; the operator may change theirs.
    pub(super) fn serve(&self, file: &str, versioned: bool) -> Response {
        let own = file
            .strip_suffix(".json")
            .and_then(|name| self.own.get(name));
        match own {
            Some(text) => assets::json(text, false),
            None => assets::serve(&format!("connect/texts/{file}"), versioned),
        }
    }
}

fn read(path: &Path) -> Result<(String, String), LanguagesError> {
    let name = path.file_stem().and_then(|name| name.to_str());
    let name = name
        .filter(|name| is_language(name))
        .ok_or_else(|| LanguagesError::Name(path.to_owned()))?;
    let content = || LanguagesError::Content(path.to_owned());
    let text = std::fs::read_to_string(path)
        .map_err(|error| LanguagesError::Read(path.to_owned(), error))?;
    if text.len() > MAX_FILE_BYTES {
        return Err(content());
    }
    let given: Map<String, Value> = serde_json::from_str(&text).map_err(|_| content())?;
    let base = if EMBEDDED.contains(&name) { name } else { "en" };
    let mut complete = embedded(base);
    for (key, value) in given {
        match (complete.get_mut(&key), value) {
            (Some(Value::Object(titles)), Value::Object(own))
                if own.values().all(Value::is_string) =>
            {
                titles.extend(own);
            }
            (Some(Value::String(text)), Value::String(own)) => {
                if let Some(wanted) = missing_placeholder(text, &own) {
                    let file = path.to_owned();
                    return Err(LanguagesError::Placeholder { file, key, wanted });
                }
                *text = own;
            }
            // A text that this version does not have any more harms nobody.
            (None, Value::String(_)) => {}
            (_, _) => return Err(content()),
        }
    }
    Ok((name.to_owned(), Value::Object(complete).to_string()))
}

/// Our texts of a language.
fn embedded(name: &str) -> Map<String, Value> {
    let text = assets::text(&format!("connect/texts/{name}.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A `{name}` of the original that is not in a translation: a person would miss what it stands for.
fn missing_placeholder(original: &str, own: &str) -> Option<String> {
    let names = original.split('{').skip(1);
    let mut wanted = names.filter_map(|part| Some(format!("{{{}}}", part.split_once('}')?.0)));
    wanted.find(|name| !own.contains(name.as_str()))
}

fn is_language(name: &str) -> bool {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let is_word = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| (2..=8).contains(&part.len()) && is_word(part))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Languages, LanguagesError};

    fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_adds_languages_and_changes_ours() {
        let folder = folder(&[
            (
                "sv.json",
                json!({"connect": "Anslut", "titles": {"API key": "API-nyckel"}}),
            ),
            ("de.json", json!({"connect": "Los"})),
            ("notes.txt", json!("ignored")),
        ]);
        let languages = Languages::with_folder(folder.path()).unwrap();
        assert!(languages.names().ends_with(" ar sv"));
        let swedish: Value = serde_json::from_str(&languages.own["sv"]).unwrap();
        assert_eq!(swedish["connect"], "Anslut");
        assert_eq!(swedish["titles"]["API key"], "API-nyckel");
        assert_eq!(swedish["cancel"], "Cancel");
        let german: Value = serde_json::from_str(&languages.own["de"]).unwrap();
        assert_eq!(german["connect"], "Los");
        assert_eq!(german["cancel"], "Abbrechen");
    }

    #[test]
    fn a_file_that_would_break_the_page_is_told_at_the_start() {
        for (name, content) in [
            ("Swedish.json", json!({})),
            ("sv.json", json!([])),
            ("sv.json", json!({"connect": 1})),
            ("sv.json", json!({"link": "Anslut"})),
        ] {
            let folder = folder(&[(name, content.clone())]);
            let error = Languages::with_folder(folder.path()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{name} {content}");
            if content["link"].is_string() {
                assert!(matches!(error, LanguagesError::Placeholder { .. }));
            }
        }
    }
}
