//! `tenon generate docs`: one page of Markdown per function.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tenon_core::function::FunctionKind;

use super::{Folder, types::of_schema};
use crate::commands::compile::CompiledFunction;

const HELP: &str = "\
Examples:
  tenon generate docs                beside each function: <integration>/<folder>/<name>.md
  tenon generate docs -p ../wiki     the same paths below another folder";

/// Arguments of `tenon generate docs`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folder for the pages; the project's by default
    #[arg(short, long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// Taken for compatibility; pages look the same
    #[arg(long, hide = true)]
    integration_templates: bool,
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let root = &args.folder.root;
    let functions = super::compiled(root)?;
    let target = args.path.as_ref().unwrap_or(root);
    for function in &functions {
        let path = Path::new(&function.entry.path).with_extension("md");
        super::write(target, &path, &page(function))?;
    }
    Ok(())
}

fn page(function: &CompiledFunction) -> String {
    let definition = &function.definition;
    let mut text = format!("# {}\n", definition.name);
    if let Some(description) = &definition.description {
        let _ = write!(text, "\n{description}\n");
    }
    let mut rows = vec![
        ("Kind", definition.kind.as_str().to_owned()),
        ("Integration", definition.integration.clone()),
        ("Source", function.entry.path.clone()),
    ];
    rows.extend(
        definition
            .version
            .clone()
            .map(|version| ("Version", version)),
    );
    rows.extend(definition.runs.clone().map(|runs| ("Runs", runs)));
    rows.extend(definition.event.clone().map(|event| ("Event", event)));
    if definition.kind == FunctionKind::Sync {
        let starts = if definition.auto_start {
            "by itself"
        } else {
            "when it is started"
        };
        rows.push(("Starts", starts.to_owned()));
    }
    if !definition.scopes.is_empty() {
        rows.push(("Scopes", definition.scopes.join(", ")));
    }
    for endpoint in &definition.endpoints {
        rows.push(("Endpoint", format!("{} {}", endpoint.method, endpoint.path)));
    }
    text.push_str("\n| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
    if let Some(input) = &definition.input {
        let title = if definition.kind == FunctionKind::Sync {
            "Metadata"
        } else {
            "Input"
        };
        section(&mut text, title, definition.schemas.get(input));
    }
    for model in &definition.models {
        let title = match definition.kind {
            FunctionKind::Sync => format!("Model `{model}`"),
            FunctionKind::Action | FunctionKind::OnEvent => "Output".to_owned(),
        };
        section(&mut text, &title, definition.schemas.get(model));
    }
    text
}

fn section(text: &mut String, title: &str, schema: Option<&Value>) {
    let Some(schema) = schema else {
        return;
    };
    let _ = write!(text, "\n## {title}\n\n");
    let properties = schema["properties"].as_object();
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        let _ = writeln!(text, "`{}`", of_schema(schema, 0));
        return;
    };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    text.push_str("| Field | Type | Required | |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let kind = of_schema(property, 0)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let needed = if required.contains(&Value::from(name.as_str())) {
            "yes"
        } else {
            "no"
        };
        let description = property["description"].as_str().unwrap_or_default();
        let (kind, description) = (cell(&kind), cell(description));
        let _ = writeln!(text, "| `{name}` | `{kind}` | {needed} | {description} |");
    }
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
