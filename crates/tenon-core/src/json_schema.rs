//! JSON Schema (draft 7), as far as schemas of functions use it: the words that zod writes, and what people add by hand.
//!
//! Unknown words mean nothing, patterns in a dialect that we do not speak are not looked at, and a `$ref` that leads
//! nowhere allows everything: a schema never refuses what it does not clearly refuse.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use regex::Regex;
use serde_json::{Map, Value};

mod format;

/// Deepest nesting that is looked at: schemas may refer to themselves.
const DEPTH: usize = 64;

/// Most violations that one check tells; the first ones explain the rest.
const VIOLATIONS: usize = 50;

/// Longest text that a pattern is tried on.
const PATTERN_TEXT_BYTES: usize = 64 * 1024;

/// One place where a value is not what the schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `/items/0/name`; empty for the value itself.
    pub place: String,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, message } = self;
        if place.is_empty() {
            formatter.write_str(message)
        } else {
            write!(formatter, "{place} {message}")
        }
    }
}

/// A schema with its definitions, ready to check many values.
#[derive(Debug)]
pub struct JsonSchema {
    root: Value,
    patterns: Mutex<HashMap<String, Option<Arc<Regex>>>>,
}

impl JsonSchema {
    /// A schema; `#/...` references lead into `root`.
    pub fn new(root: Value) -> Self {
        Self {
            root,
            patterns: Mutex::default(),
        }
    }

    /// Everything that is wrong with a value; nothing if it fits.
    pub fn check(&self, value: &Value) -> Vec<Violation> {
        let mut check = Check {
            schema: self,
            found: Vec::new(),
        };
        check.value(&self.root, value, "", 0);
        check.found
    }

    /// Whether a value fits.
    pub fn fits(&self, value: &Value) -> bool {
        self.check(value).is_empty()
    }

    fn pattern(&self, text: &str) -> Option<Arc<Regex>> {
        let mut patterns = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = || Regex::new(text).ok().map(Arc::new);
        patterns
            .entry(text.to_owned())
            .or_insert_with(compiled)
            .clone()
    }
}

/// Whether a number keeps to a limit.
type Holds = fn(f64, f64) -> bool;

struct Check<'s> {
    schema: &'s JsonSchema,
    found: Vec<Violation>,
}

