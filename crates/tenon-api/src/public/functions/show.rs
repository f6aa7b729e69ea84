//! A function on the wire.

use serde_json::{Map, Value, json};
use tenon_store::work::functions::FunctionRow;

/// As lists and single answers show it; members that its type does not have are absent.
pub(super) fn function(row: &FunctionRow) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("name", json!(row.name));
    put("type", json!(row.kind));
    if let Some(description) = metadata(row).get("description") {
        put("description", description.clone());
    }
    if row.kind == "on-event" {
        put("event", json!(row.event));
    } else {
        if let Some(input) = &row.input {
            put("input", json!(input));
        }
        put("returns", json!(row.models));
        if let Some(schema) = schema(row) {
            put("json_schema", schema);
        }
    }
    if row.kind == "sync" {
        put("runs", json!(row.runs));
        put("auto_start", json!(row.auto_start));
        put("track_deletes", json!(row.track_deletes));
    }
    put("id", json!(row.pk.0));
    put("enabled", json!(row.enabled));
    put("last_deployed", json!(row.created_at.iso_millis()));
    put("source", json!(row.source));
    Value::Object(shown)
}

/// `{description?, scopes?}` as deployed.
pub(super) fn metadata(row: &FunctionRow) -> Map<String, Value> {
    serde_json::from_str(&row.metadata).unwrap_or_default()
}

/// `{definitions}` as deployed.
pub(super) fn schema(row: &FunctionRow) -> Option<Value> {
    let text = row.models_json_schema.as_deref()?;
    serde_json::from_str(text).ok()
}
