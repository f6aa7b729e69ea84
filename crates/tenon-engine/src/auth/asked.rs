//! Settings of syncs that a connect flow asks for.
//!
//! A sync says with a schema what it expects in the metadata of a connection. What of it fits into a form (texts,
//! numbers, yes or no, one of some) is asked while connecting and stored with the connection, so that the first run
//! finds it. What does not fit is left to the app, and told with the reason.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tenon_core::names::IntegrationPk;
use tenon_store::{StoreError, connect_sessions::ConnectSessionRow, work::functions::FunctionRow};

use crate::{
    Engine,
    environments::ConnectUi,
    records::{Problem, Schemas},
};

/// Most fields of a form: what is more is no form.
const MAX_FIELDS: usize = 50;

/// Deepest chain of references.
const MAX_DEPTH: usize = 8;

/// What a form asks for.
#[derive(Debug, Default)]
pub struct Asked {
    pub fields: Vec<AskedField>,
    pub skipped: Vec<Skipped>,
    /// A schema for each sync with what is asked of its own, and with what those refer to.
    rules: Vec<Value>,
}

/// A field of the form.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AskedField {
    pub name: String,
    pub kind: FieldKind,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Value>,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What browsers can check themselves: `format`, `pattern`, `minimum`, `maximum`, `minLength`, `maxLength`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub limits: Map<String, Value>,
    /// Syncs that ask for it.
    pub syncs: Vec<String>,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    Text,
    Number,
    Integer,
    Boolean,
    Choice,
}

/// A member of a schema that no field can be made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub name: String,
    pub reason: &'static str,
    pub sync: String,
}

/// Whether a session asks for settings at all.
pub async fn is_wanted(engine: &Engine, session: &ConnectSessionRow) -> Result<bool, StoreError> {
    if let Some(wanted) = session.ask_settings {
        return Ok(wanted);
    }
    let settings = ConnectUi::of(engine, session.environment).await?;
    Ok(settings.ask_settings)
}

impl Asked {
    /// What the enabled syncs of an integration ask for.
    pub async fn of(engine: &Engine, integration: IntegrationPk) -> Result<Self, StoreError> {
        let functions = engine
            .reader()
            .functions_of_integration(integration)
            .await?;
        let mut asked = Self::default();
        for sync in functions
            .iter()
            .filter(|function| function.kind == "sync" && function.enabled)
        {
            asked.add(sync);
        }
        Ok(asked)
    }

    fn add(&mut self, sync: &FunctionRow) {
        let Some(schemas) = sync.models_json_schema.as_deref() else {
            return;
        };
        let schemas: Value = serde_json::from_str(schemas).unwrap_or_default();
        if let Some(model) = &sync.input {
            self.add_schema(&sync.name, model, &schemas["definitions"]);
        }
    }

    fn add_schema(&mut self, sync: &str, model: &str, definitions: &Value) {
        let Some(schema) = resolved(&definitions[model], definitions, 0) else {
            return;
        };
        let is_required = |name: &str| {
            let required = schema["required"].as_array();
            required.is_some_and(|names| names.iter().any(|one| one == name))
        };
        let mut own = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let skip = |reason| Skipped {
                name: name.clone(),
                reason,
                sync: sync.to_owned(),
            };
            match field(sync, name, property, definitions, is_required(name)) {
                Ok(new) => match self.merge(new) {
                    Ok(()) => {
                        own.insert(name.clone(), property.clone());
                    }
                    Err(reason) => self.skipped.push(skip(reason)),
                },
                Err(reason) => self.skipped.push(skip(reason)),
            }
        }
        let names = own.keys().filter(|name| is_required(name));
        let required: Vec<&String> = names.collect();
        let mut rule = json!({"definitions": definitions});
        rule["definitions"][RULE] =
            json!({"type": "object", "properties": &own, "required": required});
        self.rules.push(rule);
    }

    /// Two syncs may want the same member; then it is asked once.
    fn merge(&mut self, new: AskedField) -> Result<(), &'static str> {
        let known = self.fields.iter_mut().find(|field| field.name == new.name);
        let Some(known) = known else {
            if self.fields.len() >= MAX_FIELDS {
                return Err("is one field too many");
            }
            self.fields.push(new);
            return Ok(());
        };
        if known.kind != new.kind || known.options != new.options {
            return Err("is wanted in another form by another sync");
        }
        known.required |= new.required;
        known.default = known.default.take().or(new.default);
        known.syncs.extend(new.syncs);
        Ok(())
    }

    /// What was entered, with defaults where nothing was; or what is wrong with it, by name.
    pub fn checked(&self, given: Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
        let unknown = given
            .keys()
            .filter(|name| !self.fields.iter().any(|field| field.name == **name));
        let mut problems: Vec<Problem> = unknown
            .map(|name| Problem {
                path: format!("/{name}"),
                reason: "is not asked for".to_owned(),
            })
            .collect();
        let mut settings = given;
        for field in &self.fields {
            if let Some(default) = &field.default {
                settings
                    .entry(field.name.clone())
                    .or_insert_with(|| default.clone());
            }
        }
        let text = Value::Object(settings.clone()).to_string();
        for rule in &self.rules {
            let schemas = Schemas::read(&rule.to_string());
            problems.extend(schemas.problems_of_value(RULE, text.as_bytes()));
        }
        problems.dedup();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }
}

