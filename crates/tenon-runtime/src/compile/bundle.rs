//! One function and everything it imports as a single CommonJS text (functions.md, 4.1).

use std::{collections::HashMap, fmt::Write as _};

use serde_json::Value;
use tenon_core::function::FunctionKind;

use super::{
    diagnostic::{CompileError, Diagnostic},
    entry::Entry,
    files::Files,
    imports::{self, Import},
    module::{self, Module, Role},
    resolve,
    rewrite::{self, RequestKind},
    source_map::{Mapping, SourceMap},
};

/// Largest source file that is read: code written by people is far below, generated code of this size is a mistake.
pub const SOURCE_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Most files in one bundle, for the same reason.
pub const BUNDLE_FILES: usize = 5_000;

/// A function ready to be deployed.
#[derive(Clone, Debug)]
pub struct Bundled {
    pub kind: FunctionKind,
    /// Where the entry file names the definition function, in bytes.
    pub definition: (usize, usize),
    /// A CommonJS module with an inline source map.
    pub javascript: String,
    /// The entry file as written.
    pub source: String,
    /// Server features that the function needs: `checkpoints`.
    pub features: Vec<&'static str>,
    /// Every file in it, relative to the project; the entry is the first.
    pub files: Vec<String>,
}

/// Bundles the function whose file is `entry`, a path relative to the project.
pub fn bundle(files: &dyn Files, entry: &str) -> Result<Bundled, CompileError> {
    let mut graph = Graph::load(files, entry)?;
    let Entry { kind, at } = graph.entry;
    let source = std::mem::take(&mut graph.entry_source);
    Ok(Bundled {
        kind,
        definition: at,
        javascript: graph.print(),
        features: features(&source),
        source,
        files: graph
            .modules
            .into_iter()
            .map(|loaded| loaded.path().to_owned())
            .collect(),
    })
}

/// Feature flags as the reference's command line finds them: by mention in the entry file.
fn features(source: &str) -> Vec<&'static str> {
    let mentioned = ["getCheckpoint", "saveCheckpoint", "clearCheckpoint"]
        .iter()
        .any(|method| source.contains(method));
    if mentioned {
        vec!["checkpoints"]
    } else {
        Vec::new()
    }
}

enum Loaded {
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
    fn path(&self) -> &str {
        match self {
            Self::Code { module, .. } => &module.path,
            Self::Json { path, .. } => path,
        }
    }
}

struct Graph {
    entry: Entry,
    entry_source: String,
    modules: Vec<Loaded>,
}

