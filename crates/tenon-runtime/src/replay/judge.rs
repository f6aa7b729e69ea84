//! Compares what a run did with what was recorded (functions.md, 5.6).

use std::fmt;

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{fixture::Fixture, host::Seen};

/// Most differences that are told; the first ones explain the rest.
const DIFFERENCES: usize = 10;

/// Longest text of a value in a difference.
const SHOWN_CHARS: usize = 160;

/// One place where two values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `output.items[0].name`.
    pub place: String,
    pub expected: Option<Value>,
    pub found: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(value) => shortened(&value.to_string()),
        };
        write!(
            formatter,
            "{}\n  - {}\n  + {}",
            self.place,
            shown(&self.expected),
            shown(&self.found)
        )
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Differences between the output of an action and the recorded one.
pub(super) fn output(fixture: &Fixture, output: &[u8]) -> Vec<Difference> {
    let mut comparison = Comparison::default();
    let expected = fixture.output().unwrap_or(&Value::Null);
    match serde_json::from_slice(output) {
        Ok(found) => comparison.values("output", expected, &found),
        Err(_) => comparison.add("output".to_owned(), Some(expected), None),
    }
    comparison.found
}

/// Differences between the records of a sync and the recorded ones.
pub(super) fn records(fixture: &Fixture, seen: &Seen) -> Vec<Difference> {
    let mut comparison = Comparison::default();
    let empty = Map::new();
    let expected = fixture.batches("batchSave").unwrap_or(&empty);
    for (model, records) in expected {
        comparison.values(
            &format!("batchSave.{model}"),
            records,
            &list(&seen.saved, model),
        );
    }
    for model in seen
        .saved
        .keys()
        .filter(|model| !expected.contains_key(*model))
    {
        comparison.add(
            format!("batchSave.{model}"),
            None,
            Some(&list(&seen.saved, model)),
        );
    }
    // Deletions count only where some were recorded.
    for (model, records) in fixture.batches("batchDelete").unwrap_or(&empty) {
        if records
            .as_array()
            .is_some_and(|records| !records.is_empty())
        {
            comparison.values(
                &format!("batchDelete.{model}"),
                records,
                &list(&seen.deleted, model),
            );
        }
    }
    comparison.found
}

fn list(records: &IndexMap<String, Vec<Bytes>>, model: &str) -> Value {
    let texts = records.get(model).into_iter().flatten();
    texts
        .map(|text| serde_json::from_slice(text).unwrap_or(Value::Null))
        .collect()
}

#[derive(Default)]
struct Comparison {
    found: Vec<Difference>,
}

impl Comparison {
    fn add(&mut self, place: String, expected: Option<&Value>, found: Option<&Value>) {
        if self.found.len() < DIFFERENCES {
            self.found.push(Difference {
                place,
                expected: expected.cloned(),
                found: found.cloned(),
            });
        }
    }

    fn values(&mut self, place: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => self.objects(place, expected, found),
            (Value::Array(expected), Value::Array(found)) => self.arrays(place, expected, found),
            // Numbers are doubles in JavaScript, on both sides.
            (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
            (a, b) if a == b => {}
            (expected, found) => self.add(place.to_owned(), Some(expected), Some(found)),
        }
    }

    fn objects(&mut self, place: &str, expected: &Map<String, Value>, found: &Map<String, Value>) {
        for (key, value) in expected {
            match found.get(key) {
                Some(other) => self.values(&below(place, key), value, other),
                None => self.add(below(place, key), Some(value), None),
            }
        }
        for (key, value) in found {
            if !expected.contains_key(key) {
                self.add(below(place, key), None, Some(value));
            }
        }
    }

    fn arrays(&mut self, place: &str, expected: &[Value], found: &[Value]) {
        for index in 0..expected.len().max(found.len()) {
            let place = format!("{place}[{index}]");
            match (expected.get(index), found.get(index)) {
                (Some(expected), Some(found)) => self.values(&place, expected, found),
                (expected, found) => self.add(place, expected, found),
            }
        }
    }
}

fn below(place: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        format!("{place}.{key}")
    } else {
        format!("{place}[{}]", Value::from(key))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Fixture, output};

    fn differences(expected: &str, found: &str) -> Vec<String> {
        let fixture = Fixture::parse(&format!(r#"{{"output":{expected}}}"#)).unwrap();
        output(&fixture, found.as_bytes())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn order_of_keys_and_form_of_numbers_do_not_count() {
        assert!(
            differences(
                r#"{"a":1.0,"b":12345678901234567890}"#,
                r#"{"b":12345678901234567000,"a":1}"#
            )
            .is_empty()
        );
    }

    #[test]
    fn differences_name_their_place() {
        assert_eq!(
            differences(
                r#"{"items":[{"a b":1},2]}"#,
                r#"{"items":[{"a b":"1"}],"more":null}"#
            ),
            [
                "output.items[0][\"a b\"]\n  - 1\n  + \"1\"",
                "output.items[1]\n  - 2\n  + nothing",
                "output.more\n  - nothing\n  + null",
            ]
        );
    }
}
