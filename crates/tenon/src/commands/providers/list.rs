//! `tenon providers list`.

use serde_json::{Value, json};
use tenon_core::auth::AuthMode;
use tenon_providers::Provider;

use super::Files;
use crate::ui;

const HELP: &str = "\
Exit code: 0, or 1 if no provider fits.

Examples:
  tenon providers list calendar
  tenon providers list --mode OAUTH2_CC --category accounting
  tenon providers list --providers my-providers.yaml --json";

/// Arguments of `tenon providers list`.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Text in the name or in the name that people see
    #[arg(value_name = "SEARCH")]
    search: Option<String>,
    /// Only this auth mode, for instance `OAUTH2`
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<AuthMode>,
    /// Only this category, for instance `crm`
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// A JSON list instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

fn mode(text: &str) -> Result<AuthMode, String> {
    AuthMode::parse(&text.to_ascii_uppercase()).ok_or_else(|| {
        "no auth mode; OAUTH2, OAUTH2_CC, API_KEY, BASIC, TWO_STEP, JWT and others".to_owned()
    })
}

/// Whether a provider fits.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let catalogue = args.files.catalogue()?;
    let fitting: Vec<_> = catalogue
        .iter()
        .filter(|provider| fits(args, provider))
        .collect();
    if args.json {
        let list: Vec<Value> = fitting.iter().map(|provider| brief(provider)).collect();
        ui::say(serde_json::to_string_pretty(&list)?);
        return Ok(!fitting.is_empty());
    }
    let width = fitting
        .iter()
        .map(|provider| provider.name.len())
        .max()
        .unwrap_or(0);
    for provider in &fitting {
        let mode = provider.auth_mode.as_str();
        let categories = provider.categories.join(", ");
        ui::say(format!(
            "{:width$}  {mode:<18}  {}  ({categories})",
            provider.name, provider.display_name
        ));
    }
    match fitting.len() {
        0 => ui::complain("no provider fits"),
        count => ui::complain(format!("{count} of {}", catalogue.names().len())),
    }
    Ok(!fitting.is_empty())
}

fn fits(args: &Args, provider: &Provider) -> bool {
    let search = args.search.as_deref().unwrap_or_default().to_lowercase();
    let found = provider.name.to_lowercase().contains(&search)
        || provider.display_name.to_lowercase().contains(&search);
    let mode = args.mode.is_none_or(|mode| mode == provider.auth_mode);
    let category = args
        .category
        .as_ref()
        .is_none_or(|category| provider.categories.contains(category));
    found && mode && category
}

fn brief(provider: &Provider) -> Value {
    json!({
        "name": provider.name,
        "display_name": provider.display_name,
        "auth_mode": provider.auth_mode,
        "categories": provider.categories,
        "alias": provider.alias,
    })
}