impl Graph {
    fn load(files: &dyn Files, entry: &str) -> Result<Self, CompileError> {
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

    fn print(&self) -> String {
        let mut printer = Printer::default();
        printer.text(PRELUDE);
        printer.text("const __tenon_modules = [\n");
        for (index, loaded) in self.modules.iter().enumerate() {
            let source = u32::try_from(index).unwrap_or(u32::MAX);
            printer.text(&format!(
                "// {}\n",
                loaded.path().replace(['\n', '\r'], " ")
            ));
            printer.text("function (module, exports) {\n");
            match loaded {
                Loaded::Json { text, .. } => {
                    printer.text(&format!(
                        "module.exports = __tenon_interop(JSON.parse({text}));\n"
                    ));
                }
                Loaded::Code { module, targets } => {
                    printer.text(&head(module, targets));
                    printer.mapped(&module.code, &module.mappings, source);
                    if module.common_js {
                        printer.text("module.exports = __tenon_interop(module.exports);\n");
                    }
                }
            }
            printer.text("},\n");
        }
        printer.text("];\nmodule.exports = __tenon_load(0);\n");
        let map = SourceMap {
            sources: self
                .modules
                .iter()
                .map(|loaded| loaded.path().to_owned())
                .collect(),
            mappings: printer.mappings,
        };
        printer.text.push_str(&map.to_comment());
        printer.text
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
                    let hint = format!("looked for {}", tried.join(", "));
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

/// The first lines of a module function: exports as getters, then the imports in order.
fn head(module: &Module, targets: &[Option<usize>]) -> String {
    let mut text = String::from("\"use strict\";\n");
    if !module.common_js {
        text.push_str("__tenon_exports(exports, {");
        for (name, expression) in &module.exports {
            let name = Value::from(name.as_str());
            // `__proto__` in brackets is a property like others.
            write!(text, " [{name}]: () => {expression},")
                .expect("writing to a String never fails");
        }
        text.push_str(" });\n");
    }
    for (index, (request, target)) in module.requests.iter().zip(targets).enumerate() {
        let load = match (target, imports::judge(&request.specifier)) {
            (Some(target), _) => format!("__tenon_load({target})"),
            (None, Import::Offered(name)) => format!("require({})", Value::from(name)),
            (None, _) => "__tenon_sdk".to_owned(),
        };
        let line = match request.kind {
            RequestKind::Static => format!("const {} = {load};\n", rewrite::variable(index)),
            RequestKind::Dynamic => format!(
                "const {} = async () => __tenon_interop({load});\n",
                rewrite::dynamic_variable(index)
            ),
        };
        text.push_str(&line);
        let default = rewrite::default_variable(index);
        if target.is_none() && uses(module, &default) {
            let variable = rewrite::variable(index);
            writeln!(text, "const {default} = __tenon_default({variable});")
                .expect("writing to a String never fails");
        }
    }
    for request in &module.passed_on {
        writeln!(
            text,
            "__tenon_pass_on(exports, {});",
            rewrite::variable(*request)
        )
        .expect("writing to a String never fails");
    }
    text
}

fn uses(module: &Module, name: &str) -> bool {
    module.code.contains(name)
        || module
            .exports
            .iter()
            .any(|(_, expression)| expression.contains(name))
}

/// The text so far and the mappings of what was written by people.
#[derive(Default)]
struct Printer {
    text: String,
    line: u32,
    mappings: Vec<Mapping>,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
        self.line += u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(0);
    }

    fn mapped(&mut self, code: &str, mappings: &[Mapping], source: u32) {
        let line = self.line;
        self.mappings.extend(mappings.iter().map(|mapping| Mapping {
            line: mapping.line + line,
            source,
            ..*mapping
        }));
        self.text(code);
        if !code.ends_with('\n') {
            self.text("\n");
        }
    }
}

/// What every bundle starts with: a loader that knows cycles, and the SDK's wrappers, so that the bundle stands alone.
const PRELUDE: &str = r#""use strict";
const __tenon_cache = [];
function __tenon_load(index) {
    if (!__tenon_cache[index]) {
        const module = (__tenon_cache[index] = { exports: {} });
        __tenon_modules[index](module, module.exports);
    }
    return __tenon_cache[index].exports;
}
function __tenon_exports(exports, getters) {
    Object.defineProperty(exports, "__esModule", { value: true });
    for (const name of Object.keys(getters)) {
        Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: getters[name] });
    }
}
function __tenon_pass_on(exports, from) {
    for (const name of Object.getOwnPropertyNames(from)) {
        if (name !== "default" && name !== "__esModule" && !Object.hasOwn(exports, name)) {
            Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => from[name] });
        }
    }
}
function __tenon_default(module) {
    return module && module.__esModule && "default" in module ? module.default : module;
}
function __tenon_interop(module) {
    if (module && module.__esModule) return module;
    const fields = module && (typeof module === "object" || typeof module === "function") ? module : {};
    const wrapped = { default: module };
    __tenon_pass_on(wrapped, fields);
    return Object.defineProperty(wrapped, "__esModule", { value: true });
}
const __tenon_sdk = __tenon_interop({
    createSync: (definition) => ({ type: "sync", ...definition }),
    createAction: (definition) => ({ type: "action", ...definition }),
    createOnEvent: (definition) => ({ type: "onEvent", ...definition }),
});
"#;
