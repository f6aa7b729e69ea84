//! `--provider-file`: the provider's entry with the simulator's address, for a server in development.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tenon_providers::Catalogue;

use super::{Args, simulator::TOKEN};

/// Writes the entry of the catalogue, every address of its API and of its tokens replaced. JSON is YAML, too.
pub(super) fn write(file: &Path, args: &Args, url: &str) -> anyhow::Result<()> {
    let provider = args.provider.as_ref().unwrap_or(&args.integration);
    let mut catalogue = Catalogue::embedded();
    for own in &args.providers {
        catalogue
            .load_file(own)
            .with_context(|| format!("provider file `{}`", own.display()))?;
    }
    let Some(found) = catalogue.find(provider) else {
        bail!(
            "there is no provider `{provider}` in the catalogue\nhint: --provider NAME if it has another name, --providers FILE if it is one of your own; `--connect` needs none"
        );
    };
    let mut entry = found.raw.clone();
    if !entry["proxy"].is_object() {
        entry["proxy"] = json!({});
    }
    entry["proxy"]["base_url"] = url.into();
    // Trying out credentials against the real address would fail, or worse, succeed.
    if let Some(proxy) = entry["proxy"].as_object_mut() {
        proxy.remove("verification");
    }
    for key in ["token_url", "refresh_url"] {
        let is_text = entry.get(key).is_some_and(Value::is_string);
        if is_text {
            entry[key] = format!("{url}{TOKEN}").into();
        }
    }
    let text = serde_json::to_string_pretty(&json!({ provider: entry }))?;
    std::fs::write(file, format!("{text}\n"))
        .with_context(|| format!("could not write `{}`", file.display()))
}
