//! Values that fit the fields of an entry.

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};
use tenon_providers::{Field, FieldFormat, Fields, Provider, template};

/// Sample values, and which of them are secret.
pub(super) struct Samples {
    pub(super) connection_config: Map<String, Value>,
    pub(super) credentials: Map<String, Value>,
    pub(super) integration_config: Map<String, Value>,
    pub(super) assertion_option: Map<String, Value>,
    /// Secret texts with the names that are printed for them.
    secrets: IndexMap<String, String>,
}

/// Secrets that have no field of their own, or stand in for what a provider answers.
const USUAL: [&str; 8] = [
    "apiKey",
    "username",
    "password",
    "client_id",
    "client_secret",
    "token_id",
    "token_secret",
    "role_arn",
];

/// Where a whole address has to stand.
pub(super) const ADDRESS: &str = "https://sample.example.com";

impl Samples {
    pub(super) fn of(provider: &Provider, given: &[(String, String)]) -> Self {
        let mut secrets = IndexMap::new();
        let mut fill = |fields: &Fields, secret: bool| -> Map<String, Value> {
            let asked = fields.iter().filter(|(_, field)| !field.automated);
            let filled = asked.map(|(name, field)| {
                let own = given.iter().find(|(known, _)| known == name);
                let value = own.map_or_else(
                    || sample(name, field, is_address(provider, name)),
                    |(_, value)| value.clone(),
                );
                if secret || field.secret {
                    secrets.insert(value.clone(), name.clone());
                }
                (name.clone(), Value::from(value))
            });
            filled.collect()
        };
        let mut credentials = fill(&provider.credentials, true);
        let connection_config = fill(&provider.connection_config, false);
        let integration_config = fill(&provider.integration_config, false);
        let assertion_option = fill(&provider.assertion_option, true);
        for name in USUAL {
            let own = given.iter().find(|(known, _)| known == name);
            let value = own.map_or_else(|| format!("sample-{name}"), |(_, value)| value.clone());
            if !credentials.contains_key(name) {
                secrets.insert(value.clone(), name.to_owned());
                credentials.insert(name.to_owned(), value.into());
            }
        }
        Self {
            connection_config,
            credentials,
            integration_config,
            assertion_option,
            secrets,
        }
    }

    pub(super) fn credential(&self, name: &str) -> Value {
        self.credentials.get(name).cloned().unwrap_or_default()
    }

    /// Only the fields that the entry declares.
    pub(super) fn declared(&self, provider: &Provider) -> Map<String, Value> {
        let declared = self
            .credentials
            .iter()
            .filter(|(name, _)| provider.credentials.contains_key(*name));
        declared
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// A text with names in place of secrets. Longer ones first: one may be the start of another.
    pub(super) fn masked(&self, text: &str) -> String {
        let mut secrets: Vec<(&String, &String)> = self.secrets.iter().collect();
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut masked = text.to_owned();
        for (value, name) in secrets.into_iter().filter(|(value, _)| value.len() >= 3) {
            masked = masked.replace(value.as_str(), &format!("<{name}>"));
        }
        masked
    }
}

/// Whether an address of the entry begins with this field, so that its value has to be a whole one.
pub(super) fn is_address(provider: &Provider, name: &str) -> bool {
    let addresses = [
        provider.base_url(),
        provider.token_url(),
        provider.authorization_url.as_deref(),
    ];
    let sides = addresses
        .into_iter()
        .flatten()
        .flat_map(template::alternatives);
    let starts = [
        format!("${{connectionConfig.{name}}}"),
        format!("${{credentials.{name}}}"),
        format!("${{{name}}}"),
    ];
    sides
        .into_iter()
        .any(|side| starts.iter().any(|start| side.starts_with(start)))
}

/// The first plausible value that the pattern lets through.
fn sample(name: &str, field: &Field, is_address: bool) -> String {
    if let Some(choice) = field.choices.as_ref().and_then(|choices| choices.first()) {
        return choice.clone();
    }
    if let Some(default) = field
        .default_value
        .as_ref()
        .filter(|value| !value.is_empty())
    {
        return default.clone();
    }
    let by_format = match field.format {
        Some(FieldFormat::Hostname) => "sample.example.com",
        Some(FieldFormat::Uuid) => "00000000-0000-4000-8000-000000000000",
        Some(FieldFormat::Email) => "sample@example.com",
        Some(FieldFormat::Uri) => "https://sample.example.com",
        None => "",
    };
    let named = format!("sample-{name}");
    let (letters, digits) = ("a".repeat(32), "1".repeat(32));
    let address = if is_address { ADDRESS } else { "" };
    let candidates = [
        address,
        by_format,
        &named,
        "sample",
        "SAMPLE",
        "sample.example.com",
        "https://sample.example.com",
        "sample@example.com",
        "00000000-0000-4000-8000-000000000000",
        "12345678",
        &letters,
        &digits,
        "us",
        "1",
    ];
    let own = field.example.as_deref().into_iter();
    let pattern = field
        .pattern
        .as_deref()
        .and_then(|pattern| Regex::new(pattern).ok());
    let fits = |text: &&str| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text))
    };
    let mut candidates = candidates
        .into_iter()
        .filter(|text| !text.is_empty())
        .chain(own);
    candidates.find(fits).unwrap_or(&named).to_owned()
}