/// Name of the schema with what is asked, beside the models that it may refer to.
const RULE: &str = "(asked)";

fn field(
    sync: &str,
    name: &str,
    property: &Value,
    definitions: &Value,
    required: bool,
) -> Result<AskedField, &'static str> {
    let plain = resolved(property, definitions, 0).ok_or("refers to nothing")?;
    let (schema, is_nullable) = without_null(plain, definitions)?;
    let (kind, options) = kind_of(schema)?;
    let text = |key: &str| {
        let own = property.get(key).or_else(|| schema.get(key));
        own.and_then(Value::as_str).map(str::to_owned)
    };
    let names = [
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
    ];
    let limits = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), schema.get(*name)?.clone())));
    let default = property.get("default").or_else(|| schema.get("default"));
    Ok(AskedField {
        name: name.to_owned(),
        kind,
        title: text("title").unwrap_or_else(|| spaced(name)),
        description: text("description"),
        options,
        required: required && !is_nullable && default.is_none(),
        default: default.filter(|value| !value.is_null()).cloned(),
        limits: limits.collect(),
        syncs: vec![sync.to_owned()],
    })
}

fn resolved<'v>(schema: &'v Value, definitions: &'v Value, depth: usize) -> Option<&'v Value> {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
        return schema.is_object().then_some(schema);
    };
    let name = reference.strip_prefix("#/definitions/")?;
    let target = definitions.get(name)?;
    (depth < MAX_DEPTH)
        .then(|| resolved(target, definitions, depth + 1))
        .flatten()
}

