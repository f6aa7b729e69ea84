//! `tenon generate types`: TypeScript interfaces from the JSON schemas of all functions.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Folder;
use crate::ui;

const HELP: &str = "\
An app that reads records or calls actions imports these instead of the functions' own files.

Examples:
  tenon generate types                       to standard output
  tenon generate types -o ../app/models.ts";

/// Arguments of `tenon generate types`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let functions = super::compiled(&args.folder.root)?;
    // Two integrations may have a model of the same name; those get the integration's name in front.
    let mut models: BTreeMap<String, Vec<(String, &Value)>> = BTreeMap::new();
    for function in &functions {
        let definition = &function.definition;
        for (name, schema) in &definition.schemas {
            let same = models.entry(name.clone()).or_default();
            if !same.iter().any(|(_, known)| *known == schema) {
                same.push((definition.integration.clone(), schema));
            }
        }
    }
    let mut text = String::from("// Written by `tenon generate types`; changes here are lost.\n");
    for (name, schemas) in &models {
        for (integration, schema) in schemas {
            let name = if schemas.len() > 1 {
                identifier(&format!("{integration}_{name}"))
            } else {
                identifier(name)
            };
            let _ = write!(text, "\nexport type {name} = {};\n", of_schema(schema, 0));
        }
    }
    match &args.output {
        Some(path) => super::write(Path::new(""), path, &text),
        None => {
            ui::say(text.trim_end());
            Ok(())
        }
    }
}

fn identifier(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// The TypeScript type that a JSON schema describes.
pub(super) fn of_schema(schema: &Value, depth: usize) -> String {
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return union(values.iter().map(Value::to_string).collect());
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(parts) = schema[key].as_array() {
            return union(parts.iter().map(|part| of_schema(part, depth)).collect());
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts: Vec<String> = parts.iter().map(|part| of_schema(part, depth)).collect();
        return parts.join(" & ");
    }
    match &schema["type"] {
        Value::String(kind) => of_kind(kind, schema, depth),
        Value::Array(kinds) => union(
            kinds
                .iter()
                .map(|kind| of_kind(kind.as_str().unwrap_or_default(), schema, depth))
                .collect(),
        ),
        _ => "unknown".to_owned(),
    }
}

fn of_kind(kind: &str, schema: &Value, depth: usize) -> String {
    match kind {
        "string" => "string".to_owned(),
        "number" | "integer" => "number".to_owned(),
        "boolean" => "boolean".to_owned(),
        "null" => "null".to_owned(),
        "array" => array(schema, depth),
        "object" => object(schema, depth),
        _ => "unknown".to_owned(),
    }
}

fn array(schema: &Value, depth: usize) -> String {
    let tuple = schema["items"]
        .as_array()
        .or_else(|| schema["prefixItems"].as_array());
    if let Some(parts) = tuple {
        let parts: Vec<String> = parts.iter().map(|part| of_schema(part, depth)).collect();
        return format!("[{}]", parts.join(", "));
    }
    let item = of_schema(&schema["items"], depth);
    if item.contains(' ') && !item.starts_with('{') {
        format!("({item})[]")
    } else {
        format!("{item}[]")
    }
}

fn object(schema: &Value, depth: usize) -> String {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let inner = "    ".repeat(depth + 1);
    let mut text = String::from("{\n");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(description) = property["description"].as_str() {
            let line = description.replace("*/", "* /").replace('\n', " ");
            let _ = writeln!(text, "{inner}/** {line} */");
        }
        let mark = if required.contains(&name.as_str()) {
            ""
        } else {
            "?"
        };
        let kind = of_schema(property, depth + 1);
        let _ = writeln!(text, "{inner}{}{mark}: {kind};", key(name));
    }
    let more = &schema["additionalProperties"];
    if more.is_object() && text == "{\n" {
        return format!("Record<string, {}>", of_schema(more, depth));
    }
    if text == "{\n" {
        return "Record<string, unknown>".to_owned();
    }
    text.push_str(&"    ".repeat(depth));
    text.push('}');
    text
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

fn union(parts: Vec<String>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for part in parts {
        if !unique.contains(&part) {
            unique.push(part);
        }
    }
    unique.join(" | ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of_schema;

    #[test]
    fn schemas_become_types() {
        for (schema, expected) in [
            (json!({ "type": "string", "format": "date-time" }), "string"),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
                "string | null",
            ),
            (
                json!({ "type": "array", "items": { "enum": ["a", "b"] } }),
                "(\"a\" | \"b\")[]",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "number" } }),
                "Record<string, number>",
            ),
            (json!({}), "unknown"),
            (
                json!({ "type": "object", "properties": { "id": { "type": "string" }, "a-b": { "type": ["integer", "null"] } }, "required": ["id"] }),
                "{\n    id: string;\n    \"a-b\"?: number | null;\n}",
            ),
        ] {
            assert_eq!(of_schema(&schema, 0), expected);
        }
    }
}
