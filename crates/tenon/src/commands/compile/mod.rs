//! `tenon compile`: compiles every function of a folder and shows what is wrong.

mod definitions_file;
mod output;
mod project;
mod types;

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;
use tenon_runtime::compile::{CompileError, Diagnostic};

use crate::ui;

pub(crate) use output::write as write_output;
pub(crate) use project::{
    CompileProjectError, CompiledFunction, Selection, compile_named, compile_project,
};
pub(crate) use types::check_types;

/// Exit code for code that does not compile (cli.md, 2).
pub(crate) const COMPILE_ERROR: u8 = 10;

const HELP: &str = "\
What is checked: exports and imports of each function's file, promises of `nango` that nobody awaits, `retryOn` without
`retries`, the order of `setMergingStrategy`, `trackDeletesStart` and `trackDeletesEnd`, names and ids of models,
frequencies, schemas. Types are checked too if the project has `tsc` in its node_modules.

What is written: build/<integration>_<folder>_<name>.cjs for each function and .nango/nango.json with all definitions.

Exit code: 0, or 10 if something is wrong.

Examples:
  tenon compile                      the project in this folder
  tenon compile --no-write           only look
  tenon compile --json               one JSON object per complaint, for editors and CI";

/// Arguments of `tenon compile`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folder with `index.ts`
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Only check: write no build/ and no .nango/nango.json
    #[arg(long)]
    pub(crate) no_write: bool,
    /// Leave types alone even if the project has `tsc`
    #[arg(long)]
    pub(crate) no_type_check: bool,
    /// Print complaints as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Compiles; exit code 10 if something is wrong with the code.
pub(crate) fn run(args: Args) -> ExitCode {
    let compiled = compile_project(&args.path, &Selection::default());
    let functions = match compiled {
        Ok(functions) => functions,
        Err(error) => return report_as(&error, args.json),
    };
    for warning in warnings(&functions) {
        say_diagnostic(warning, "warning", args.json);
    }
    if !args.no_type_check
        && let Err(error) = check_types(&args.path)
    {
        return report_as(&error, args.json);
    }
    if !args.no_write
        && let Err(error) = write_output(&args.path, &functions)
    {
        ui::error(&error);
        return ExitCode::FAILURE;
    }
    if args.json {
        return ExitCode::SUCCESS;
    }
    for function in &functions {
        let definition = &function.definition;
        let kind = definition.kind.as_str();
        let size = function.bundled.javascript.len().div_ceil(1024);
        ui::say(format!(
            "{kind:<9} {}/{} ({size} KB)",
            definition.integration, definition.name
        ));
    }
    ui::say(format!("{} functions compiled", functions.len()));
    ExitCode::SUCCESS
}

/// Words about shared files come once.
fn warnings(functions: &[CompiledFunction]) -> Vec<&Diagnostic> {
    let mut unique: Vec<&Diagnostic> = Vec::new();
    for warning in functions.iter().flat_map(|one| &one.bundled.warnings) {
        if !unique.contains(&warning) {
            unique.push(warning);
        }
    }
    unique
}

/// Prints why a project does not compile.
pub(crate) fn report(error: &CompileProjectError) -> ExitCode {
    report_as(error, false)
}

fn report_as(error: &CompileProjectError, json: bool) -> ExitCode {
    match error {
        CompileProjectError::Code(CompileError { diagnostics }) => {
            for diagnostic in diagnostics {
                say_diagnostic(diagnostic, "error", json);
            }
        }
        CompileProjectError::Project(_)
        | CompileProjectError::NothingSelected
        | CompileProjectError::NoFunction { .. }
        | CompileProjectError::Ambiguous { .. } => {
            ui::error(&anyhow::anyhow!("{}", chain(error)));
        }
    }
    ExitCode::from(COMPILE_ERROR)
}

fn say_diagnostic(diagnostic: &Diagnostic, severity: &str, as_json: bool) {
    if !as_json {
        let warning = Diagnostic {
            message: format!("{severity}: {}", diagnostic.message),
            ..diagnostic.clone()
        };
        let shown = if severity == "error" {
            diagnostic
        } else {
            &warning
        };
        ui::complain(shown.to_string());
        return;
    }
    let line = json!({
        "severity": severity,
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "length": diagnostic.length,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    });
    ui::say(line.to_string());
}

/// An error and its causes as one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