/// `T | null` is asked like `T`, and may stay empty.
fn without_null<'v>(
    schema: &'v Value,
    definitions: &'v Value,
) -> Result<(&'v Value, bool), &'static str> {
    let forms = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    let Some(forms) = forms.and_then(Value::as_array) else {
        let is_nullable = schema["type"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
        return Ok((schema, is_nullable));
    };
    let is_null = |form: &Value| form["type"] == "null";
    let others: Vec<&Value> = forms.iter().filter(|form| !is_null(form)).collect();
    let is_nullable = others.len() < forms.len();
    match others.as_slice() {
        [one] => {
            let one = resolved(one, definitions, 0).ok_or("refers to nothing")?;
            Ok((one, is_nullable))
        }
        // A union of literals is a choice; `kind_of` sees it.
        _ if others.iter().all(|form| form.get("const").is_some()) => Ok((schema, is_nullable)),
        _ => Err("has more than one form"),
    }
}

fn kind_of(schema: &Value) -> Result<(FieldKind, Vec<Value>), &'static str> {
    if let Some(options) = options_of(schema) {
        let is_plain = |value: &Value| value.is_string() || value.is_number();
        return if !options.is_empty() && options.iter().all(is_plain) {
            Ok((FieldKind::Choice, options))
        } else {
            Err("offers other things than texts and numbers")
        };
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    let kind = match kind {
        Some("string") => FieldKind::Text,
        Some("number") => FieldKind::Number,
        Some("integer") => FieldKind::Integer,
        Some("boolean") => FieldKind::Boolean,
        Some("array") => return Err("is a list"),
        Some("object") => return Err("is an object"),
        Some(_) | None => return Err("has no type that a form knows"),
    };
    Ok((kind, Vec::new()))
}

fn options_of(schema: &Value) -> Option<Vec<Value>> {
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let options = options.iter().filter(|value| !value.is_null());
        return Some(options.cloned().collect());
    }
    if let Some(only) = schema.get("const") {
        return Some(vec![only.clone()]);
    }
    let forms = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    let constants = forms
        .as_array()?
        .iter()
        .filter_map(|form| form.get("const"));
    Some(constants.cloned().collect())
}

/// `accountId`, `account_id` → `Account id`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter == '_' || letter == '-' {
            words.push(' ');
        } else if letter.is_uppercase() && after_small {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
        after_small = letter.is_lowercase() || letter.is_ascii_digit();
    }
    let mut chars = words.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{Asked, FieldKind, spaced};

    fn asked(schema: Value) -> Asked {
        let mut asked = Asked::default();
        let definitions =
            json!({"In": schema, "Colour": {"type": "string", "enum": ["red", "blue"]}});
        asked.add_schema("tickets", "In", &definitions);
        asked
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_fits_into_a_form_is_asked_and_the_rest_is_told() {
        let asked = asked(json!({
            "type": "object",
            "required": ["team", "colour", "size", "both"],
            "properties": {
                "team": {"type": "string", "description": "Whose tickets"},
                "colour": {"$ref": "#/definitions/Colour"},
                "since": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                "closedToo": {"type": "boolean", "default": false},
                "size": {"anyOf": [{"const": "s"}, {"const": "m"}]},
                "both": {"anyOf": [{"type": "string"}, {"type": "number"}]},
                "projects": {"type": "array", "items": {"type": "string"}},
                "map": {"type": "object"},
            },
        }));
        let shown: Vec<(&str, FieldKind, bool)> = asked
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.kind, field.required))
            .collect();
        assert_eq!(
            shown,
            [
                ("team", FieldKind::Text, true),
                ("colour", FieldKind::Choice, true),
                ("since", FieldKind::Integer, false),
                ("closedToo", FieldKind::Boolean, false),
                ("size", FieldKind::Choice, true),
            ]
        );
        assert_eq!(asked.fields[3].title, "Closed too");
        let skipped: Vec<(&str, &str)> = asked
            .skipped
            .iter()
            .map(|skipped| (skipped.name.as_str(), skipped.reason))
            .collect();
        assert_eq!(
            skipped,
            [
                ("both", "has more than one form"),
                ("projects", "is a list"),
                ("map", "is an object"),
            ]
        );
    }

    #[test]
    fn answers_are_checked_and_defaults_filled_in() {
        let asked = asked(json!({
            "type": "object",
            "required": ["team", "list"],
            "properties": {
                "team": {"type": "string", "minLength": 2},
                "days": {"type": "integer", "minimum": 1, "default": 30},
                "list": {"type": "array", "items": {"type": "string"}},
            },
        }));
        let fine = asked.checked(object(&json!({"team": "ops"}))).unwrap();
        assert_eq!(Value::Object(fine), json!({"team": "ops", "days": 30}));
        for (given, path) in [
            (json!({}), "/team"),
            (json!({"team": "x"}), "/team"),
            (json!({"team": "ops", "days": "7"}), "/days"),
            (json!({"team": "ops", "days": 0}), "/days"),
            (json!({"team": "ops", "other": 1}), "/other"),
        ] {
            let problems = asked.checked(object(&given)).unwrap_err();
            let text = format!("{:?}", problems);
            assert!(
                text.contains(path.trim_start_matches('/')),
                "{given}: {text}"
            );
        }
    }

    #[test]
    fn two_syncs_that_agree_ask_once() {
        let definitions = json!({
            "A": {"type": "object", "properties": {"team": {"type": "string"}, "n": {"type": "number"}}},
            "B": {"type": "object", "required": ["team"], "properties": {
                "team": {"type": "string"}, "n": {"type": "string"},
            }},
        });
        let mut asked = Asked::default();
        asked.add_schema("a", "A", &definitions);
        asked.add_schema("b", "B", &definitions);
        assert_eq!(asked.fields.len(), 2);
        assert!(asked.fields[0].required);
        assert_eq!(asked.fields[0].syncs, ["a", "b"]);
        assert_eq!(
            asked.skipped[0].reason,
            "is wanted in another form by another sync"
        );
    }

    #[test]
    fn names_become_words() {
        for (name, words) in [
            ("accountId", "Account id"),
            ("team_name", "Team name"),
            ("days", "Days"),
        ] {
            assert_eq!(spaced(name), words);
        }
    }
}
