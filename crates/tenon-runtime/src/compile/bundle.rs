//! One function and everything it imports as a single `CommonJS` text (functions.md, 4.1).

use std::fmt::Write as _;

use serde_json::Value;
use tenon_core::function::FunctionKind;

use super::{
    binding,
    diagnostic::{CompileError, Diagnostic},
    entry::Entry,
    files::Files,
    graph::{Graph, Loaded, Target},
    module::Module,
    packages,
    rewrite::RequestKind,
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
    /// Where it names the options, in bytes.
    pub options: Vec<(String, (usize, usize))>,
    /// A `CommonJS` module with an inline source map.
    pub javascript: String,
    /// The entry file as written.
    pub source: String,
    /// Server features that the function needs: `checkpoints`.
    pub features: Vec<&'static str>,
    /// Every file in it, relative to the project; the entry is the first.
    pub files: Vec<String>,
    /// What is worth a word but no error.
    pub warnings: Vec<Diagnostic>,
}

impl Bundled {
    /// Where the entry file names an option (`frequency`, `models.Ticket`), the definition function if it does not.
    pub fn place_of(&self, option: &str) -> (usize, usize) {
        let find = |wanted: &str| {
            let found = self.options.iter().find(|(name, _)| name == wanted);
            found.map(|(_, place)| *place)
        };
        let whole = option.split('.').next().unwrap_or(option);
        let plural = format!("{whole}s");
        find(option)
            .or_else(|| find(whole))
            .or_else(|| find(&plural))
            .unwrap_or(self.definition)
    }
}

/// Bundles the function whose file is `entry`, a path relative to the project.
pub fn bundle(files: &dyn Files, entry: &str) -> Result<Bundled, CompileError> {
    let mut graph = Graph::load(files, entry)?;
    let Entry {
        kind, at, options, ..
    } = graph.entry.clone();
    let source = std::mem::take(&mut graph.entry_source);
    let warnings = graph.take_warnings();
    Ok(Bundled {
        kind,
        definition: at,
        options,
        javascript: graph.print(),
        features: features(&source),
        warnings,
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

impl Graph {
    fn take_warnings(&mut self) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        for loaded in &mut self.modules {
            if let Loaded::Code { module, .. } = loaded {
                warnings.append(&mut module.warnings);
            }
        }
        warnings
    }

    fn print(&self) -> String {
        let mut printer = Printer::default();
        if self.modules.iter().any(Loaded::is_raw) {
            // Not strict as a whole: files of packages decide for themselves.
            let strict = "\"use strict\";\n";
            printer.text(PRELUDE.strip_prefix(strict).unwrap_or(PRELUDE));
        } else {
            printer.text(PRELUDE);
        }
        if self.modules.iter().any(is_of_package) {
            printer.text(PACKAGES);
        }
        printer.text("const __tenon_modules = [\n");
        for (index, loaded) in self.modules.iter().enumerate() {
            let source = u32::try_from(index).unwrap_or(u32::MAX);
            printer.text(&format!(
                "// {}\n",
                loaded.path().replace(['\n', '\r'], " ")
            ));
            printer.text("function (module, exports) {\n");
            self.print_module(loaded, source, &mut printer);
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

    fn print_module(&self, loaded: &Loaded, source: u32, printer: &mut Printer) {
        match loaded {
            Loaded::Json { text, .. } if loaded.is_raw() => {
                printer.text(&format!("module.exports = JSON.parse({text});\n"));
            }
            Loaded::Json { text, .. } => {
                printer.text(&format!(
                    "module.exports = __tenon_interop(JSON.parse({text}));\n"
                ));
            }
            Loaded::Code { module, .. } if loaded.is_raw() => {
                printer.text(&self.head(loaded));
                printer.text("(function (module, exports) {\n");
                printer.mapped(&module.code, &module.mappings, source);
                printer.text("}).call(exports, module, exports);\n");
            }
            Loaded::Code { module, .. } => {
                printer.text(&self.head(loaded));
                printer.mapped(&module.code, &module.mappings, source);
                if module.common_js {
                    printer.text("module.exports = __tenon_interop(module.exports);\n");
                }
            }
        }
    }

    /// The first lines of a module function: exports as getters, then the imports in order.
    fn head(&self, loaded: &Loaded) -> String {
        let Loaded::Code {
            module, targets, ..
        } = loaded
        else {
            return String::new();
        };
        let mut text = String::new();
        if !loaded.is_raw() {
            text.push_str("\"use strict\";\n");
        }
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
        for name in &module.globals {
            writeln!(text, "const {name} = __tenon_globals.{name};")
                .expect("writing to a String never fails");
        }
        for (index, (request, target)) in module.requests.iter().zip(targets).enumerate() {
            let load = self.expression_that_loads(loaded, request.kind, target);
            let line = match request.kind {
                RequestKind::Static => format!("const {} = {load};\n", binding::variable(index)),
                RequestKind::Dynamic => format!(
                    "const {} = async () => __tenon_interop({load});\n",
                    binding::dynamic_variable(index)
                ),
                RequestKind::Require { .. } => format!(
                    "const {} = () => {load};\n",
                    binding::required_variable(index)
                ),
            };
            text.push_str(&line);
            let default = binding::default_variable(index);
            let followed = matches!(target, Target::Bundled(_)) && !module.of_package;
            if !followed && uses(module, &default) {
                let variable = binding::variable(index);
                writeln!(text, "const {default} = __tenon_default({variable});")
                    .expect("writing to a String never fails");
            }
        }
        for request in &module.passed_on {
            writeln!(
                text,
                "__tenon_pass_on(exports, {});",
                binding::variable(*request)
            )
            .expect("writing to a String never fails");
        }
        text
    }

    /// The expression that loads what a request leads to.
    fn expression_that_loads(
        &self,
        importer: &Loaded,
        kind: RequestKind,
        target: &Target,
    ) -> String {
        let load = match target {
            Target::Bundled(index) => format!("__tenon_load({index})"),
            Target::Offered(name) => format!("require({})", Value::from(*name)),
            Target::Sdk => "__tenon_sdk".to_owned(),
            Target::Nothing => "({})".to_owned(),
            Target::Missing(name) => {
                format!("__tenon_missing({})", Value::from(name.as_str()))
            }
        };
        let raw = match target {
            Target::Bundled(index) => self.modules[*index].is_raw(),
            Target::Nothing => true,
            Target::Offered(_) | Target::Sdk | Target::Missing(_) => false,
        };
        let Loaded::Code {
            declares_modules, ..
        } = importer
        else {
            return load;
        };
        match kind {
            RequestKind::Static | RequestKind::Dynamic if raw => {
                format!("__tenon_from_package({load}, {declares_modules})")
            }
            _ => load,
        }
    }
}

fn is_of_package(loaded: &Loaded) -> bool {
    packages::owner(loaded.path()).is_some()
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
const PRELUDE: &str = include_str!("prelude.js");

/// What bundles with packages have besides.
const PACKAGES: &str = include_str!("packages.js");
