//! `tenon generate`: functions, tests, pages and types from what a project holds.

mod docs;
mod function;
mod tests;
mod types;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Subcommand;

use super::compile::{self, CompileProjectError, Selection, compile_project};
use crate::ui;

pub(crate) use docs::Args as DocsArgs;
pub(crate) use function::Args as FunctionArgs;
pub(crate) use tests::Args as TestsArgs;

/// Arguments of `tenon generate`.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug, Clone)]
enum What {
    /// Write the file of a new function and list it in index.ts
    Function(FunctionArgs),
    /// Write a .test.ts for each fixture, for projects that also run vitest
    Tests(TestsArgs),
    /// Write a page for each function: models, input, output, frequency
    Docs(DocsArgs),
    /// Write TypeScript types of all models, inputs and outputs, for your app
    Types(types::Args),
}

/// Generates; exit code 10 if the project does not compile, 1 for anything else.
pub(crate) fn run(args: Args) -> ExitCode {
    match args.what {
        What::Function(args) => function(args),
        What::Tests(args) => tests(args),
        What::Docs(args) => docs(args),
        What::Types(args) => ended(types::run(&args)),
    }
}

/// `tenon create` of the published command line.
pub(crate) fn function(args: FunctionArgs) -> ExitCode {
    ended(function::run(&args))
}

/// `tenon generate:tests` of the published command line.
pub(crate) fn tests(args: TestsArgs) -> ExitCode {
    ended(tests::run(&args))
}

/// `tenon generate:docs` of the published command line.
pub(crate) fn docs(args: DocsArgs) -> ExitCode {
    ended(docs::run(&args))
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    if let Some(error) = error.downcast_ref::<CompileProjectError>() {
        return compile::report(error);
    }
    ui::error(&error);
    ExitCode::FAILURE
}

/// Everything in a folder, compiled.
fn compiled(root: &Path) -> anyhow::Result<Vec<compile::CompiledFunction>> {
    Ok(compile_project(root, &Selection::default())?)
}

/// Writes a file and says so.
fn write(root: &Path, path: &Path, text: &str) -> anyhow::Result<()> {
    let full = root.join(path);
    let write = || -> std::io::Result<()> {
        if let Some(folder) = full.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&full, text)
    };
    write().with_context(|| format!("could not write `{}`", full.display()))?;
    ui::say(format!("wrote {}", path.display()));
    Ok(())
}

/// The folder of a project as commands take it.
#[derive(clap::Args, Debug, Clone)]
struct Folder {
    /// Folder with `index.ts`
    #[arg(long = "project", value_name = "PATH", default_value = ".")]
    root: PathBuf,
}
