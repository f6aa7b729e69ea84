//! JSON Schema (draft 7) as zod writes it, read once and asked often: does a record fit its model, an input its function?
//!
//! What a schema says that is not known here is not checked: a record is never refused for a rule that nobody
//! understood. Patterns with look-around, which no linear-time engine has, are such rules.

mod check;
mod format;
mod node;
mod read;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use node::Node;

/// Problems named of one record.
const PROBLEMS: usize = 5;

/// Longest path and longest rule in a problem.
const TEXT_CHARS: usize = 300;

/// Schemas of the models of one function, with everything that they refer to.
#[derive(Debug, Default)]
pub struct Schemas {
    /// Every schema that was read; others refer to it by its place.
    rules: Vec<Rule>,
    models: HashMap<String, usize>,
}

/// Why a record does not fit: where, and which rule. Values of the record are not in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// `/` for the record itself, else a JSON pointer.
    pub path: String,
    pub reason: String,
}

impl Problem {
    /// A problem of the record as a whole.
    pub fn whole(reason: impl Into<String>) -> Self {
        Self {
            path: "/".to_owned(),
            reason: reason.into(),
        }
    }
}

/// One schema. What is `None` or empty is not asked for.
#[derive(Debug, Default)]
struct Rule {
    /// `false` as a schema.
    never: bool,
    kinds: Option<Kinds>,
    one_of_values: Option<Vec<Value>>,
    reference: Option<usize>,
    all: Vec<usize>,
    any: Vec<usize>,
    one: Vec<usize>,
    not: Option<usize>,
    /// Objects.
    properties: HashMap<String, usize>,
    patterned: Vec<(Regex, usize)>,
    required: Vec<String>,
    additional: Option<usize>,
    names: Option<usize>,
    members: Range<usize>,
    /// Arrays.
    places: Vec<usize>,
    items: Option<usize>,
    length: Range<usize>,
    unique: bool,
    /// Texts.
    chars: Range<usize>,
    pattern: Option<Regex>,
    format: Option<String>,
    /// Numbers.
    least: Option<f64>,
    most: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
    multiple: Option<f64>,
}

/// Both ends are allowed.
#[derive(Clone, Copy, Debug, Default)]
struct Range<T> {
    from: Option<T>,
    to: Option<T>,
}

/// Types that a value may have.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    text: bool,
    array: bool,
    object: bool,
}

impl Schemas {
    /// Reads `{definitions: {Name: schema}}`; a model without a definition is not checked.
    pub fn read(text: &str) -> Self {
        read::schemas(text)
    }

    /// Whether anything is asked of a model.
    pub fn has(&self, model: &str) -> bool {
        self.models.contains_key(model)
    }

    /// What is wrong with a record: its id, and its JSON text without it. Nothing where it fits.
    pub fn problems(&self, model: &str, id: &str, json: &[u8]) -> Vec<Problem> {
        let Some(place) = self.models.get(model) else {
            return Vec::new();
        };
        let mut record = match serde_json::from_slice::<Node<'_>>(json) {
            Ok(record) => record,
            Err(error) => return vec![Problem::whole(format!("is no JSON: {error}"))],
        };
        if let Node::Object(members) = &mut record {
            members.push(("id".into(), Node::Text(id.into())));
        }
        check::problems(self, *place, &record)
    }

    /// What is wrong with any other value, given as JSON text.
    pub fn problems_of_value(&self, model: &str, json: &[u8]) -> Vec<Problem> {
        let Some(place) = self.models.get(model) else {
            return Vec::new();
        };
        match serde_json::from_slice::<Node<'_>>(json) {
            Ok(value) => check::problems(self, *place, &value),
            Err(error) => vec![Problem::whole(format!("is no JSON: {error}"))],
        }
    }
}
