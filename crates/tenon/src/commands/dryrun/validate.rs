//! Whether input, output and records fit the schemas of the function (functions.md, 3.1).

use serde_json::{Value, json};
use tenon_core::function::Entry;
use tenon_engine::records::Schemas;

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
    schemas: Schemas,
    input: Option<String>,
    /// Models of a sync; the output of an action.
    models: Vec<String>,
}

impl Validator {
    pub(super) fn new(function: &CompiledFunction) -> Self {
        let definition = &function.definition;
        let schemas = json!({ "definitions": definition.schemas });
        Self {
            schemas: Schemas::read(&schemas.to_string()),
            input: definition.input.clone(),
            models: definition.models.clone(),
        }
    }

    pub(super) fn input(&self, entry: &Entry) -> Vec<Problem> {
        match (entry, &self.input) {
            (Entry::Action { input }, Some(model)) => {
                self.told("invalid_action_input", "input", model, input)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn output(&self, output: &Value) -> Vec<Problem> {
        let model = self
            .models
            .iter()
            .find(|name| name.starts_with("ActionOutput_"));
        model.map_or_else(Vec::new, |model| {
            self.told("invalid_action_output", "output", model, output)
        })
    }

    pub(super) fn records(&self, done: &Done) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (model, records) in &done.saved {
            for record in records {
                let what = format!("{model} {}", record["id"]);
                problems.extend(self.told("invalid_sync_record", &what, model, record));
            }
        }
        problems
    }

    fn told(&self, code: &'static str, what: &str, model: &str, value: &Value) -> Vec<Problem> {
        let problems = self
            .schemas
            .problems_of_value(model, value.to_string().as_bytes());
        let text = |path: &str, reason: &str| match path {
            "/" => format!("{what}: {reason}"),
            path => format!("{what}: {path} {reason}"),
        };
        problems
            .iter()
            .map(|problem| Problem {
                code,
                text: text(&problem.path, &problem.reason),
            })
            .collect()
    }
}
