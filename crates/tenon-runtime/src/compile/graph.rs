//! The files of a bundle: the entry and everything it imports.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    bundle::BUNDLE_FILES,
    diagnostic::{CompileError, Diagnostic},
    entry::Entry,
    files::Files,
    imports::{self, Import},
    module::{self, Module, Role},
    resolve,
};

/// A file of a bundle.
pub(super) enum Loaded {
    Code {
        module: Module,
        /// For each request: the index of the module in the bundle, if it is part of it.
        targets: Vec<Option<usize>>,
    },
    Json {
        path: String,
        text: String,
    },
}

impl Loaded {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Code { module, .. } => &module.path,
            Self::Json { path, .. } => path,
        }
    }
}

/// An entry and everything it leads to; the entry is the first module.
pub(super) struct Graph {
    pub(super) entry: Entry,
    pub(super) entry_source: String,
    pub(super) modules: Vec<Loaded>,
}

impl Graph {
    /// Reads and compiles files until nothing new is imported.
    pub(super) fn load(files: &dyn Files, entry: &str) -> Result<Self, CompileError> {
        let mut loader = Loader {
            files,
            indices: HashMap::from([(entry.to_owned(), 0)]),
            queue: vec![entry.to_owned()],
            diagnostics: Vec::new(),
        };
        let mut modules = Vec::new();
        let mut found = None;
        while modules.len() < loader.queue.len() {
            let path = loader.queue[modules.len()].clone();
            let text = loader.read(&path)?;
            if path.ends_with(".json") {
                modules.push(loader.json(path, text)?);
                continue;
            }
            let role = if modules.is_empty() {
                Role::Entry
            } else {
                Role::Dependency
            };
            let (module, defined) = match module::compile(&path, &text, role) {
                Ok(compiled) => compiled,
                Err(error) => {
                    loader.diagnostics.extend(error.diagnostics);
                    return Err(CompileError {
                        diagnostics: loader.diagnostics,
                    });
                }
            };
            let targets = loader.targets(&module, &text);
            modules.push(Loaded::Code { module, targets });
            if let Some(defined) = defined {
                found = Some((defined, text));
            }
        }
        match found {
            Some((entry, entry_source)) if loader.diagnostics.is_empty() => Ok(Self {
                entry,
                entry_source,
                modules,
            }),
            _ if loader.diagnostics.is_empty() => Err(Diagnostic::of_file(
                entry,
                "a function must be written in TypeScript or JavaScript".to_owned(),
            )
            .into()),
            _ => Err(CompileError {
                diagnostics: loader.diagnostics,
            }),
        }
    }
}

/// The first candidates say enough.
fn shortened(tried: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = tried.iter().take(SHOWN).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match tried.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

struct Loader<'f> {
    files: &'f dyn Files,
    indices: HashMap<String, usize>,
    queue: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn read(&self, path: &str) -> Result<String, CompileError> {
        let complain = |message: String| CompileError::from(Diagnostic::of_file(path, message));
        if self.queue.len() > BUNDLE_FILES {
            return Err(complain(format!(
                "the function imports more than {BUNDLE_FILES} files"
            )));
        }
        let text = self
            .files
            .read(path)
            .map_err(|error| complain(format!("the file cannot be read: {error}")))?;
        // A byte order mark would count as a character of the first line.
        Ok(text
            .strip_prefix('\u{feff}')
            .map_or_else(|| text.clone(), str::to_owned))
    }

    fn json(&self, path: String, text: String) -> Result<Loaded, CompileError> {
        match serde_json::from_str::<Value>(&text) {
            // A literal for `JSON.parse`: as an object literal `__proto__` would mean something else.
            Ok(value) => Ok(Loaded::Json {
                path,
                text: Value::from(value.to_string()).to_string(),
            }),
            Err(error) => {
                let line_start = text
                    .split_inclusive('\n')
                    .take(error.line().saturating_sub(1))
                    .map(str::len)
                    .sum::<usize>();
                let start = line_start + error.column().saturating_sub(1);
                let message = format!("this is not JSON: {error}");
                Err(Diagnostic::at(&path, &text, start, start + 1, message).into())
            }
        }
    }

    fn targets(&mut self, module: &Module, source: &str) -> Vec<Option<usize>> {
        let mut targets = Vec::new();
        for request in &module.requests {
            if imports::judge(&request.specifier) != Import::File {
                targets.push(None);
                continue;
            }
            match resolve::resolve(self.files, &module.path, &request.specifier) {
                Ok(path) => targets.push(Some(self.index(path))),
                Err(tried) => {
                    let (start, end) = request.span;
                    let message = format!("there is no file `{}`", request.specifier);
                    let hint = format!("looked for {}", shortened(&tried));
                    let diagnostic = Diagnostic::at(&module.path, source, start, end, message);
                    self.diagnostics.push(diagnostic.with_hint(hint));
                    targets.push(None);
                }
            }
        }
        targets
    }

    fn index(&mut self, path: String) -> usize {
        let next = self.queue.len();
        let index = *self.indices.entry(path.clone()).or_insert(next);
        if index == next {
            self.queue.push(path);
        }
        index
    }
}
