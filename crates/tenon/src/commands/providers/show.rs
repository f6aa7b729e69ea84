//! `tenon providers show`.

use serde_json::{Map, Value, json};

use super::{Files, find};
use crate::ui;

const HELP: &str = "\
What is printed is YAML: indent it below a name, and it is an entry of a file for --providers.

Examples:
  tenon providers show zendesk
  tenon providers show google-calendar --sources     which entry says what
  tenon providers show zendesk --json";

/// Arguments of `tenon providers show`.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Name of the provider
    #[arg(value_name = "NAME")]
    name: String,
    /// Say of each key which entry and file it comes from
    #[arg(long)]
    sources: bool,
    /// JSON instead of YAML
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

/// Prints the entry.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let catalogue = args.files.catalogue()?;
    let provider = find(&catalogue, &args.name)?;
    let sources = catalogue.sources(&provider.name);
    if args.json {
        let mut entry = json!({"name": provider.name, "entry": provider.raw});
        if args.sources {
            let of = |(key, source): (&String, &tenon_providers::Source)| {
                let source = json!({"entry": source.entry, "file": source.file});
                (key.clone(), source)
            };
            entry["sources"] = Value::Object(sources.iter().map(of).collect());
        }
        ui::say(serde_json::to_string_pretty(&entry)?);
        return Ok(true);
    }
    let mut last = None;
    for (key, value) in &provider.raw {
        let source = sources.get(key);
        if let Some(source) = source.filter(|source| args.sources && last != Some(*source)) {
            ui::say(format!("# {}, {}", source.entry, source.file));
        }
        last = source;
        let member: Map<String, Value> = [(key.clone(), value.clone())].into_iter().collect();
        ui::say(serde_saphyr::to_string(&member)?.trim_end());
    }
    Ok(true)
}
