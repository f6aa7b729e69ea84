//! The JSON Schema of provider files, and what it says about keys.

use std::sync::LazyLock;

use serde_json::{Map, Value};

/// The schema as it is published (docs/reference/provider.schema.json): a map from names to entries.
pub const SCHEMA: &str = include_str!("../../../docs/reference/provider.schema.json");

static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(SCHEMA).expect("a test reads it");
    match schema["definitions"].take() {
        Value::Object(definitions) => definitions,
        _ => unreachable!("a test reads it"),
    }
});

/// One definition of the schema, for instance `provider`.
pub(crate) fn definition(name: &str) -> &'static Value {
    DEFINITIONS.get(name).unwrap_or(&Value::Null)
}

/// The schema of a member, with references followed; nothing where anything may stand.
pub(crate) fn member(schema: &'static Value, key: &str) -> Option<&'static Value> {
    let own = schema.get("properties").and_then(|keys| keys.get(key));
    let any = schema.get("additionalProperties");
    followed(own.or(any)?)
}

/// The schema of the items of a list.
pub(crate) fn items(schema: &'static Value) -> Option<&'static Value> {
    followed(schema.get("items")?)
}

/// The keys that an object may have; nothing where it may have any.
pub(crate) fn keys(schema: &'static Value) -> Option<&'static Map<String, Value>> {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    schema.get("properties")?.as_object().filter(|_| closed)
}

/// Behind `$ref` and behind the `null` that takes an inherited key away.
fn followed(schema: &'static Value) -> Option<&'static Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return Some(definition(reference.strip_prefix("#/definitions/")?));
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(sides) => sides
            .iter()
            .find_map(|side| followed(side).filter(|side| side.get("properties").is_some()))
            .or_else(|| {
                sides.iter().find_map(|side| {
                    followed(side).filter(|side| side.get("additionalProperties").is_some())
                })
            }),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests;
