//! Keys that nobody reads, and values of the wrong kind.

use serde_json::{Map, Value};

use super::Report;
use crate::{Provider, load, nearest, schema};

/// Most values of the wrong kind that are reported of one entry.
const WRONG_VALUES: usize = 50;

/// Names keys that nobody reads, with the one that was probably meant.
pub(super) fn check(report: &mut Report<'_>, entry: &str, own: &Map<String, Value>) {
    members(report, entry, "", own, schema::definition("provider"));
}

fn members(
    report: &mut Report<'_>,
    entry: &str,
    path: &str,
    object: &Map<String, Value>,
    schema: &'static Value,
) {
    let known = schema::keys(schema);
    for (key, value) in object {
        let at = join(path, key);
        if let Some(known) = known
            && !known.contains_key(key)
        {
            let near = nearest(key, known.keys().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            report.warn(entry, &at, "nobody reads this key", hint.as_deref());
            continue;
        }
        if let Some(schema) = schema::member(schema, key) {
            inside(report, entry, &at, value, schema);
        }
    }
}

fn inside(report: &mut Report<'_>, entry: &str, path: &str, value: &Value, schema: &'static Value) {
    match value {
        Value::Object(object) => members(report, entry, path, object, schema),
        Value::Array(list) => {
            let Some(schema) = schema::items(schema) else {
                return;
            };
            for (index, item) in list.iter().enumerate() {
                inside(report, entry, &format!("{path}.{index}"), item, schema);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Types an entry. Each value that makes no sense is reported and left out, so that the next one is found.
pub(super) fn typed(
    report: &mut Report<'_>,
    entry: &str,
    mut raw: Map<String, Value>,
) -> Option<Provider> {
    for _ in 0..WRONG_VALUES {
        let (key, reason) = match load::typed(entry, raw.clone()) {
            Ok(provider) => return Some(provider),
            Err(wrong) => wrong,
        };
        let key = key.replace('[', ".").replace(']', "");
        let shown = if key == "." { "" } else { &key };
        report.error(entry, shown, &reason, None);
        if !remove(&mut raw, shown) {
            return None;
        }
    }
    None
}

/// Takes out the value at a path, or the whole top-level key around it.
fn remove(raw: &mut Map<String, Value>, path: &str) -> bool {
    let Some((parents, last)) = path.rsplit_once('.') else {
        return raw.shift_remove(path).is_some();
    };
    let mut steps = parents.split('.');
    let first = steps.next().and_then(|step| raw.get_mut(step));
    let parent = steps.fold(first, |value, step| match value? {
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        other => other.get_mut(step),
    });
    let removed = parent
        .and_then(Value::as_object_mut)
        .is_some_and(|parent| parent.shift_remove(last).is_some());
    removed
        || raw
            .shift_remove(path.split('.').next().unwrap_or_default())
            .is_some()
}
