//! Whether input, output and records fit the schemas of the function (functions.md, 3.1).

use std::collections::HashMap;

use serde_json::{Value, json};
use tenon_core::{function::Entry, json_schema::JsonSchema};

use super::host::Done;
use crate::commands::compile::CompiledFunction;

/// A value that does not fit.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    /// `invalid_action_input`, `invalid_action_output`, `invalid_sync_record`.
    pub(super) code: &'static str,
    pub(super) text: String,
}

pub(super) struct Validator {
    input: Option<JsonSchema>,
    /// Models of a sync by name; the output of an action under its only name.
    models: HashMap<String, JsonSchema>,
}

impl Validator {
    pub(super) fn new(function: &CompiledFunction) -> Self {
        let definition = &function.definition;
        let schema = |name: &String| {
            let mut schema = definition.schemas.get(name)?.clone();
            // References between models lead through the whole.
            if schema.get("definitions").is_none() && schema.is_object() {
                schema["definitions"] = json!(definition.schemas);
            }
            Some(JsonSchema::new(schema))
        };
        let models = definition.models.iter();
        Self {
            input: definition.input.as_ref().and_then(schema),
            models: models
                .filter_map(|name| Some((name.clone(), schema(name)?)))
                .collect(),
        }
    }

    pub(super) fn input(&self, entry: &Entry) -> Vec<Problem> {
        match (entry, &self.input) {
            (Entry::Action { input }, Some(schema)) => {
                told("invalid_action_input", "input", schema, input)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn output(&self, output: &Value) -> Vec<Problem> {
        let action = self
            .models
            .iter()
            .find(|(name, _)| name.starts_with("ActionOutput_"));
        action.map_or_else(Vec::new, |(_, schema)| {
            told("invalid_action_output", "output", schema, output)
        })
    }

    pub(super) fn records(&self, done: &Done) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (model, records) in &done.saved {
            let Some(schema) = self.models.get(model) else {
                continue;
            };
            for record in records {
                let what = format!("{model} {}", record["id"]);
                problems.extend(told("invalid_sync_record", &what, schema, record));
            }
        }
        problems
    }
}

fn told(code: &'static str, what: &str, schema: &JsonSchema, value: &Value) -> Vec<Problem> {
    let violations = schema.check(value);
    violations
        .iter()
        .map(|violation| Problem {
            code,
            text: format!("{what}: {violation}"),
        })
        .collect()
}
