//! `models` of nango.yaml as zod schemas.

use std::collections::HashSet;

use anyhow::bail;
use serde_json::{Map, Value};

const HEAD: &str = "import { z } from 'zod';
import type { createAction, createSync, ProxyConfiguration } from 'nango';

export type NangoSync = Parameters<Parameters<typeof createSync>[0]['exec']>[0];
export type NangoAction = Parameters<Parameters<typeof createAction>[0]['exec']>[0];
export type { ProxyConfiguration };
";

/// Deepest nesting of types.
const DEPTH: usize = 32;

/// The text of models.ts.
pub(super) fn write(models: &Map<String, Value>) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    let mut written = HashSet::new();
    let known: HashSet<&str> = models.keys().map(String::as_str).collect();
    for name in in_order(models) {
        if !is_identifier(name) {
            bail!("`{name}` is not a name for a model");
        }
        let scope = Scope {
            known: &known,
            written: &written,
        };
        let schema = scope.fields(&models[name], 0)?;
        text.push_str(&format!(
            "\nexport const {name} = {schema};\nexport type {name} = z.infer<typeof {name}>;\n"
        ));
        written.insert(name);
    }
    Ok(text)
}

/// Models behind those that they use, as far as there are no circles.
fn in_order(models: &Map<String, Value>) -> Vec<&str> {
    fn visit<'m>(
        name: &'m str,
        models: &'m Map<String, Value>,
        seen: &mut HashSet<&'m str>,
        order: &mut Vec<&'m str>,
    ) {
        if !seen.insert(name) {
            return;
        }
        let text = models[name].to_string();
        for (other, _) in models {
            if other != name && words(&text).any(|word| word == other) {
                visit(other, models, seen, order);
            }
        }
        order.push(name);
    }
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for name in models.keys() {
        visit(name, models, &mut seen, &mut order);
    }
    order
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Which models there are, and which stand above already.
struct Scope<'s> {
    known: &'s HashSet<&'s str>,
    written: &'s HashSet<&'s str>,
}

impl Scope<'_> {
    fn fields(&self, value: &Value, depth: usize) -> anyhow::Result<String> {
        if depth > DEPTH {
            bail!("models are nested too deeply");
        }
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Array(items) => {
                let items: Result<Vec<String>, _> = items
                    .iter()
                    .map(|item| self.fields(item, depth + 1))
                    .collect();
                return Ok(format!("z.tuple([{}])", items?.join(", ")));
            }
            Value::String(text) => return self.kind(text, depth),
            Value::Null => return Ok("z.null()".to_owned()),
            other => return Ok(format!("z.literal({other})")),
        };
        let indent = "    ".repeat(depth + 1);
        let mut lines = Vec::new();
        let mut rest = String::new();
        let mut bases = Vec::new();
        for (name, value) in fields {
            match name.as_str() {
                "__extends" => bases = super::yaml::texts(Some(value)),
                "__string" => rest = format!(".catchall({})", self.fields(value, depth + 1)?),
                name => {
                    let (name, optional) = match name.strip_suffix('?') {
                        Some(name) => (name, ".optional()"),
                        None => (name, ""),
                    };
                    let key = if is_identifier(name) {
                        name.to_owned()
                    } else {
                        Value::from(name).to_string()
                    };
                    lines.push(format!(
                        "{indent}{key}: {}{optional}",
                        self.fields(value, depth + 1)?
                    ));
                }
            }
        }
        let inner = if lines.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{\n{}\n{}}}", lines.join(",\n"), "    ".repeat(depth))
        };
        let Some((first, others)) = bases.split_first() else {
            return Ok(format!("z.object({inner}){rest}"));
        };
        let others: String = others
            .iter()
            .map(|base| format!(".extend({base}.shape)"))
            .collect();
        Ok(format!("{first}{others}.extend({inner}){rest}"))
    }

    fn kind(&self, text: &str, depth: usize) -> anyhow::Result<String> {
        let text = text.trim();
        if depth > DEPTH {
            bail!("models are nested too deeply");
        }
        let parts = split(text, '|');
        if parts.len() > 1 {
            let parts: Result<Vec<String>, _> = parts
                .iter()
                .map(|part| self.kind(part, depth + 1))
                .collect();
            return Ok(format!("z.union([{}])", parts?.join(", ")));
        }
        if let Some(item) = text.strip_suffix("[]") {
            return Ok(format!("z.array({})", self.kind(item, depth + 1)?));
        }
        if let Some(inner) = text
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            return self.kind(inner, depth + 1);
        }
        if let Some(item) = generic(text, "Array") {
            return Ok(format!("z.array({})", self.kind(item, depth + 1)?));
        }
        if let Some(pair) = generic(text, "Record") {
            let parts = split(pair, ',');
            let value = parts.last().map_or("any", String::as_str);
            return Ok(format!(
                "z.record(z.string(), {})",
                self.kind(value, depth + 1)?
            ));
        }
        if let Some(item) = generic(text, "Partial") {
            return Ok(format!("{}.partial()", self.kind(item, depth + 1)?));
        }
        Ok(match text {
            "string" | "char" | "varchar" => "z.string()".to_owned(),
            "number" | "int" | "integer" | "float" | "bigint" => "z.number()".to_owned(),
            "boolean" | "bool" => "z.boolean()".to_owned(),
            "date" | "Date" => "z.date()".to_owned(),
            "null" => "z.null()".to_owned(),
            "undefined" => "z.undefined()".to_owned(),
            "void" => "z.void()".to_owned(),
            "any" => "z.any()".to_owned(),
            "unknown" => "z.unknown()".to_owned(),
            "never" => "z.never()".to_owned(),
            "object" => "z.record(z.string(), z.any())".to_owned(),
            "true" | "false" => format!("z.literal({text})"),
            name if self.known.contains(name) && self.written.contains(name) => name.to_owned(),
            // A model that stands below, or around: circles are allowed.
            name if self.known.contains(name) => format!("z.lazy((): z.ZodTypeAny => {name})"),
            number if number.parse::<f64>().is_ok() => format!("z.literal({number})"),
            literal => {
                let bare = literal.trim_matches(['\'', '"']);
                format!("z.literal({})", Value::from(bare))
            }
        })
    }
}

