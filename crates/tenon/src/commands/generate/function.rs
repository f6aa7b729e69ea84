//! `tenon generate function`: the file of a new function, ready to be filled in.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};

use super::Folder;
use crate::ui;

const SYNC: &str = include_str!("templates/sync.ts");
const ACTION: &str = include_str!("templates/action.ts");
const ON_EVENT: &str = include_str!("templates/on-event.ts");

const HELP: &str = "\
Examples:
  tenon generate function github issues           a sync
  tenon generate function github create-issue --action
  tenon generate function github welcome --on-event";

/// Arguments of `tenon generate function`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Integration it belongs to: the first folder of its path
    #[arg(value_name = "INTEGRATION")]
    integration: String,
    /// Name of the function: the base name of its file
    #[arg(value_name = "NAME")]
    name: String,
    /// Make a sync (the default): copies data on a schedule
    #[arg(long, group = "kind")]
    sync: bool,
    /// Make an action: does one thing when it is called
    #[arg(long, group = "kind")]
    action: bool,
    /// Make an on-event function: runs when a connection comes or goes
    #[arg(long, group = "kind")]
    on_event: bool,
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let root = &args.folder.root;
    for (what, name) in [("integration", &args.integration), ("function", &args.name)] {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            bail!("`{name}` is not a name for an {what}: letters, digits, `-`, `_` and `.`");
        }
    }
    let manifest = root.join("index.ts");
    let listed = fs::read_to_string(&manifest).with_context(|| {
        format!(
            "`{}` is not a folder with functions: it has no index.ts\nhint: `tenon init` makes a project",
            root.display()
        )
    })?;
    let (folder, template) = if args.action {
        ("actions", ACTION)
    } else if args.on_event {
        ("on-events", ON_EVENT)
    } else {
        ("syncs", SYNC)
    };
    let path = format!("{}/{folder}/{}.ts", args.integration, args.name);
    if root.join(&path).exists() {
        bail!("`{path}` exists already; nothing was written");
    }
    let text = template
        .replace("__MODEL__", &model(&args.name))
        .replace("__NAME__", &args.name);
    super::write(root, Path::new(&path), &text)?;
    let line = format!("import './{}.js';\n", path.trim_end_matches(".ts"));
    if listed.contains(line.trim_end()) {
        return Ok(());
    }
    let gap = if listed.is_empty() || listed.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    fs::write(&manifest, format!("{listed}{gap}{line}"))
        .with_context(|| format!("could not write `{}`", manifest.display()))?;
    ui::say("listed it in index.ts");
    Ok(())
}

/// `OpenIssue` of `open-issues`: a name for the model of a sync.
fn model(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let mut model: String = words
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (first, rest) = word.split_at(1);
            format!("{}{rest}", first.to_uppercase())
        })
        .collect();
    if model.ends_with('s') && !model.ends_with("ss") {
        model.pop();
    }
    if model.starts_with(|c: char| c.is_ascii_alphabetic()) && model.len() > 1 {
        model
    } else {
        format!("Model{model}")
    }
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn models_are_named_after_functions() {
        for (name, expected) in [
            ("issues", "Issue"),
            ("open-issues", "OpenIssue"),
            ("address", "Address"),
            ("1st", "Model1st"),
            ("s", "ModelS"),
        ] {
            assert_eq!(model(name), expected);
        }
    }
}
