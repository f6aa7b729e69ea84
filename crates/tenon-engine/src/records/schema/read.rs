//! From the JSON of a schema to rules.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Kinds, Range, Rule, Schemas};

/// Most schemas of one function, nested ones counted: a deployment is as large as it likes, this is not.
const RULES: usize = 20_000;

/// Deepest nesting of schemas within each other, references aside.
const DEPTH: usize = 64;

/// Reads all definitions. Text that is no schema asks for nothing.
pub(super) fn schemas(text: &str) -> Schemas {
    let Ok(Value::Object(root)) = serde_json::from_str::<Value>(text) else {
        return Schemas::default();
    };
    let mut reader = Reader {
        definitions: definitions(&root),
        known: HashMap::new(),
        rules: Vec::new(),
    };
    let names: Vec<String> = reader.definitions.keys().cloned().collect();
    let models = names
        .into_iter()
        .map(|name| {
            let place = reader.definition(&name, 0);
            (name, place)
        })
        .collect();
    Schemas {
        rules: reader.rules,
        models,
    }
}

fn definitions(root: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for name in ["$defs", "definitions"] {
        if let Some(Value::Object(found)) = root.get(name) {
            all.extend(found.clone());
        }
    }
    all
}

struct Reader {
    definitions: Map<String, Value>,
    /// Places of definitions, those under way included, so that a schema may refer to itself.
    known: HashMap<String, usize>,
    rules: Vec<Rule>,
}

impl Reader {
    fn definition(&mut self, name: &str, depth: usize) -> usize {
        if let Some(place) = self.known.get(name) {
            return *place;
        }
        let place = self.reserve();
        self.known.insert(name.to_owned(), place);
        if let Some(schema) = self.definitions.get(name).cloned() {
            self.rules[place] = self.rule(&schema, depth);
        }
        place
    }

    /// A place that asks for nothing until it is filled.
    fn reserve(&mut self) -> usize {
        self.rules.push(Rule::default());
        self.rules.len() - 1
    }

    fn nested(&mut self, schema: &Value, depth: usize) -> usize {
        let place = self.reserve();
        if depth < DEPTH && self.rules.len() < RULES {
            self.rules[place] = self.rule(schema, depth + 1);
        }
        place
    }

    fn several(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Vec<usize> {
        match schema.get(name) {
            Some(Value::Array(list)) => list.iter().map(|one| self.nested(one, depth)).collect(),
            _ => Vec::new(),
        }
    }

    fn maybe(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Option<usize> {
        schema
            .get(name)
            .filter(|one| one.is_object() || one.is_boolean())
            .cloned()
            .map(|one| self.nested(&one, depth))
    }

    fn rule(&mut self, schema: &Value, depth: usize) -> Rule {
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => {
                return Rule {
                    never: true,
                    ..Rule::default()
                };
            }
            _ => return Rule::default(),
        };
        let reference = schema.get("$ref").and_then(Value::as_str);
        let named = reference.and_then(|text| {
            text.strip_prefix("#/definitions/")
                .or_else(|| text.strip_prefix("#/$defs/"))
        });
        let named = named.map(|name| name.replace("~1", "/").replace("~0", "~"));
        let mut rule = Rule {
            kinds: schema.get("type").map(kinds),
            one_of_values: values(schema),
            reference: named.map(|name| self.definition(&name, depth)),
            all: self.several(schema, "allOf", depth),
            any: self.several(schema, "anyOf", depth),
            one: self.several(schema, "oneOf", depth),
            not: self.maybe(schema, "not", depth),
            required: texts(schema.get("required")),
            additional: self.maybe(schema, "additionalProperties", depth),
            names: self.maybe(schema, "propertyNames", depth),
            members: range(schema, "minProperties", "maxProperties"),
            length: range(schema, "minItems", "maxItems"),
            unique: schema.get("uniqueItems") == Some(&Value::Bool(true)),
            chars: range(schema, "minLength", "maxLength"),
            pattern: schema.get("pattern").and_then(pattern),
            format: schema
                .get("format")
                .and_then(Value::as_str)
                .map(str::to_owned),
            ..Rule::default()
        };
        self.members(schema, &mut rule, depth);
        self.places(schema, &mut rule, depth);
        numbers(schema, &mut rule);
        rule
    }

    fn members(&mut self, schema: &Map<String, Value>, rule: &mut Rule, depth: usize) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, one) in properties {
                let place = self.nested(one, depth);
                rule.properties.insert(name.clone(), place);
            }
        }
        if let Some(Value::Object(patterns)) = schema.get("patternProperties") {
            for (text, one) in patterns {
                match regex(text) {
                    Some(pattern) => {
                        let place = self.nested(one, depth);
                        rule.patterned.push((pattern, place));
                    }
                    // What it names is unknown, so that nothing can be said of what is left over.
                    None => rule.additional = None,
                }
            }
        }
    }

    fn places(&mut self, schema: &Map<String, Value>, rule: &mut Rule, depth: usize) {
        let rest = match schema.get("items") {
            Some(Value::Array(places)) => {
                rule.places = places.iter().map(|one| self.nested(one, depth)).collect();
                "additionalItems"
            }
            _ => {
                rule.places = self.several(schema, "prefixItems", depth);
                "items"
            }
        };
        rule.items = self.maybe(schema, rest, depth);
    }
}

fn numbers(schema: &Map<String, Value>, rule: &mut Rule) {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    rule.least = number("minimum");
    rule.most = number("maximum");
    rule.above = number("exclusiveMinimum");
    rule.below = number("exclusiveMaximum");
    rule.multiple = number("multipleOf").filter(|step| *step > 0.0);
}

/// `enum` or `const`.
fn values(schema: &Map<String, Value>) -> Option<Vec<Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(one), _) => Some(vec![one.clone()]),
        (None, Some(Value::Array(list))) => Some(list.clone()),
        _ => None,
    }
}

fn kinds(value: &Value) -> Kinds {
    let mut kinds = Kinds::default();
    let names: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for name in names {
        match name {
            "null" => kinds.null = true,
            "boolean" => kinds.boolean = true,
            "integer" => kinds.integer = true,
            "number" => kinds.number = true,
            "string" => kinds.text = true,
            "array" => kinds.array = true,
            "object" => kinds.object = true,
            _ => {}
        }
    }
    kinds
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn range(schema: &Map<String, Value>, from: &str, to: &str) -> Range<usize> {
    let end = |name: &str| {
        let size = schema.get(name)?.as_f64()?;
        (size >= 0.0).then_some(size as usize)
    };
    Range {
        from: end(from),
        to: end(to),
    }
}

fn pattern(value: &Value) -> Option<Regex> {
    value.as_str().and_then(regex)
}

/// JavaScript's pattern in our engine's words, or nothing where it has none for it.
fn regex(pattern: &str) -> Option<Regex> {
    let translated = pattern.replace("\\/", "/").replace("(?<", "(?P<");
    let translated = translated.replace("(?P<=", "(?<=").replace("(?P<!", "(?<!");
    regex::RegexBuilder::new(&translated)
        .size_limit(1 << 20)
        .build()
        .ok()
}