fn generic<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?
        .strip_prefix('<')?
        .strip_suffix('>')
}

/// Parts between separators that stand in no brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for c in text.chars() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if c == separator && depth == 0 {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .collect()
}

/// The schema of an `input` or `output`: a model, or a type in place.
pub(super) fn schema_of(text: &str) -> anyhow::Result<String> {
    let none = HashSet::new();
    let scope = Scope {
        known: &none,
        written: &none,
    };
    let (inner, is_list) = match text.trim().strip_suffix("[]") {
        Some(inner) => (inner, true),
        None => (text.trim(), false),
    };
    let is_model = inner.starts_with(|c: char| c.is_ascii_uppercase())
        && is_identifier(inner)
        && inner != "Date";
    let schema = if is_model {
        format!("schemas.{inner}")
    } else {
        scope.kind(inner, 0)?
    };
    Ok(if is_list {
        format!("z.array({schema})")
    } else {
        schema
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{schema_of, write};

    #[test]
    fn models_become_schemas() {
        let models = json!({
            "Issue": { "__extends": "Base", "title": "string", "labels?": "Label[]", "state": "open | closed", "meta": { "a-b": "number | null" } },
            "Base": { "id": "string", "at": "date" },
            "Label": { "name": "string", "parent?": "Label | null", "__string": "any" },
        });
        let text = write(models.as_object().unwrap()).unwrap();
        for part in [
            "export const Issue = Base.extend({\n    title: z.string(),\n    labels: z.array(Label).optional(),\n    state: z.union([z.literal(\"open\"), z.literal(\"closed\")]),\n    meta: z.object({\n        \"a-b\": z.union([z.number(), z.null()])\n    })\n});\n",
            "export const Base = z.object({\n    id: z.string(),\n    at: z.date()\n});\nexport type Base = z.infer<typeof Base>;\n",
            "parent: z.union([z.lazy((): z.ZodTypeAny => Label), z.null()]).optional()\n}).catchall(z.any());\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let place = |name: &str| text.find(&format!("const {name} ")).unwrap();
        assert!(place("Base") < place("Issue") && place("Label") < place("Issue"));
    }

    #[test]
    fn inputs_are_models_or_types() {
        for (text, expected) in [
            ("Issue", "schemas.Issue"),
            ("Issue[]", "z.array(schemas.Issue)"),
            ("string", "z.string()"),
            ("Record<string, number>", "z.record(z.string(), z.number())"),
        ] {
            assert_eq!(schema_of(text).unwrap(), expected);
        }
    }
}
