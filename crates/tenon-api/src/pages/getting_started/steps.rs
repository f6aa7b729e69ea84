//! The pieces that steps are made of.

use maud::{Markup, html};
use serde_json::Value;

use crate::pages::{access::Visitor, call::Called, layout::Mark};

/// Columns of the table of records.
const COLUMNS: usize = 3;

/// Characters of a cell.
const CELL_CHARS: usize = 60;

/// One step of four.
pub(super) struct Step<'a> {
    pub(super) id: &'a str,
    pub(super) number: u8,
    pub(super) title: &'a str,
    pub(super) mark: Mark,
    pub(super) text: &'a str,
    pub(super) code: Markup,
    /// What changes while one looks at it.
    pub(super) live: Markup,
}

/// A step as a panel: what it is for on the left, what happens on the right.
pub(super) fn panel(step: &Step<'_>) -> Markup {
    let word = match step.mark {
        Mark::Done => "done",
        Mark::Next => "next",
        Mark::Waiting => "later",
        Mark::Failed => "failed",
    };
    html! {
        section.panel.step id=(step.id) aria-labelledby={ (step.id) "-title" } {
            div.head {
                span.number aria-hidden="true" { (step.number) }
                h2 id={ (step.id) "-title" } { (step.title) }
                span data-live={ (step.id) "-mark" } { (step.mark.with(word)) }
            }
            div.told { p { (step.text) } (step.code) }
            div.live data-live=(step.id) { (step.live) }
        }
    }
}

/// The token that a form needs.
pub(super) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// An instant; our module turns it into the reader's own time.
pub(super) fn time(iso: &str) -> Markup {
    let clock = iso.get(11..19).unwrap_or(iso);
    html! { time datetime=(iso) title=(iso) { (clock) } }
}

/// `+2 ~6 −0`.
pub(super) fn counts(results: &Value) -> Markup {
    let count = |name: &str| results[name].as_u64().unwrap_or_default();
    let (added, updated, deleted) = (count("added"), count("updated"), count("deleted"));
    html! {
        span.counts title={ (added) " added, " (updated) " updated, " (deleted) " deleted" } {
            "+" (added) " ~" (updated) " −" (deleted)
        }
    }
}

/// How a call went, in one line.
pub(super) fn answer_line(called: &Called, what: &str) -> Markup {
    html! {
        p.answer {
            (Mark::Done.with(&called.status.to_string()))
            span { (what) " in " (called.millis) " ms" }
            (time(&called.at.iso_millis()))
        }
    }
}

/// A call that failed, with its code.
pub(super) fn failure(called: &Called) -> Markup {
    let error = &called.body["error"];
    let code = error["code"].as_str().unwrap_or("no answer");
    html! {
        div.notice.err role="alert" {
            p { strong { (code) } " (" (called.status) ")" @if let Some(message) = error["message"].as_str() { ": " (message) } }
            @if !called.body.is_null() { details { summary { "Whole answer" } (json_block(&called.body)) } }
        }
    }
}

/// Records as a table: id, the first members, what happened.
pub(super) fn records(records: &[Value]) -> Markup {
    let names: Vec<&String> = records
        .iter()
        .filter_map(Value::as_object)
        .find(|record| record.len() > 2)
        .map(|record| {
            let data = record
                .keys()
                .filter(|name| *name != "id" && *name != "_nango_metadata");
            data.take(COLUMNS).collect()
        })
        .unwrap_or_default();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Records" {
            table {
                thead { tr { th { "id" } @for name in &names { th { (name) } } th { "last action" } } }
                tbody {
                    @for record in records {
                        tr {
                            td { code { (cell(&record["id"])) } }
                            @for name in &names { td { (cell(&record[name.as_str()])) } }
                            td { (record["_nango_metadata"]["last_action"].as_str().unwrap_or_default().to_lowercase()) }
                        }
                    }
                }
            }
        }
        details { summary { "First record as JSON" } (json_block(records.first().unwrap_or(&Value::Null))) }
    }
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= CELL_CHARS {
        return text;
    }
    let start: String = text.chars().take(CELL_CHARS).collect();
    format!("{start}…")
}

/// JSON to read.
pub(super) fn json_block(value: &Value) -> Markup {
    html! { pre.json tabindex="0" { code { (pretty(value)) } } }
}

pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Names of an input's members and whether they are required.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&str, bool)> {
    let required = schema["required"].as_array();
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(move |(name, _)| {
            let is_required = required.is_some_and(|list| list.iter().any(|other| other == name));
            (name.as_str(), is_required)
        })
}

/// `dueDate` → `Due date`.
pub(super) fn sentence(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter == '_' || letter == '-' {
            text.push(' ');
        } else if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
            text.extend(letter.to_lowercase());
        } else if text.is_empty() {
            text.extend(letter.to_uppercase());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{properties, records, sentence};

    #[test]
    fn names_become_words() {
        for (name, words) in [
            ("title", "Title"),
            ("dueDate", "Due date"),
            ("due_date", "Due date"),
        ] {
            assert_eq!(sentence(name), words);
        }
    }

    #[test]
    fn a_schema_names_its_members() {
        let schema = json!({ "properties": { "a": {}, "b": {} }, "required": ["b"] });
        assert_eq!(
            properties(&schema).collect::<Vec<_>>(),
            [("a", false), ("b", true)]
        );
        assert_eq!(properties(&json!(null)).count(), 0);
    }

    #[test]
    fn text_of_records_is_escaped() {
        let html = records(&[
            json!({ "id": "1", "title": "<script>", "_nango_metadata": { "last_action": "ADDED" } }),
        ]);
        let html = html.into_string();
        assert!(
            html.contains("&lt;script&gt;") && html.contains("<td>added</td>"),
            "{html}"
        );
    }
}
