//! `tenon init`: a project that works at once, offline.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use super::compile::{Selection, compile_project, write_output};
use crate::ui;

/// What a new project holds, by path: the example as it stands in the repository.
const FILES: &[(&str, &str)] = &[
    (
        "index.ts",
        include_str!("../../../../../examples/starter/index.ts"),
    ),
    (
        "package.json",
        include_str!("../../../../../examples/starter/package.json"),
    ),
    (
        "tsconfig.json",
        include_str!("../../../../../examples/starter/tsconfig.json"),
    ),
    (
        "README.md",
        include_str!("../../../../../examples/starter/README.md"),
    ),
    (
        ".gitignore",
        include_str!("../../../../../examples/starter/gitignore"),
    ),
    (".env", include_str!("../../../../../examples/starter/env")),
    (".nango/nango.json", "[]\n"),
    (
        "bookshop/models.ts",
        include_str!("../../../../../examples/starter/bookshop/models.ts"),
    ),
    (
        "bookshop/syncs/orders.ts",
        include_str!("../../../../../examples/starter/bookshop/syncs/orders.ts"),
    ),
    (
        "bookshop/actions/create-order.ts",
        include_str!("../../../../../examples/starter/bookshop/actions/create-order.ts"),
    ),
    (
        "bookshop/tests/orders.test.json",
        include_str!("../../../../../examples/starter/bookshop/tests/orders.test.json"),
    ),
    (
        "bookshop/tests/create-order.test.json",
        include_str!("../../../../../examples/starter/bookshop/tests/create-order.test.json"),
    ),
];

/// Those of them that every project has, whatever its functions.
pub(crate) const PROJECT_FILES: &[(&str, &str)] = &[
    (
        "package.json",
        include_str!("../../../../../examples/starter/package.json"),
    ),
    (
        "tsconfig.json",
        include_str!("../../../../../examples/starter/tsconfig.json"),
    ),
    (
        ".gitignore",
        include_str!("../../../../../examples/starter/gitignore"),
    ),
    (".nango/nango.json", "[]\n"),
];

const NEXT: &str = "
Next:
  tenon test                           replay the recordings that came with it
  tenon dev                            a server here that deploys on every save
  tenon simulate bookshop --connect    the bookshop's API on loopback, and a connection to it
  tenon dryrun orders simulated        run the sync, save nothing";

const HELP: &str = "\
Nothing is downloaded: the project compiles, runs and tests as it stands. `npm install` in it brings types for editors.
A folder that holds a project or one of its files is left as it is.

Examples:
  tenon init                 in this folder
  tenon init integrations    in a new one";

/// Arguments of `tenon init`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folder to make the project in
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Taken for compatibility; the example is always copied
    #[arg(long, hide = true)]
    pub(crate) copy: bool,
}

/// Makes the project; exit code 1 if there is something in its place.
pub(crate) fn run(args: Args) -> ExitCode {
    match init(&args.path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn init(root: &Path) -> anyhow::Result<()> {
    let there = FILES.iter().map(|(path, _)| *path).chain(["nango.yaml"]);
    // `tenon dev` may have been here before: its .tenon is no project, and .gitignore and .env are left as they are.
    let kept = [".gitignore", ".env", "README.md"];
    let taken: Vec<&str> = there
        .filter(|path| !kept.contains(path) && root.join(path).exists())
        .collect();
    if let [first, ..] = taken.as_slice() {
        let hint = if *first == "nango.yaml" {
            "`tenon migrate` turns a nango.yaml project into this form"
        } else {
            "`tenon init DIR` makes the project in another folder"
        };
        bail!(
            "`{}` holds {first}{} already; nothing was written\nhint: {hint}",
            root.display(),
            match taken.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            }
        );
    }
    for (path, text) in FILES {
        let path = root.join(path);
        if path.exists() {
            continue;
        }
        let write = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text)
        };
        write().with_context(|| format!("could not write `{}`", path.display()))?;
    }
    let functions = compile_project(root, &Selection::default())?;
    write_output(root, &functions)?;
    ui::say(format!(
        "Made a project with {} functions in {}",
        functions.len(),
        root.display()
    ));
    ui::say(NEXT);
    Ok(())
}
