//! `tenon compile`: compiles every function of a folder and shows what is wrong.

mod project;

use std::{path::PathBuf, process::ExitCode};

use crate::ui;

pub(crate) use project::{CompileProjectError, CompiledFunction, Selection, compile_project};

/// Exit code for code that does not compile (cli.md, 2).
pub(crate) const COMPILE_ERROR: u8 = 10;

/// Arguments of `tenon compile`.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Args {
    /// Folder with `index.ts`
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Compiles; exit code 10 if something is wrong with the code.
pub(crate) fn run(args: Args) -> ExitCode {
    match compile_project(&args.path, &Selection::default()) {
        Ok(functions) => {
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
        Err(error) => report(&error),
    }
}

/// Prints why a project does not compile.
pub(crate) fn report(error: &CompileProjectError) -> ExitCode {
    match error {
        CompileProjectError::Code(error) => ui::complain(error.to_string()),
        CompileProjectError::Project(_) | CompileProjectError::NothingSelected => {
            ui::error(&anyhow::anyhow!("{}", chain(error)));
        }
    }
    ExitCode::from(COMPILE_ERROR)
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
