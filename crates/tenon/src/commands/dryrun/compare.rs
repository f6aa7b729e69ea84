//! `--diff`: what this run would change in the records that the server has stored.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::{Args, host::Done, lines::last_of_each};
use crate::{
    commands::{
        compile::CompiledFunction,
        server::{Client, Request, segment},
    },
    ui,
};

/// Differences that are shown per model.
const SHOWN: usize = 20;

/// Longest text of a value in a difference.
const VALUE_CHARS: usize = 100;

pub(super) async fn against_stored(
    client: &Client,
    args: &Args,
    function: &CompiledFunction,
    done: &Done,
) -> anyhow::Result<()> {
    for model in &function.definition.models {
        let stored = stored(client, args, &function.entry.integration, model).await?;
        let none = Vec::new();
        let saved = done.saved.get(model).unwrap_or(&none);
        let deleted = done.deleted.get(model).unwrap_or(&none);
        let lines = compare(&stored, &last_of_each(saved), deleted);
        ui::say(format!(
            "{model}, beside {} stored records: {}",
            stored.len(),
            lines.summary()
        ));
        for line in lines.details.iter().take(SHOWN) {
            ui::say(format!("  {line}"));
        }
        if lines.details.len() > SHOWN {
            ui::say(format!("  … {} more", lines.details.len() - SHOWN));
        }
    }
    Ok(())
}

/// Every record of a model that is not deleted, by id.
async fn stored(
    client: &Client,
    args: &Args,
    integration: &str,
    model: &str,
) -> anyhow::Result<HashMap<String, Value>> {
    let model = match args.variant.as_str() {
        "base" => model.to_owned(),
        variant => format!("{model}::{variant}"),
    };
    let mut found = HashMap::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut path = format!("/records?model={}&limit=1000", segment(&model));
        if let Some(cursor) = &cursor {
            path = format!("{path}&cursor={}", segment(cursor));
        }
        let request = Request::get(path)
            .header("connection-id", args.connection.as_str())
            .header("provider-config-key", integration);
        let mut page: Value = client
            .ask(request)
            .await
            .with_context(|| format!("records of `{model}`"))?;
        let Value::Array(records) = page["records"].take() else {
            return Ok(found);
        };
        for record in records {
            let gone = record["_nango_metadata"]["deleted_at"].is_string();
            if !gone {
                found.insert(id(&record), record);
            }
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

#[derive(Default)]
struct Lines {
    added: usize,
    changed: usize,
    deleted: usize,
    same: usize,
    /// Stored, and not touched by this run.
    unseen: usize,
    details: Vec<String>,
}

impl Lines {
    fn summary(&self) -> String {
        format!(
            "{} added, {} changed, {} deleted, {} unchanged, {} not seen",
            self.added, self.changed, self.deleted, self.same, self.unseen
        )
    }
}

fn compare(stored: &HashMap<String, Value>, saved: &[&Value], deleted: &[Value]) -> Lines {
    let mut lines = Lines::default();
    for record in saved {
        let id = id(record);
        let Some(before) = stored.get(&id) else {
            lines.added += 1;
            lines.details.push(format!("+ {id}"));
            continue;
        };
        let fields = fields(before, record);
        if fields.is_empty() {
            lines.same += 1;
        } else {
            lines.changed += 1;
            lines.details.push(format!("~ {id}  {}", fields.join("; ")));
        }
    }
    let saved: Vec<String> = saved.iter().map(|record| id(record)).collect();
    for record in deleted {
        let id = id(record);
        if stored.contains_key(&id) {
            lines.deleted += 1;
            lines.details.push(format!("- {id}"));
        }
    }
    let deleted: Vec<String> = deleted.iter().map(id).collect();
    lines.unseen = stored
        .keys()
        .filter(|id| !saved.contains(id) && !deleted.contains(id))
        .count();
    lines
}

/// `name: "a" → "b"` for each field of the record that differs.
fn fields(before: &Value, after: &Value) -> Vec<String> {
    let empty = Map::new();
    let before = before.as_object().unwrap_or(&empty);
    let after = after.as_object().unwrap_or(&empty);
    let mut keys: Vec<&String> = after.keys().collect();
    keys.extend(before.keys().filter(|key| !after.contains_key(*key)));
    keys.into_iter()
        .filter(|key| *key != "_nango_metadata" && *key != "id")
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            format!(
                "{key}: {} → {}",
                shown(before.get(key)),
                shown(after.get(key))
            )
        })
        .collect()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(
        || "nothing".to_owned(),
        |value| super::lines::shortened(&value.to_string(), VALUE_CHARS),
    )
}

fn id(record: &Value) -> String {
    match &record["id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::compare;

    #[test]
    fn differences_are_counted_and_named() {
        let stored = HashMap::from([
            (
                "1".to_owned(),
                json!({ "id": "1", "name": "a", "_nango_metadata": { "cursor": "x" } }),
            ),
            ("2".to_owned(), json!({ "id": "2", "name": "b" })),
            ("3".to_owned(), json!({ "id": "3" })),
            ("4".to_owned(), json!({ "id": "4" })),
        ]);
        let saved = [
            json!({ "id": "1", "name": "a" }),
            json!({ "id": "2", "name": "c", "x": 1 }),
            json!({ "id": "5" }),
        ];
        let saved: Vec<_> = saved.iter().collect();
        let lines = compare(&stored, &saved, &[json!({ "id": "3" })]);
        assert_eq!(
            lines.summary(),
            "1 added, 1 changed, 1 deleted, 1 unchanged, 1 not seen"
        );
        assert_eq!(
            lines.details,
            ["~ 2  name: \"b\" → \"c\"; x: nothing → 1", "+ 5", "- 3"]
        );
    }
}
