//! What a definition must hold (functions.md, 1.1 to 1.3).

use serde::Deserialize;
use serde_json::{Map, json};
use tenon_core::{frequency::Frequency, function::FunctionKind};

use super::{Definition, EVENTS, Endpoint};
use crate::compile::project::EntryPoint;

/// The definition as the object literal has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    #[serde(default)]
    problems: Vec<String>,
    description: Option<String>,
    version: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
    frequency: Option<String>,
    #[serde(default)]
    auto_start: bool,
    #[serde(default)]
    track_deletes: bool,
    sync_type: Option<String>,
    #[serde(default)]
    webhook_subscriptions: Vec<String>,
    event: Option<String>,
    models: Option<Map<String, serde_json::Value>>,
    metadata: Option<serde_json::Value>,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
}

impl Raw {
    /// The definition, or everything that is wrong with it.
    pub(super) fn check(
        self,
        kind: FunctionKind,
        entry: &EntryPoint,
    ) -> Result<Definition, Vec<String>> {
        let mut problems = self.problems.clone();
        let mut definition = Definition {
            integration: entry.integration.clone(),
            name: entry.name.clone(),
            kind,
            description: self.description.clone(),
            version: self.version.clone(),
            scopes: self.scopes.clone(),
            endpoints: self.endpoints.clone(),
            models: Vec::new(),
            input: None,
            runs: None,
            auto_start: self.auto_start,
            track_deletes: self.track_deletes,
            sync_type: self.sync_type.clone().unwrap_or_else(|| "full".to_owned()),
            webhook_subscriptions: self.webhook_subscriptions.clone(),
            event: None,
            schemas: Map::new(),
        };
        match kind {
            FunctionKind::Sync => self.sync(&mut definition, &mut problems),
            FunctionKind::Action => self.action(&mut definition, &mut problems),
            FunctionKind::OnEvent => self.on_event(&mut definition, &mut problems),
        }
        if problems.is_empty() {
            Ok(definition)
        } else {
            Err(problems)
        }
    }

    fn sync(self, definition: &mut Definition, problems: &mut Vec<String>) {
        match self
            .frequency
            .as_deref()
            .map(|text| (text, Frequency::parse(text)))
        {
            None => problems.push("a sync needs a `frequency`".to_owned()),
            Some((text, Err(error))) => problems.push(format!("frequency `{text}`: {error}")),
            Some((text, Ok(_))) => definition.runs = Some(text.to_owned()),
        }
        let models = self.models.unwrap_or_default();
        if models.is_empty() {
            problems.push("a sync needs `models`".to_owned());
        }
        if !matches!(definition.sync_type.as_str(), "full" | "incremental") {
            problems.push("`syncType` is `full` or `incremental`".to_owned());
        }
        if definition.track_deletes && definition.sync_type == "incremental" {
            problems.push("`trackDeletes` needs a full sync".to_owned());
        }
        let endpoints = definition.endpoints.len();
        if endpoints > 0 && endpoints != models.len() {
            problems.push(format!(
                "{} models need as many endpoints, not {endpoints}",
                models.len()
            ));
        }
        for (name, schema) in models {
            if !is_model_name(&name) {
                problems.push(format!(
                    "`{name}` is not a name for a model: a letter, then letters, digits and `_`"
                ));
            }
            if !has_string_id(&schema) {
                problems.push(format!("model `{name}` needs a string `id`"));
            }
            definition.models.push(name.clone());
            definition.schemas.insert(name, schema);
        }
        if let Some(metadata) = self.metadata {
            let name = schema_name("SyncMetadata", definition);
            definition.schemas.insert(name.clone(), metadata);
            definition.input = Some(name);
        }
    }

    fn action(self, definition: &mut Definition, problems: &mut Vec<String>) {
        if definition.endpoints.len() > 1 {
            problems.push("an action has at most one endpoint".to_owned());
        }
        match self.input {
            None => {
                problems.push("an action needs an `input`; `z.void()` if there is none".to_owned())
            }
            Some(schema) => {
                let name = schema_name("ActionInput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.input = Some(name);
            }
        }
        match self.output {
            None => {
                problems.push("an action needs an `output`; `z.void()` if there is none".to_owned())
            }
            Some(schema) => {
                let name = schema_name("ActionOutput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.models = vec![name];
            }
        }
    }

    fn on_event(self, definition: &mut Definition, problems: &mut Vec<String>) {
        match self.event {
            Some(event) if EVENTS.contains(&event.as_str()) => definition.event = Some(event),
            _ => problems.push(format!("`event` is one of {}", EVENTS.join(", "))),
        }
    }
}

/// `ActionInput_my_integration_myname` (functions.md, 1.2).
fn schema_name(prefix: &str, definition: &Definition) -> String {
    let integration: String = definition
        .integration
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let name: String = definition
        .name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{prefix}_{integration}_{name}")
}

/// The reference's rule, but a lower-case first letter is fine too.
fn is_model_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn has_string_id(schema: &serde_json::Value) -> bool {
    let is_string = |schema: &serde_json::Value| {
        let id = &schema["properties"]["id"];
        id["type"] == json!("string") || id.get("const").is_some_and(serde_json::Value::is_string)
    };
    let parts = |key: &str| {
        let parts = schema[key].as_array().cloned().unwrap_or_default();
        (!parts.is_empty(), parts)
    };
    let (is_union, any) = parts("anyOf");
    let (is_choice, one) = parts("oneOf");
    let (_, all) = parts("allOf");
    is_string(schema)
        || (is_union && any.iter().all(has_string_id))
        || (is_choice && one.iter().all(has_string_id))
        || all.iter().any(has_string_id)
}
