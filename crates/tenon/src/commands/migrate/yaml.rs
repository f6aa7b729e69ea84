//! nango.yaml, both of its versions (functions.md, 1.5).

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// What a function was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sync,
    Action,
    OnEvent,
}

/// One function of the manifest.
#[derive(Clone, Debug)]
pub(super) struct LegacyFunction {
    pub(super) integration: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) event: Option<String>,
    /// Its keys as they stand.
    pub(super) fields: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) functions: Vec<LegacyFunction>,
    pub(super) models: Map<String, Value>,
}

impl Manifest {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let whole: Value = serde_saphyr::from_str(text).context("this is not YAML")?;
        let Some(integrations) = whole["integrations"].as_object() else {
            bail!("there are no `integrations`");
        };
        let mut functions = Vec::new();
        for (integration, parts) in integrations {
            let Some(parts) = parts.as_object() else {
                continue;
            };
            let second = ["syncs", "actions", "on-events", "post-connection-scripts"];
            if parts.keys().any(|key| second.contains(&key.as_str())) {
                of_second(integration, parts, &mut functions);
            } else {
                of_first(integration, parts, &mut functions);
            }
        }
        if functions.is_empty() {
            bail!("there are no functions in it");
        }
        Ok(Self {
            functions,
            models: whole["models"].as_object().cloned().unwrap_or_default(),
        })
    }
}

fn of_second(integration: &str, parts: &Map<String, Value>, functions: &mut Vec<LegacyFunction>) {
    for (key, kind) in [("syncs", Kind::Sync), ("actions", Kind::Action)] {
        for (name, fields) in parts
            .get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            functions.push(LegacyFunction {
                integration: integration.to_owned(),
                name: name.clone(),
                kind,
                event: None,
                fields: fields.as_object().cloned().unwrap_or_default(),
            });
        }
    }
    let on_event = |event: &str, name: &str| LegacyFunction {
        integration: integration.to_owned(),
        name: name.to_owned(),
        kind: Kind::OnEvent,
        event: Some(event.to_owned()),
        fields: Map::new(),
    };
    let names = |value: &Value| -> Vec<String> {
        let names = value.as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for (event, list) in parts
        .get("on-events")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        functions.extend(names(list).iter().map(|name| on_event(event, name)));
    }
    if let Some(list) = parts.get("post-connection-scripts") {
        let event = "post-connection-creation";
        functions.extend(names(list).iter().map(|name| on_event(event, name)));
    }
}

fn of_first(integration: &str, parts: &Map<String, Value>, functions: &mut Vec<LegacyFunction>) {
    for (name, fields) in parts {
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        let kind = match fields.get("type").and_then(Value::as_str) {
            Some("action") => Kind::Action,
            _ => Kind::Sync,
        };
        if let Some(returns) = fields.remove("returns") {
            fields.insert("output".to_owned(), returns);
        }
        functions.push(LegacyFunction {
            integration: integration.to_owned(),
            name: name.clone(),
            kind,
            event: None,
            fields,
        });
    }
}

/// A text, or a list of texts; commas separate, too.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
