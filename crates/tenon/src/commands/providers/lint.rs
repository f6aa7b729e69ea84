//! `tenon providers lint`.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use tenon_providers::{
    Catalogue,
    lint::{Finding, Severity, lint},
};

use crate::ui;

const HELP: &str = "\
A file is a map from names to entries, as for `tenon serve --providers`, or one entry (providers/<name>.yaml). An alias may
name entries of the files before, and ours.

An error keeps the file from being loaded, or the entry from working. A warning loads: a key that nobody reads, a
placeholder that nothing gives a value, http:// to the outside.

Exit code: 0, or 1 if there is an error (with --strict: or a warning).

Examples:
  tenon providers lint my-providers.yaml
  tenon providers lint --strict --json base.yaml more.yaml";

/// Arguments of `tenon providers lint`.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Provider files, in the order in which a server would load them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// A JSON list instead of lines
    #[arg(long)]
    json: bool,
}

/// Whether nothing is wrong.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let mut catalogue = Catalogue::embedded();
    let mut findings = Vec::new();
    for file in &args.files {
        let shown = file.display().to_string();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read `{shown}`"))?;
        findings.extend(lint(&catalogue, &shown, &text));
        // What is wrong with it was said; the files behind it are looked at without it.
        let _ = catalogue.load_yaml(&shown, &text);
    }
    if args.json {
        let list: Vec<Value> = findings.iter().map(as_json).collect();
        ui::say(serde_json::to_string_pretty(&list)?);
    } else {
        findings.iter().for_each(print);
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if !args.json {
        let files = args.files.len();
        ui::say(format!(
            "{files} files, {errors} errors, {warnings} warnings"
        ));
    }
    Ok(errors == 0 && (warnings == 0 || !args.strict))
}

fn print(finding: &Finding) {
    let word = word(finding.severity);
    ui::say(format!("{word}: {finding}"));
    if let Some(hint) = &finding.hint {
        ui::say(format!("  hint: {hint}"));
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "severity": word(finding.severity),
        "file": finding.file,
        "line": finding.line,
        "entry": finding.entry,
        "key": finding.key,
        "problem": finding.problem,
        "hint": finding.hint,
    })
}
