//! `tenon migrate`: a nango.yaml project becomes one of TypeScript definitions (functions.md, 1.5).

mod definition;
mod models;
mod yaml;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use tenon_runtime::compile::legacy::{self, Wrapping};

use super::compile::{Selection, compile_project, report};
use crate::ui;
use yaml::{Kind, LegacyFunction, Manifest};

const HELP: &str = "\
nango.yaml becomes index.ts, models.ts (zod schemas) and a definition in each function's file; what the files do stays as
it is. The old nango.yaml and models.ts are kept as *.old. Afterwards the project is compiled, and what still needs a hand
is shown.

Examples:
  tenon migrate --dry-run     what would be written
  tenon migrate";

/// Arguments of `tenon migrate`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folder with `nango.yaml`
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Name the files and stop
    #[arg(long)]
    dry_run: bool,
}

/// Migrates; exit code 10 if the result does not compile yet, 1 if nothing could be done.
pub(crate) fn run(args: Args) -> ExitCode {
    match migrate(&args) {
        Ok(()) if args.dry_run => ExitCode::SUCCESS,
        Ok(()) => match compile_project(&args.path, &Selection::default()) {
            Ok(functions) => {
                ui::say(format!(
                    "{} functions migrated; they compile",
                    functions.len()
                ));
                ExitCode::SUCCESS
            }
            Err(error) => {
                ui::say("migrated; this needs a hand:");
                report(&error)
            }
        },
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn migrate(args: &Args) -> anyhow::Result<()> {
    let root = &args.path;
    if root.join("index.ts").exists() {
        bail!(
            "`{}` has an index.ts: it is migrated already",
            root.display()
        );
    }
    let path = root.join("nango.yaml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    let manifest = Manifest::parse(&text).context("nango.yaml")?;
    // Everything is converted before anything is written.
    let mut files = vec![("models.ts".to_owned(), models::write(&manifest.models)?)];
    let mut index = String::new();
    for function in &manifest.functions {
        let (from, place) = places(root, function)?;
        let converted = convert(root, &from, &place, function)?;
        index.push_str(&format!(
            "import './{}.js';\n",
            place.trim_end_matches(".ts")
        ));
        files.push((place, converted));
    }
    for helper in helpers(root, &files)? {
        files.push(helper);
    }
    files.push(("index.ts".to_owned(), index));
    for (name, text) in crate::commands::init::PROJECT_FILES {
        if !root.join(name).exists() {
            files.push(((*name).to_owned(), (*text).to_owned()));
        }
    }
    for (name, text) in &files {
        ui::say(format!(
            "{} {name}",
            if args.dry_run { "would write" } else { "wrote" }
        ));
        if args.dry_run {
            continue;
        }
        let file = root.join(name);
        if name == "models.ts" && file.exists() {
            fs::rename(&file, root.join("models.ts.old")).context("models.ts could not be kept")?;
        }
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&file, text)
        };
        write().with_context(|| format!("could not write `{name}`"))?;
    }
    if !args.dry_run {
        fs::rename(&path, root.join("nango.yaml.old")).context("nango.yaml could not be kept")?;
    }
    Ok(())
}

/// Where the code of a function lies, and where it belongs.
fn places(root: &Path, function: &LegacyFunction) -> anyhow::Result<(String, String)> {
    let LegacyFunction {
        integration, name, ..
    } = function;
    let folder = function.kind.folder();
    let place = format!("{integration}/{folder}/{name}.ts");
    let older =
        ["post-connection-scripts"].map(|folder| format!("{integration}/{folder}/{name}.ts"));
    let candidates = [
        vec![place.clone()],
        older.to_vec(),
        vec![
            format!("{integration}/{name}.ts"),
            format!("{folder}/{name}.ts"),
            format!("{name}.ts"),
        ],
    ]
    .concat();
    match candidates.iter().find(|path| root.join(path).is_file()) {
        Some(found) => Ok((found.clone(), place)),
        None => bail!(
            "there is no code of `{integration}/{name}`: looked for {}",
            candidates.join(", ")
        ),
    }
}

fn convert(
    root: &Path,
    from: &str,
    place: &str,
    function: &LegacyFunction,
) -> anyhow::Result<String> {
    let source =
        fs::read_to_string(root.join(from)).with_context(|| format!("`{from}` cannot be read"))?;
    let options = definition::options(function)?;
    let mut imports = vec![format!(
        "import {{ {} }} from 'nango';",
        function.kind.create()
    )];
    if options.iter().any(|line| line.contains("schemas.")) {
        imports.push("import * as schemas from '../../models.js';".to_owned());
    }
    let wrapping = Wrapping {
        create: function.kind.create(),
        options: &options,
        imports: &imports,
    };
    if from != place {
        ui::say(format!("note: {from} moves to {place}"));
    }
    Ok(legacy::convert(
        from,
        place,
        &source,
        &wrapping,
        &beside(root, from),
    )?)
}

/// Files beside the functions whose imports have no extension yet.
fn helpers(root: &Path, known: &[(String, String)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if name.starts_with('.') || ["node_modules", "dist", "build"].contains(&name.as_str()) {
                continue;
            }
            if entry.path().is_dir() {
                folders.push(path);
                continue;
            }
            let path = path.to_string_lossy().replace('\\', "/");
            let is_code = path.ends_with(".ts") && !path.ends_with(".d.ts") && path.contains('/');
            if !is_code || known.iter().any(|(known, _)| *known == path) {
                continue;
            }
            let source = fs::read_to_string(root.join(&path))?;
            let text = legacy::with_extensions(&path, &source, &beside(root, &path))?;
            if text != source {
                found.push((path, text));
            }
        }
    }
    Ok(found)
}

/// Whether a relative import of a file, with an extension put behind it, names a file.
fn beside(root: &Path, path: &str) -> impl Fn(&str) -> bool {
    let folder = root
        .join(path)
        .parent()
        .map_or_else(|| root.to_owned(), Path::to_owned);
    let models = root.join("models.ts");
    move |written| {
        let target = folder.join(written);
        // models.ts may not be there yet.
        target.is_file() || normal(&target) == normal(&models)
    }
}

fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Sync => "syncs",
            Self::Action => "actions",
            Self::OnEvent => "on-events",
        }
    }

    const fn create(self) -> &'static str {
        match self {
            Self::Sync => "createSync",
            Self::Action => "createAction",
            Self::OnEvent => "createOnEvent",
        }
    }
}
