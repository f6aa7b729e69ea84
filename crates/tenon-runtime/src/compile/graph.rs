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
    origin::{self, Origin},
    packages::{
        self, Found, How, IMPORT_DEPTH, Missing, PACKAGE_BYTES, PACKAGE_FILES, Packages,
        core_modules,
    },
    resolve,
    rewrite::{Request, RequestKind},
};

/// A file of a bundle.
pub(super) enum Loaded {
    Code {
        module: Module,
        /// What each request leads to.
        targets: Vec<Target>,
        /// Whether Node would take it for a module by what is declared: then the default export of a `CommonJS` file is
        /// all of its `module.exports`.
        declares_modules: bool,
    },
    Json {
        path: String,
        text: String,
    },
}

/// What a request leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A module of the bundle, by its index.
    Bundled(usize),
    /// A module that the runtime offers.
    Offered(&'static str),
    Sdk,
    /// An empty module.
    Nothing,
    /// Something that is only missed if the run gets there.
    Missing(String),
}

impl Loaded {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Code { module, .. } => &module.path,
            Self::Json { path, .. } => path,
        }
    }

    /// Whether what it exports stays as `CommonJS` knows it: importers make a module of it themselves.
    pub(super) fn is_raw(&self) -> bool {
        match self {
            Self::Code { module, .. } => module.of_package && module.common_js,
            Self::Json { path, .. } => packages::owner(path).is_some(),
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
            packages: Packages::new(files),
            compiled: HashMap::new(),
            indices: HashMap::new(),
            queue: Vec::new(),
            package_bytes: 0,
            package_files: 0,
            diagnostics: Vec::new(),
        };
        // Each further attempt takes one more package in its build for browsers, so there are not many.
        loop {
            if let Some(graph) = loader.attempt(entry)? {
                return Ok(graph);
            }
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

/// An import that leads to a package that has to be taken in its other build.
struct TakenOtherwise;

struct Loader<'f> {
    files: &'f dyn Files,
    packages: Packages<'f>,
    /// Files of packages from earlier attempts: what they hold does not depend on what they find.
    compiled: HashMap<String, Module>,
    indices: HashMap<String, usize>,
    queue: Vec<Origin>,
    package_bytes: usize,
    package_files: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Loader<'_> {
    /// The graph, or nothing if the next attempt will look at packages differently.
    fn attempt(&mut self, entry: &str) -> Result<Option<Graph>, CompileError> {
        self.indices = HashMap::from([(entry.to_owned(), 0)]);
        self.queue = vec![Origin::entry(entry)];
        self.diagnostics.clear();
        (self.package_bytes, self.package_files) = (0, 0);
        let mut modules: Vec<Loaded> = Vec::new();
        let mut found = None;
        while modules.len() < self.queue.len() {
            let path = self.queue[modules.len()].path.clone();
            if path.ends_with(".json") {
                let text = self.read(modules.len())?;
                modules.push(self.json(path, text)?);
                continue;
            }
            let (module, text, defined) = self.module(modules.len(), &path)?;
            let targets = match self.targets(modules.len(), &module, &text) {
                Ok(targets) => targets,
                Err(TakenOtherwise) => {
                    self.keep(module);
                    for loaded in modules {
                        if let Loaded::Code { module, .. } = loaded {
                            self.keep(module);
                        }
                    }
                    return Ok(None);
                }
            };
            let declares_modules = self.packages.declares_modules(&path);
            modules.push(Loaded::Code {
                module,
                targets,
                declares_modules,
            });
            if let Some(defined) = defined {
                found = Some((defined, text));
            }
        }
        match found {
            Some((entry, entry_source)) if self.diagnostics.is_empty() => Ok(Some(Graph {
                entry,
                entry_source,
                modules,
            })),
            _ if self.diagnostics.is_empty() => Err(Diagnostic::of_file(
                entry,
                "a function must be written in TypeScript or JavaScript".to_owned(),
            )
            .into()),
            _ => Err(self.take_diagnostics()),
        }
    }

    fn take_diagnostics(&mut self) -> CompileError {
        CompileError {
            diagnostics: std::mem::take(&mut self.diagnostics),
        }
    }

    fn keep(&mut self, module: Module) {
        if module.of_package {
            self.compiled.insert(module.path.clone(), module);
        }
    }

    /// The module at `index` of the queue, its text, and what it defines if it is the entry.
    fn module(
        &mut self,
        index: usize,
        path: &str,
    ) -> Result<(Module, String, Option<Entry>), CompileError> {
        let text = self.read(index)?;
        if let Some(module) = self.compiled.remove(path) {
            return Ok((module, text, None));
        }
        let role = match packages::owner(path) {
            _ if index == 0 => Role::Entry,
            Some(_) => Role::Package {
                declares_modules: self.packages.declares_modules(path),
            },
            None => Role::Dependency,
        };
        match module::compile(path, &text, role) {
            Ok((module, defined)) => Ok((module, text, defined)),
            Err(error) => {
                let chain = origin::chain(&self.queue, index);
                let complaints =
                    error
                        .diagnostics
                        .into_iter()
                        .map(|complaint| match (&complaint.hint, role) {
                            (None, Role::Package { .. }) => complaint.with_hint(chain.clone()),
                            _ => complaint,
                        });
                self.diagnostics.extend(complaints);
                Err(self.take_diagnostics())
            }
        }
    }

    fn read(&mut self, index: usize) -> Result<String, CompileError> {
        let Origin { path, depth, .. } = &self.queue[index];
        let complain = |message: String| CompileError::from(Diagnostic::of_file(path, message));
        if self.queue.len() > BUNDLE_FILES {
            return Err(complain(format!(
                "the function imports more than {BUNDLE_FILES} files"
            )));
        }
        let text = match core_modules::text_of_stand_in(path) {
            Some(text) => text.to_owned(),
            None => self
                .files
                .read(path)
                .map_err(|error| complain(format!("the file cannot be read: {error}")))?,
        };
        if packages::owner(path).is_some() {
            self.package_files += 1;
            self.package_bytes += text.len();
            let exceeded = match () {
                () if self.package_files > PACKAGE_FILES => Some(format!(
                    "packages bring more than {PACKAGE_FILES} files into this function"
                )),
                () if self.package_bytes > PACKAGE_BYTES => Some(format!(
                    "packages bring more than {PACKAGE_BYTES} bytes of source into this function"
                )),
                () if *depth > IMPORT_DEPTH => Some(format!(
                    "packages import each other more than {IMPORT_DEPTH} files deep"
                )),
                () => None,
            };
            if let Some(message) = exceeded {
                let diagnostic = origin::blamed(&self.queue, index, message);
                return Err(diagnostic
                    .with_hint(origin::chain(&self.queue, index))
                    .into());
            }
        }
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

    fn targets(
        &mut self,
        index: usize,
        module: &Module,
        source: &str,
    ) -> Result<Vec<Target>, TakenOtherwise> {
        let mut targets = Vec::new();
        for request in &module.requests {
            let judged = imports::judge(&request.specifier);
            let target = match judged {
                Import::Sdk if !module.of_package => Target::Sdk,
                Import::Offered(name) if !module.of_package => Target::Offered(name),
                Import::File if !module.of_package => {
                    self.file_of_project(index, module, source, request)
                }
                _ => self.part_of_package(index, module, source, request)?,
            };
            targets.push(target);
        }
        Ok(targets)
    }

    fn file_of_project(
        &mut self,
        index: usize,
        module: &Module,
        source: &str,
        request: &Request,
    ) -> Target {
        match resolve::resolve(self.files, &module.path, &request.specifier) {
            Ok(path) => Target::Bundled(self.index(path, index, None)),
            Err(tried) => {
                let (start, end) = request.span;
                let message = format!("there is no file `{}`", request.specifier);
                let hint = format!("looked for {}", shortened(&tried));
                let diagnostic = Diagnostic::at(&module.path, source, start, end, message);
                self.diagnostics.push(diagnostic.with_hint(hint));
                Target::Nothing
            }
        }
    }

    fn part_of_package(
        &mut self,
        index: usize,
        module: &Module,
        source: &str,
        request: &Request,
    ) -> Result<Target, TakenOtherwise> {
        let specifier = &request.specifier;
        let how = match request.kind {
            RequestKind::Static | RequestKind::Dynamic => How::Import,
            RequestKind::Require { .. } => How::Require,
        };
        let place = || {
            let (start, end) = request.span;
            Diagnostic::at(&module.path, source, start, end, String::new())
        };
        let missing = match self.packages.resolve(&module.path, specifier, how) {
            Ok(Found::File(path)) => {
                let place = (!module.of_package).then(place);
                return Ok(Target::Bundled(self.index(path, index, place)));
            }
            Ok(Found::Offered(name)) => return Ok(Target::Offered(name)),
            Ok(Found::Nothing) => return Ok(Target::Nothing),
            Err(missing) => missing,
        };
        if matches!(missing, Missing::Unavailable { .. }) && self.take_other_build(index) {
            return Err(TakenOtherwise);
        }
        let may_fail = module.of_package
            && matches!(
                request.kind,
                RequestKind::Dynamic | RequestKind::Require { guarded: true }
            );
        if may_fail {
            return Ok(Target::Missing(specifier.clone()));
        }
        let diagnostic = if module.of_package {
            origin::blamed(&self.queue, index, String::new())
        } else {
            place()
        };
        let chain = module.of_package.then(|| origin::chain(&self.queue, index));
        let explained = origin::explain(&missing, &module.path, specifier, chain, diagnostic);
        if !self.diagnostics.contains(&explained) {
            self.diagnostics.push(explained);
        }
        Ok(Target::Nothing)
    }

    /// Whether some package on the way to the module at `index` can be taken in its build for browsers.
    fn take_other_build(&mut self, index: usize) -> bool {
        let mut at = Some(index);
        while let Some(index) = at {
            let origin = &self.queue[index];
            if self.packages.prefer_browser(&origin.path) {
                return true;
            }
            at = origin.importer;
        }
        false
    }

    fn index(&mut self, path: String, importer: usize, place: Option<Diagnostic>) -> usize {
        let next = self.queue.len();
        let index = *self.indices.entry(path.clone()).or_insert(next);
        if index == next {
            self.queue.push(Origin {
                path,
                importer: Some(importer),
                place,
                depth: self.queue[importer].depth + 1,
            });
        }
        index
    }
}
