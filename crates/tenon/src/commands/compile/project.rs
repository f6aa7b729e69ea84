//! A whole project, compiled on all cores.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tenon_core::function::FunctionKind;
use tenon_runtime::compile::{
    Bundled, CompileError, Definition, Diagnostic, EntryPoint, Project, ProjectError, define,
};

/// A function with everything that a deployment sends.
#[derive(Clone, Debug)]
pub(crate) struct CompiledFunction {
    pub(crate) entry: EntryPoint,
    pub(crate) bundled: Bundled,
    pub(crate) definition: Definition,
}

/// Which functions of a project are meant; all by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) sync: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) integration: Option<String>,
}

impl Selection {
    /// Whether a function of this name may be meant.
    fn includes(&self, entry: &EntryPoint) -> bool {
        let integration = self.integration.as_ref();
        if integration.is_some_and(|wanted| *wanted != entry.integration) {
            return false;
        }
        let names = [&self.sync, &self.action];
        names.iter().all(|name| name.is_none()) || names.contains(&&Some(entry.name.clone()))
    }

    /// Whether it is meant, now that its kind is known: the export decides, not the folder.
    fn includes_kind(&self, function: &CompiledFunction) -> bool {
        let wanted = match function.bundled.kind {
            _ if self.sync.is_none() && self.action.is_none() => return true,
            FunctionKind::Sync => &self.sync,
            FunctionKind::Action => &self.action,
            FunctionKind::OnEvent => &None,
        };
        wanted.as_ref() == Some(&function.entry.name)
    }

    /// `deployMode` of the deployment (cli.md, 4).
    pub(crate) fn deploy_mode(&self) -> &'static str {
        if self.sync.is_some() || self.action.is_some() {
            "single"
        } else if self.integration.is_some() {
            "integration"
        } else {
            "all"
        }
    }
}

/// Why a project does not compile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileProjectError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("no function of this project is meant: check the names, and that index.ts imports it")]
    NothingSelected,
    #[error("no function `{name}` in this project\nhint: index.ts imports {known}")]
    NoFunction { name: String, known: String },
    #[error(
        "several functions are called `{name}`: {found}\nhint: say which with --integration-id, or its path like `integration/name`"
    )]
    Ambiguous { name: String, found: String },
    #[error("{0}")]
    Code(CompileError),
}

/// Compiles the one function of a name: `name`, `integration/name` or its path.
pub(crate) fn compile_named(
    root: &Path,
    name: &str,
    integration: Option<&str>,
) -> Result<CompiledFunction, CompileProjectError> {
    let project = open(root)?;
    let means = |entry: &&EntryPoint| {
        let names = [
            entry.name.clone(),
            format!("{}/{}", entry.integration, entry.name),
            format!("{}/{}/{}", entry.integration, entry.folder, entry.name),
            entry.path.clone(),
        ];
        names.iter().any(|known| known == name)
            && integration.is_none_or(|only| only == entry.integration)
    };
    let found: Vec<&EntryPoint> = project.entries.iter().filter(means).collect();
    match found.as_slice() {
        [only] => compile_one(&project, only).map_err(CompileProjectError::Code),
        [] => Err(CompileProjectError::NoFunction {
            name: name.to_owned(),
            known: listed(&project.entries),
        }),
        several => Err(CompileProjectError::Ambiguous {
            name: name.to_owned(),
            found: several
                .iter()
                .map(|entry| entry.path.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// The first functions of a project, for a hint.
fn listed(entries: &[EntryPoint]) -> String {
    const SHOWN: usize = 10;
    let names = entries.iter().take(SHOWN);
    let names = names.map(|entry| format!("{}/{}", entry.integration, entry.name));
    let names = names.collect::<Vec<_>>().join(", ");
    match entries.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "none".to_owned(),
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

fn open(root: &Path) -> Result<Project, CompileProjectError> {
    Project::open(root).map_err(|error| match error {
        ProjectError::Wrong(error) => CompileProjectError::Code(error),
        error @ (ProjectError::NoManifest { .. } | ProjectError::Unreadable { .. }) => error.into(),
    })
}

/// Compiles the selected functions, in the order of the manifest.
pub(crate) fn compile_project(
    root: &Path,
    selection: &Selection,
) -> Result<Vec<CompiledFunction>, CompileProjectError> {
    let project = open(root)?;
    let entries: Vec<&EntryPoint> = project
        .entries
        .iter()
        .filter(|entry| selection.includes(entry))
        .collect();
    if entries.is_empty() {
        return Err(CompileProjectError::NothingSelected);
    }
    let outcomes = in_parallel(&entries, |entry| compile_one(&project, entry));
    let mut functions = Vec::new();
    let mut diagnostics = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(function) if selection.includes_kind(&function) => functions.push(function),
            Ok(_) => {}
            Err(error) => diagnostics.extend(error.diagnostics),
        }
    }
    diagnostics.extend(clashes(&functions));
    if diagnostics.is_empty() && functions.is_empty() {
        return Err(CompileProjectError::NothingSelected);
    }
    if diagnostics.is_empty() {
        return Ok(functions);
    }
    let mut unique: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics {
        // A shared file is compiled once per function.
        if !unique.contains(&diagnostic) {
            unique.push(diagnostic);
        }
    }
    Err(CompileProjectError::Code(CompileError {
        diagnostics: unique,
    }))
}

fn compile_one(project: &Project, entry: &EntryPoint) -> Result<CompiledFunction, CompileError> {
    let bundled = project.bundle(entry)?;
    let definition = define(entry, &bundled)?;
    Ok(CompiledFunction {
        entry: entry.clone(),
        bundled,
        definition,
    })
}

/// Model names and routes that two functions of one integration claim (functions.md, 1.1).
fn clashes(functions: &[CompiledFunction]) -> Vec<Diagnostic> {
    let mut models: HashMap<(&str, &str), &str> = HashMap::new();
    let mut routes: HashMap<(&str, &str, &str), &str> = HashMap::new();
    let mut found = Vec::new();
    for function in functions {
        let CompiledFunction {
            entry,
            bundled,
            definition,
        } = function;
        let complain = |option: &str, message: String| {
            let (start, end) = bundled.place_of(option);
            Diagnostic::at(&entry.path, &bundled.source, start, end, message)
        };
        let integration = entry.integration.as_str();
        if definition.kind == FunctionKind::Sync {
            for model in &definition.models {
                if let Some(other) = models.insert((integration, model), &entry.path) {
                    let message = format!("model `{model}` belongs to `{other}` already");
                    let hint = "names of models are unique within an integration";
                    found.push(complain(&format!("models.{model}"), message).with_hint(hint));
                }
            }
        }
        for endpoint in &definition.endpoints {
            let (method, path) = (endpoint.method.as_str(), endpoint.path.as_str());
            if let Some(other) = routes.insert((integration, method, path), &entry.path) {
                let message = format!("endpoint `{method} {path}` belongs to `{other}` already");
                found.push(complain("endpoint", message));
            }
        }
    }
    found
}

/// Does the same to every item on all cores; results keep the order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = work(item);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
