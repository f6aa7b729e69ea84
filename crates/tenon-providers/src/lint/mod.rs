//! What is wrong with a provider file, all of it at once. The loader stops at the first thing that makes no sense; this
//! goes on, and knows slips that load well and fail later.

mod addresses;
mod keys;
mod places;
mod rules;
mod templates;

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tenon_core::names::ProviderName;

use crate::{Catalogue, LoadError, Provider};
use places::Places;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused, or what the entry says cannot work.
    Error,
    /// It loads, and probably does not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub file: String,
    /// Counted from 1.
    pub line: Option<u64>,
    pub entry: String,
    /// Dotted path; empty for the entry as a whole.
    pub key: String,
    pub problem: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    /// `file:12: entry: key: what is wrong`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        for part in [&self.entry, &self.key] {
            if !part.is_empty() {
                write!(formatter, ": {part}")?;
            }
        }
        write!(formatter, ": {}", self.problem)
    }
}

/// Looks through a file: a map from names to entries, or one entry whose name is that of the file. Aliases may name
/// entries of `catalogue`.
pub fn lint(catalogue: &Catalogue, file: &str, text: &str) -> Vec<Finding> {
    let mut report = Report {
        file,
        places: Places::default(),
        findings: Vec::new(),
    };
    let value: Value = match serde_saphyr::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let line = error.location().map(|location| location.line());
            report.add(
                Severity::Error,
                line,
                "",
                "",
                first_line(&error.to_string()),
                None,
            );
            return report.findings;
        }
    };
    let Some((entries, lone)) = entries(file, value) else {
        let problem = "this is no map from provider names to entries";
        report.add(
            Severity::Error,
            Some(1),
            "",
            "",
            problem,
            Some("begin with `my-provider:` and indent what belongs to it"),
        );
        return report.findings;
    };
    report.places = Places::of(text, lone.as_deref());
    for (name, own) in &entries {
        report.entry(catalogue, &entries, name, own);
    }
    report.findings
}

/// The entries of a file, and the name of the one in a file of the other shape.
fn entries(file: &str, value: Value) -> Option<(IndexMap<String, Value>, Option<String>)> {
    let Value::Object(map) = value else {
        return None;
    };
    let is_entry = ["auth_mode", "alias", "display_name"]
        .iter()
        .any(|key| map.get(*key).is_some_and(Value::is_string));
    if !is_entry {
        return Some((map.into_iter().collect(), None));
    }
    let name = std::path::Path::new(file)
        .file_stem()?
        .to_string_lossy()
        .into_owned();
    let entries = [(name.clone(), Value::Object(map))];
    Some((entries.into_iter().collect(), Some(name)))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Collects what is found.
struct Report<'a> {
    file: &'a str,
    places: Places,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn entry(
        &mut self,
        catalogue: &Catalogue,
        entries: &IndexMap<String, Value>,
        name: &str,
        own: &Value,
    ) {
        if ProviderName::parse(name).is_err() {
            self.error(
                name,
                "",
                "this is no provider name",
                Some("use letters, digits, `_` and `-`"),
            );
        }
        let Value::Object(own) = own else {
            self.error(name, "", "an entry is a map of keys", None);
            return;
        };
        keys::check(self, name, own);
        let objects = objects(entries);
        let raw = match catalogue.expanded(self.file, &objects, name) {
            Ok(raw) => raw,
            Err(LoadError::Alias { alias, .. }) => {
                let known = catalogue.names();
                let near = crate::nearest(&alias, known.iter().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                let problem = format!("`{alias}` does not exist, or leads back to this entry");
                self.error(name, "alias", &problem, hint.as_deref());
                return;
            }
            Err(other) => return self.error(name, "", &other.to_string(), None),
        };
        let Some(provider) = keys::typed(self, name, raw) else {
            return;
        };
        rules::check(self, &provider);
        templates::check(self, &provider);
        addresses::check(self, &provider);
    }

    fn error(&mut self, entry: &str, key: &str, problem: &str, hint: Option<&str>) {
        let line = self.places.line(entry, key);
        self.add(Severity::Error, line, entry, key, problem, hint);
    }

    fn warn(&mut self, entry: &str, key: &str, problem: &str, hint: Option<&str>) {
        let line = self.places.line(entry, key);
        self.add(Severity::Warning, line, entry, key, problem, hint);
    }

    fn add(
        &mut self,
        severity: Severity,
        line: Option<u64>,
        entry: &str,
        key: &str,
        problem: &str,
        hint: Option<&str>,
    ) {
        let finding = Finding {
            severity,
            file: self.file.to_owned(),
            line,
            entry: entry.to_owned(),
            key: key.to_owned(),
            problem: problem.to_owned(),
            hint: hint.map(str::to_owned),
        };
        // An entry that extends another of the same file repeats what is wrong with that one.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// The entries that are maps; the others are reported on their own.
fn objects(entries: &IndexMap<String, Value>) -> IndexMap<String, Map<String, Value>> {
    let objects = entries
        .iter()
        .filter_map(|(name, own)| Some((name.clone(), own.as_object()?.clone())));
    objects.collect()
}

/// The texts of an entry that are templates, with their keys.
fn texts(provider: &Provider) -> Vec<(String, String)> {
    const KEYS: [&str; 26] = [
        "authorization_url",
        "authorization_params",
        "device_authorization_url",
        "device_authorization_params",
        "issuer",
        "token_url",
        "token_params",
        "token_headers",
        "refresh_url",
        "refresh_params",
        "refresh_token_params",
        "refresh_token_headers",
        "request_url",
        "request_params",
        "registration_url",
        "additional_steps",
        "token",
        "assertion",
        "token_exchange",
        "introspection",
        "post_connection",
        "proxy.base_url",
        "proxy.headers",
        "proxy.query",
        "proxy.body",
        "proxy.verification",
    ];
    let mut texts = Vec::new();
    for key in KEYS {
        let mut steps = key.split('.');
        let first = steps.next().and_then(|step| provider.raw.get(step));
        let found = steps.fold(first, |value, step| value?.get(step));
        if let Some(value) = found {
            collect(key.to_owned(), value, &mut texts);
        }
    }
    texts
}

fn collect(key: String, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => texts.push((key, text.clone())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(format!("{key}.{index}"), item, texts);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                collect(format!("{key}.{name}"), member, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