impl Check<'_> {
    fn complain(&mut self, place: &str, message: impl Into<String>) {
        if self.found.len() < VIOLATIONS {
            self.found.push(Violation {
                place: place.to_owned(),
                message: message.into(),
            });
        }
    }

    fn fits(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        let mut inner = Check {
            schema: self.schema,
            found: Vec::new(),
        };
        inner.value(schema, value, "", depth);
        inner.found.is_empty()
    }

    fn value(&mut self, schema: &Value, value: &Value, place: &str, depth: usize) {
        if depth > DEPTH {
            return;
        }
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return self.complain(place, "is not allowed"),
            _ => return,
        };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target
                .strip_prefix('#')
                .and_then(|path| self.schema.root.pointer(path));
            if let Some(target) = target.cloned() {
                self.value(&target, value, place, depth + 1);
            }
            return;
        }
        if !self.kind(schema, value, place) {
            return;
        }
        self.choices(schema, value, place, depth);
        match value {
            Value::String(text) => self.text(schema, text, place),
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or(0.0), place),
            Value::Array(items) => self.array(schema, items, place, depth),
            Value::Object(fields) => self.object(schema, fields, place, depth),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// `type`, `const` and `enum`; whether the rest makes sense to look at.
    fn kind(&mut self, schema: &Map<String, Value>, value: &Value, place: &str) -> bool {
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(value, kind)) {
            self.complain(
                place,
                format!("must be {}, not {}", kinds.join(" or "), name(value)),
            );
            return false;
        }
        if let Some(only) = schema.get("const")
            && !same(only, value)
        {
            self.complain(place, format!("must be {only}"));
            return false;
        }
        if let Some(Value::Array(choices)) = schema.get("enum")
            && !choices.iter().any(|choice| same(choice, value))
        {
            let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
            self.complain(place, format!("must be one of {}", choices.join(", ")));
            return false;
        }
        true
    }

    fn choices(&mut self, schema: &Map<String, Value>, value: &Value, place: &str, depth: usize) {
        for part in list(schema, "allOf") {
            self.value(part, value, place, depth + 1);
        }
        let any = list(schema, "anyOf");
        if !any.is_empty() && !any.iter().any(|part| self.fits(part, value, depth + 1)) {
            self.nearest(any, value, place, depth);
        }
        let one = list(schema, "oneOf");
        if !one.is_empty() {
            match one
                .iter()
                .filter(|part| self.fits(part, value, depth + 1))
                .count()
            {
                0 => self.nearest(one, value, place, depth),
                1 => {}
                _ => self.complain(place, "fits more than one of the allowed forms"),
            }
        }
        if let Some(not) = schema.get("not")
            && self.fits(not, value, depth + 1)
        {
            self.complain(place, "has a form that is not allowed");
        }
    }

    /// Complains as the only form of the right type would, so that the words are about the value.
    fn nearest(&mut self, forms: &[Value], value: &Value, place: &str, depth: usize) {
        let alike: Vec<&Value> = forms
            .iter()
            .filter(|form| form["type"].as_str().is_some_and(|kind| is_of(value, kind)))
            .collect();
        match alike.as_slice() {
            [only] => self.value(only, value, place, depth + 1),
            _ => self.complain(place, "fits none of the allowed forms"),
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, place: &str) {
        let chars = text.chars().count();
        if let Some(least) = count(schema, "minLength").filter(|least| chars < *least) {
            self.complain(place, format!("must have at least {least} characters"));
        }
        if let Some(most) = count(schema, "maxLength").filter(|most| chars > *most) {
            self.complain(place, format!("must have at most {most} characters"));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && text.len() <= PATTERN_TEXT_BYTES
            && self
                .schema
                .pattern(pattern)
                .is_some_and(|regex| !regex.is_match(text))
        {
            self.complain(place, format!("must match {pattern}"));
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && !format::fits(format, text)
        {
            self.complain(place, format!("must be of format {format}"));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, number: f64, place: &str) {
        let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
        let rules: [(&str, Holds, &str); 4] = [
            ("minimum", |n, limit| n >= limit, "at least"),
            ("maximum", |n, limit| n <= limit, "at most"),
            ("exclusiveMinimum", |n, limit| n > limit, "above"),
            ("exclusiveMaximum", |n, limit| n < limit, "below"),
        ];
        for (key, holds, words) in rules {
            if let Some(limit) = limit(key).filter(|limit| !holds(number, *limit)) {
                self.complain(place, format!("must be {words} {limit}"));
            }
        }
        if let Some(step) = limit("multipleOf").filter(|step| *step > 0.0) {
            let steps = number / step;
            if (steps - steps.round()).abs() > 1e-9 * steps.abs().max(1.0) {
                self.complain(place, format!("must be a multiple of {step}"));
            }
        }
    }

    fn array(&mut self, schema: &Map<String, Value>, items: &[Value], place: &str, depth: usize) {
        if let Some(least) = count(schema, "minItems").filter(|least| items.len() < *least) {
            self.complain(place, format!("must have at least {least} items"));
        }
        if let Some(most) = count(schema, "maxItems").filter(|most| items.len() > *most) {
            self.complain(place, format!("must have at most {most} items"));
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true))
            && items
                .iter()
                .enumerate()
                .any(|(index, item)| items[..index].iter().any(|other| same(other, item)))
        {
            self.complain(place, "must not hold an item twice");
        }
        let tuple = [list(schema, "prefixItems"), list(schema, "items")].concat();
        let rest = match schema.get("items") {
            Some(Value::Array(_)) => schema.get("additionalItems"),
            items => items,
        };
        for (index, item) in items.iter().enumerate() {
            if let Some(form) = tuple.get(index).or(rest) {
                self.value(form, item, &format!("{place}/{index}"), depth + 1);
            }
        }
    }

    fn object(
        &mut self,
        schema: &Map<String, Value>,
        fields: &Map<String, Value>,
        place: &str,
        depth: usize,
    ) {
        for key in list(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(key) {
                self.complain(place, format!("must have `{key}`"));
            }
        }
        if let Some(least) = count(schema, "minProperties").filter(|least| fields.len() < *least) {
            self.complain(place, format!("must have at least {least} fields"));
        }
        if let Some(most) = count(schema, "maxProperties").filter(|most| fields.len() > *most) {
            self.complain(place, format!("must have at most {most} fields"));
        }
        let empty = Map::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        for (key, field) in fields {
            let inner = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
            if let Some(names) = schema.get("propertyNames") {
                self.value(names, &Value::from(key.as_str()), &inner, depth + 1);
            }
            let mut told = false;
            if let Some(form) = known.get(key) {
                told = true;
                self.value(form, field, &inner, depth + 1);
            }
            for (pattern, form) in patterns.into_iter().flatten() {
                if self
                    .schema
                    .pattern(pattern)
                    .is_some_and(|regex| regex.is_match(key))
                {
                    told = true;
                    self.value(form, field, &inner, depth + 1);
                }
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if !told => {
                    self.complain(place, format!("must not have `{key}`"));
                }
                Some(form) if !told => self.value(form, field, &inner, depth + 1),
                _ => {}
            }
        }
    }
}

fn list<'v>(schema: &'v Map<String, Value>, key: &str) -> &'v [Value] {
    schema
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn count(schema: &Map<String, Value>, key: &str) -> Option<usize> {
    usize::try_from(schema.get(key)?.as_u64()?).ok()
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Equal as JavaScript sees it: numbers are doubles.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let there = |(key, value)| b.get(key).is_some_and(|other| same(value, other));
            a.len() == b.len() && a.iter().all(there)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::JsonSchema;

    fn check(schema: Value, value: &Value) -> Vec<String> {
        let found = JsonSchema::new(schema).check(value);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_fits_is_not_refused() {
        let schema = json!({
            "type": "object",
            "properties": {
                "id": { "type": "string", "minLength": 1 },
                "at": { "type": "string", "format": "date-time" },
                "tags": { "type": "array", "items": { "enum": ["a", "b"] } },
                "parent": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] },
                "size": { "type": "integer", "minimum": 0 },
            },
            "required": ["id"],
            "additionalProperties": false,
        });
        let value = json!({ "id": "1", "at": "2026-01-02T03:04:05.678Z", "tags": ["a"], "size": 2.0,
            "parent": { "id": "0", "parent": null } });
        assert_eq!(check(schema, &value), Vec::<String>::new());
    }

    #[test]
    fn violations_name_place_and_rule() {
        for (schema, value, expected) in [
            (
                json!({ "type": "string" }),
                json!(1),
                "must be string, not number",
            ),
            (
                json!({ "type": ["string", "null"] }),
                json!([]),
                "must be string or null, not array",
            ),
            (json!({ "required": ["a"] }), json!({}), "must have `a`"),
            (
                json!({ "properties": { "a/b": { "type": "null" } } }),
                json!({ "a/b": 0 }),
                "/a~1b must be null, not number",
            ),
            (
                json!({ "additionalProperties": false }),
                json!({ "x": 1 }),
                "must not have `x`",
            ),
            (
                json!({ "items": { "minLength": 2 } }),
                json!(["ab", "c"]),
                "/1 must have at least 2 characters",
            ),
            (
                json!({ "items": [{}, false] }),
                json!([1, 2]),
                "/1 is not allowed",
            ),
            (
                json!({ "enum": [1, "a"] }),
                json!("b"),
                "must be one of 1, \"a\"",
            ),
            (json!({ "const": 1 }), json!(2), "must be 1"),
            (
                json!({ "exclusiveMaximum": 3 }),
                json!(3),
                "must be below 3",
            ),
            (
                json!({ "multipleOf": 0.1 }),
                json!(0.25),
                "must be a multiple of 0.1",
            ),
            (
                json!({ "uniqueItems": true }),
                json!([1, 1.0]),
                "must not hold an item twice",
            ),
            (
                json!({ "format": "uuid" }),
                json!("x"),
                "must be of format uuid",
            ),
            (json!({ "pattern": "^a+$" }), json!("b"), "must match ^a+$"),
            (
                json!({ "not": { "type": "null" } }),
                json!(null),
                "has a form that is not allowed",
            ),
            (
                json!({ "anyOf": [{ "type": "object", "required": ["a"] }, { "type": "null" }] }),
                json!({}),
                "must have `a`",
            ),
            (
                json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }),
                json!(1),
                "fits none of the allowed forms",
            ),
        ] {
            assert_eq!(check(schema, &value), [expected]);
        }
    }

    #[test]
    fn what_is_not_understood_refuses_nothing() {
        for schema in [
            json!({ "pattern": "(?=lookahead)" }),
            json!({ "$ref": "#/definitions/Nowhere" }),
            json!({ "format": "of-tomorrow", "type": "thing" }),
            json!({ "$ref": "#" }),
            json!(true),
        ] {
            assert!(check(schema, &json!("text")).is_empty());
        }
    }
}
