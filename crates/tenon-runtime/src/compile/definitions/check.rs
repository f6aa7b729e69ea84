//! What a definition must hold (functions.md, 1.1 to 1.3).

use serde::Deserialize;
use serde_json::{Map, json};
use tenon_core::{frequency::Frequency, function::FunctionKind};

use super::{Definition, EVENTS, Endpoint};
use crate::compile::project::EntryPoint;

const FREQUENCY_HINT: &str = "write for instance `every 5 minutes`, `every hour` or `every day`";

/// Something that is wrong with an option.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Problem {
    /// The option, with dots for what is inside; empty for the definition as a whole.
    #[serde(default)]
    pub(super) key: String,
    pub(super) message: String,
    #[serde(default)]
    pub(super) hint: Option<String>,
}

impl Problem {
    fn of(key: &str, message: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// The definition as the object literal has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    #[serde(default)]
    problems: Vec<Problem>,
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
    checkpoint: Option<serde_json::Value>,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
}

impl Raw {
    /// The definition, or everything that is wrong with it.
    pub(super) fn check(
        self,
        kind: FunctionKind,
        entry: &EntryPoint,
    ) -> Result<Definition, Vec<Problem>> {
        let read = self.problems.clone();
        let mut problems = read.clone();
        problems.extend(self.checkpoint.as_ref().and_then(checkpoint_problem));
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
        // Where a schema makes no sense, nobody needs to hear that it is missing.
        let told: Vec<String> = read.iter().map(|one| root(&one.key)).collect();
        let mut position = 0;
        problems.retain(|problem| {
            position += 1;
            position <= read.len() || !told.contains(&root(&problem.key))
        });
        if problems.is_empty() {
            Ok(definition)
        } else {
            Err(problems)
        }
    }

    fn sync(self, definition: &mut Definition, problems: &mut Vec<Problem>) {
        match self
            .frequency
            .as_deref()
            .map(|text| (text, Frequency::parse(text)))
        {
            None => problems
                .push(Problem::of("frequency", "a sync needs a `frequency`").hint(FREQUENCY_HINT)),
            Some((text, Err(error))) => problems.push(
                Problem::of("frequency", format!("frequency `{text}`: {error}"))
                    .hint(FREQUENCY_HINT),
            ),
            Some((text, Ok(_))) => definition.runs = Some(text.to_owned()),
        }
        let models = self.models.unwrap_or_default();
        if models.is_empty() {
            problems.push(
                Problem::of("models", "a sync needs `models`")
                    .hint("write `models: { Ticket: z.object({ id: z.string() }) }`"),
            );
        }
        if !matches!(definition.sync_type.as_str(), "full" | "incremental") {
            problems.push(Problem::of(
                "syncType",
                "`syncType` is `full` or `incremental`",
            ));
        }
        if definition.track_deletes && definition.sync_type == "incremental" {
            problems.push(
                Problem::of("trackDeletes", "`trackDeletes` needs a full sync")
                    .hint("an incremental sync calls `nango.batchDelete` for what is gone"),
            );
        }
        let endpoints = definition.endpoints.len();
        if endpoints > 0 && endpoints != models.len() {
            problems.push(Problem::of(
                "endpoints",
                format!(
                    "{} models need as many endpoints, not {endpoints}",
                    models.len()
                ),
            ));
        }
        for (name, schema) in models {
            if !is_model_name(&name) {
                problems.push(Problem::of(
                    &format!("models.{name}"),
                    format!(
                        "`{name}` is not a name for a model: a letter, then letters, digits and `_`"
                    ),
                ));
            }
            if !has_string_id(&schema) {
                problems.push(
                    Problem::of(
                        &format!("models.{name}"),
                        format!("model `{name}` needs a string `id`"),
                    )
                    .hint("add `id: z.string()`; convert numbers with `String(...)` before saving"),
                );
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

    fn action(self, definition: &mut Definition, problems: &mut Vec<Problem>) {
        if definition.endpoints.len() > 1 {
            problems.push(Problem::of(
                "endpoint",
                "an action has at most one endpoint",
            ));
        }
        match self.input {
            None => problems.push(Problem::of(
                "input",
                "an action needs an `input`; `z.void()` if there is none",
            )),
            Some(schema) => {
                let name = schema_name("ActionInput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.input = Some(name);
            }
        }
        match self.output {
            None => problems.push(Problem::of(
                "output",
                "an action needs an `output`; `z.void()` if there is none",
            )),
            Some(schema) => {
                let name = schema_name("ActionOutput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.models = vec![name];
            }
        }
    }

    fn on_event(self, definition: &mut Definition, problems: &mut Vec<Problem>) {
        match self.event {
            Some(event) if EVENTS.contains(&event.as_str()) => definition.event = Some(event),
            _ => problems.push(Problem::of(
                "event",
                format!("`event` is one of {}", EVENTS.join(", ")),
            )),
        }
    }
}

/// `models` of `models.Ticket`.
fn root(key: &str) -> String {
    key.split('.').next().unwrap_or_default().to_owned()
}

/// A checkpoint is flat (functions.md, 2.10): values that are surely something else are refused.
fn checkpoint_problem(schema: &serde_json::Value) -> Option<Problem> {
    const HINT: &str = "a checkpoint is an object of texts, numbers and booleans";
    if schema["type"] != json!("object") {
        return Some(Problem::of("checkpoint", "`checkpoint` must be an object").hint(HINT));
    }
    let nested = schema["properties"]
        .as_object()?
        .iter()
        .find(|(_, schema)| matches!(schema["type"].as_str(), Some("object" | "array" | "null")));
    let (name, schema) = nested?;
    let kind = schema["type"].as_str().unwrap_or_default();
    let message = format!("`{name}` of `checkpoint` is of type {kind}");
    Some(Problem::of("checkpoint", message).hint(HINT))
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
