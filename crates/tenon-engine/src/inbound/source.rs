//! Reading what provider data points at.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tenon_providers::webhook::{Condition, Decode, Pattern, Source};

use super::request::Request;
use crate::proxy;

/// The text at a place of a request, or of one event of it.
pub(super) fn text(source: &Source, request: &Request, event: &Value) -> Option<String> {
    let found = raw(source, request, event).find_map(|text| match &source.pattern {
        Some(pattern) => group(pattern, &text),
        None => Some(text),
    })?;
    turned(source, found)
}

/// What a source makes of the text that it found.
fn turned(source: &Source, mut text: String) -> Option<String> {
    if source.url_decoded {
        text = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
    }
    if source.sha256 {
        text = proxy::hidden(&text);
    }
    Some(text)
}

/// Every text that the pattern of a place matches.
pub(super) fn texts(source: &Source, request: &Request, event: &Value) -> Vec<String> {
    raw(source, request, event)
        .flat_map(|text| match &source.pattern {
            Some(pattern) => pattern
                .captures_iter(&text)
                .filter_map(|found| Some(found.get(1)?.as_str().to_owned()))
                .collect(),
            None => vec![text],
        })
        .collect()
}

/// Whether there is anything at a place, whatever its pattern says.
pub(super) fn is_there(source: &Source, request: &Request, event: &Value) -> bool {
    raw(source, request, event).next().is_some()
}

/// Whether a rule applies.
pub(super) fn holds(condition: &Condition, request: &Request, event: &Value) -> bool {
    match text(&condition.of, request, event) {
        Some(text) => condition.is.is_empty() || condition.is.contains(&text),
        None => false,
    }
}

fn raw<'a>(
    source: &'a Source,
    request: &'a Request,
    event: &'a Value,
) -> impl Iterator<Item = String> + 'a {
    let headers = source
        .header
        .iter()
        .filter_map(|name| request.header(name).map(str::to_owned));
    let query = source
        .query
        .iter()
        .filter_map(|name| request.query(name).map(str::to_owned));
    let body = source
        .body
        .iter()
        .filter_map(|path| scalar(at(event, path)?));
    let joined = (!source.join.is_empty())
        .then(|| {
            let parts: Option<Vec<String>> = source
                .join
                .iter()
                .map(|part| text(part, request, event))
                .collect();
            parts.map(|parts| parts.join("."))
        })
        .flatten();
    headers
        .chain(query)
        .chain(body)
        .chain(joined)
        .chain(source.value.clone())
        .filter(|text| !text.is_empty())
}

fn group(pattern: &Pattern, text: &str) -> Option<String> {
    Some(pattern.captures(text)?.get(1)?.as_str().to_owned())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A dotted path with indexes in brackets; a path that is itself a key of the root is that key (functions.md, 2.3).
pub(super) fn at<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(value) = root.get(path) {
        return Some(value);
    }
    path.split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .try_fold(root, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
}

/// Takes a body out of what it is packed in; as it is where that does not fit.
pub(super) fn decoded(decode: &Decode, body: &Value) -> Option<Value> {
    let unpacked = match decode {
        Decode::JsonField(field) => serde_json::from_str(body.get(field)?.as_str()?).ok()?,
        Decode::Base64Json(path) => {
            let bytes = STANDARD.decode(at(body, path)?.as_str()?).ok()?;
            serde_json::from_slice(&bytes).ok()?
        }
    };
    matches!(unpacked, Value::Object(_) | Value::Array(_)).then_some(unpacked)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_providers::webhook::{Decode, Source};

    use super::{at, decoded, text, texts};
    use crate::inbound::request::Request;

    fn source(data: Value) -> Source {
        serde_json::from_value(data).unwrap()
    }

    #[test]
    fn the_first_place_with_something_counts() {
        let request = Request {
            headers: vec![("x-type".to_owned(), "h".to_owned())],
            query: vec![("q".to_owned(), String::new())],
            body: Value::Null,
        };
        let event = json!({"a": {"b": [{"c": 7}]}, "a.b": "whole", "n": null});
        let cases = [
            (json!({"header": "x-type"}), Some("h")),
            (json!({"query": "q"}), None),
            (json!({"body": ["n", "a.b[0].c"]}), Some("7")),
            (json!({"body": "a.b"}), Some("whole")),
            (json!({"body": "a"}), None),
            (
                json!({"join": [{"header": "x-type"}, {"body": "a.b"}]}),
                Some("h.whole"),
            ),
            (
                json!({"join": [{"header": "x-type"}, {"body": "none"}]}),
                None,
            ),
            (json!({"value": "*"}), Some("*")),
            (json!({"body": "a.b", "pattern": "^(wh)"}), Some("wh")),
            (json!({"body": "a.b", "pattern": "^(x)"}), None),
            (json!({"value": "a%40b", "url_decoded": true}), Some("a@b")),
            (json!({"value": "%ff", "url_decoded": true}), None),
            (
                json!({"value": "A%40b.example", "url_decoded": true, "sha256": true}),
                Some("ebb18a030bf15174f5714e24d63af1a81355c951ea7389bd2a9bd18e3d0c2477"),
            ),
        ];
        for (data, expected) in cases {
            let found = text(&source(data.clone()), &request, &event);
            assert_eq!(found.as_deref(), expected, "{data}");
        }
        let all = source(json!({"value": "v1=a,v1=b,v0=c", "pattern": "v1=(\\w)"}));
        assert_eq!(texts(&all, &request, &event), ["a", "b"]);
        assert_eq!(at(&event, "a.b[1].c"), None);
    }

    #[test]
    fn what_does_not_unpack_stays() {
        let field = Decode::JsonField("payload".to_owned());
        let packed = json!({"payload": "{\"type\":\"x\"}"});
        assert_eq!(decoded(&field, &packed), Some(json!({"type": "x"})));
        assert_eq!(decoded(&field, &json!({"payload": "1"})), None);
        let base64 = Decode::Base64Json("message.data".to_owned());
        let packed = json!({"message": {"data": "eyJhIjoxfQ=="}});
        assert_eq!(decoded(&base64, &packed), Some(json!({"a": 1})));
        assert_eq!(decoded(&base64, &json!({"message": {"data": "%%%"}})), None);
    }
}
