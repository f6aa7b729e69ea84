//! The options of a definition, from the keys of nango.yaml.

use serde_json::{Value, json};

use super::{
    models::schema_of,
    yaml::{Kind, LegacyFunction, texts},
};

/// `name: value` lines, without `exec`.
pub(super) fn options(function: &LegacyFunction) -> anyhow::Result<Vec<String>> {
    let fields = &function.fields;
    let mut lines = Vec::new();
    let description = fields.get("description").and_then(Value::as_str);
    let description = description.map_or_else(
        || function.name.replace(['-', '_'], " "),
        |text| text.trim().to_owned(),
    );
    lines.push(format!("description: {}", quoted(&description)));
    if let Some(version) = fields.get("version") {
        let version = version
            .as_str()
            .map_or_else(|| version.to_string(), str::to_owned);
        lines.push(format!("version: {}", quoted(&version)));
    }
    match function.kind {
        Kind::Sync => sync(function, &mut lines)?,
        Kind::Action => action(function, &mut lines)?,
        Kind::OnEvent => {
            let event = function
                .event
                .as_deref()
                .unwrap_or("post-connection-creation");
            lines.push(format!("event: {}", quoted(event)));
        }
    }
    let scopes = texts(fields.get("scopes"));
    if !scopes.is_empty() {
        lines.push(format!("scopes: {}", json!(scopes)));
    }
    Ok(lines)
}

fn sync(function: &LegacyFunction, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let fields = &function.fields;
    let runs = fields
        .get("runs")
        .and_then(Value::as_str)
        .unwrap_or("every day");
    lines.push(format!("frequency: {}", quoted(runs)));
    let auto_start = fields.get("auto_start") != Some(&Value::Bool(false));
    lines.push(format!("autoStart: {auto_start}"));
    if let Some(kind) = fields.get("sync_type").and_then(Value::as_str) {
        lines.push(format!("syncType: {}", quoted(&kind.to_lowercase())));
    }
    if fields.get("track_deletes") == Some(&Value::Bool(true)) {
        lines.push("trackDeletes: true".to_owned());
    }
    let models = texts(fields.get("output"));
    let names = models.iter().map(|model| model.trim_end_matches("[]"));
    let models: Vec<String> = names
        .map(|model| format!("{model}: schemas.{model}"))
        .collect();
    lines.push(format!("models: {{ {} }}", models.join(", ")));
    let endpoints = endpoints(fields.get("endpoint"));
    if !endpoints.is_empty() {
        lines.push(format!("endpoints: [{}]", endpoints.join(", ")));
    }
    if let Some(input) = fields.get("input").and_then(Value::as_str) {
        lines.push(format!("metadata: {}", schema_of(input)?));
    }
    let events = texts(fields.get("webhook-subscriptions"));
    if !events.is_empty() {
        lines.push(format!("webhookSubscriptions: {}", json!(events)));
    }
    Ok(())
}

fn action(function: &LegacyFunction, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let fields = &function.fields;
    for key in ["input", "output"] {
        let schema = match texts(fields.get(key)).as_slice() {
            [] => "z.void()".to_owned(),
            [one] => schema_of(one)?,
            several => {
                let parts: Result<Vec<String>, _> =
                    several.iter().map(|one| schema_of(one)).collect();
                format!("z.union([{}])", parts?.join(", "))
            }
        };
        lines.push(format!("{key}: {schema}"));
    }
    if let Some(endpoint) = endpoints(fields.get("endpoint")).first() {
        lines.push(format!("endpoint: {endpoint}"));
    }
    Ok(())
}

/// `GET /x`, `{method, path, group}`, or a list of those.
fn endpoints(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items
            .iter()
            .flat_map(|item| endpoints(Some(item)))
            .collect(),
        Some(Value::String(text)) => {
            let text = text.trim();
            let (method, path) = text.split_once(' ').unwrap_or(("GET", text));
            vec![format!(
                "{{ method: {}, path: {} }}",
                quoted(method),
                quoted(path.trim())
            )]
        }
        Some(Value::Object(fields)) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str);
            let method = text("method").unwrap_or("GET");
            let path = text("path").unwrap_or("/");
            let group = text("group")
                .map_or_else(String::new, |group| format!(", group: {}", quoted(group)));
            vec![format!(
                "{{ method: {}, path: {}{group} }}",
                quoted(method),
                quoted(path)
            )]
        }
        _ => Vec::new(),
    }
}

/// A text in single quotes.
fn quoted(text: &str) -> String {
    let inner = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n");
    format!("'{inner}'")
}
