//! Query strings, read the way `qs` does (auth-and-proxy.md, 1.1).
//!
//! `a=1&a=2` and `a[]=1&a[]=2` are lists, `tags[x]=y` is an object, `a[0]=x` a list. Limits are those of the reference:
//! 1,000 parameters, 100 list items, brackets five deep; what goes beyond stays literal text in the key.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde_json::{Map, Value};
use tenon_core::limits;

use crate::{ApiError, ErrorCode, validate::Input};

/// Most parameters that are read; the rest is ignored.
const MAX_PARAMETERS: usize = 1_000;

/// Longest list; further indexes turn it into an object.
const MAX_ITEMS: usize = 100;

/// Deepest bracket.
const MAX_DEPTH: usize = 5;

/// The parsed query of a request, to be checked by [`crate::validate`].
#[derive(Clone, Debug, Default)]
pub struct Query(pub Value);

impl Query {
    /// The query as input of checks that end in `invalid_query_params`.
    pub const fn input(&self) -> Input<'_> {
        Input::new(ErrorCode::InvalidQueryParams, Some(&self.0))
    }

    /// Refuses any parameter: the strict empty query of most endpoints.
    pub fn none(&self) -> Result<(), ApiError> {
        let input = self.input();
        input.object().strict();
        input.finish()
    }

    /// `cursor` (0 to begin) and `limit` of a list that is read forwards, and nothing else.
    pub fn forwards(&self, default_limit: i64) -> Result<(i64, i64), ApiError> {
        let input = self.input();
        let object = input.object();
        let cursor = object.optional("cursor").integer_text(0, i64::MAX);
        let limit = object.optional("limit").integer_text(1, limits::PAGE);
        object.strict();
        drop(object);
        input.finish()?;
        Ok((cursor.unwrap_or(0), limit.unwrap_or(default_limit)))
    }

    /// The text of a plain parameter, on the routes that do not mind others.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parse(parts.uri.query().unwrap_or_default())))
    }
}

/// Parses a query string into an object.
pub fn parse(query: &str) -> Value {
    let mut root = Map::new();
    for pair in query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .take(MAX_PARAMETERS)
    {
        let (name, value) = split(pair);
        let name = decode(name);
        if name.is_empty() {
            continue;
        }
        let path = path_of(&name);
        insert(&mut root, &path, Value::String(decode(value)));
    }
    Value::Object(root)
}

/// Splits at the `=` behind the last bracket of the name, or at the first one.
fn split(pair: &str) -> (&str, &str) {
    let at = ["]=", "%5D=", "%5d="]
        .iter()
        .filter_map(|end| pair.find(end).map(|start| start + end.len() - 1))
        .min()
        .or_else(|| pair.find('='));
    at.map_or((pair, ""), |at| (&pair[..at], &pair[at + 1..]))
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        // Not UTF-8: the reference keeps the text as it was sent.
        Err(_) => spaced,
    }
}

/// `a[b][]` as `a`, `b` and an empty part.
fn path_of(name: &str) -> Vec<String> {
    let Some(first) = name.find('[') else {
        return vec![name.to_owned()];
    };
    let mut path = Vec::new();
    if first > 0 {
        path.push(name[..first].to_owned());
    }
    let mut rest = &name[first..];
    while path.len() <= MAX_DEPTH {
        let Some(end) = rest.strip_prefix('[').and_then(|inner| inner.find(']')) else {
            break;
        };
        path.push(rest[1..=end].to_owned());
        rest = &rest[end + 2..];
    }
    // A bracket that never closes is part of the name.
    if rest.len() == name.len() - first {
        return vec![name.to_owned()];
    }
    if !rest.is_empty() && path.len() > MAX_DEPTH {
        path.push(rest.to_owned());
    }
    path
}

fn insert(object: &mut Map<String, Value>, path: &[String], value: Value) {
    let [name, rest @ ..] = path else { return };
    match object.get_mut(name) {
        None => {
            object.insert(name.clone(), nested(rest, value));
        }
        Some(present) => merge(present, rest, value),
    }
}

/// A value under the rest of a path, where nothing is yet.
fn nested(path: &[String], value: Value) -> Value {
    let [part, rest @ ..] = path else {
        return value;
    };
    let inner = nested(rest, value);
    if part.is_empty() || part == "0" {
        return Value::Array(vec![inner]);
    }
    let mut object = Map::new();
    object.insert(part.clone(), inner);
    Value::Object(object)
}

/// Adds a value under the rest of a path to what is there.
fn merge(present: &mut Value, path: &[String], value: Value) {
    let Some((part, rest)) = path.split_first() else {
        return append(present, value);
    };
    match present {
        Value::Object(object) => insert(object, path, value),
        Value::Array(_)
            if part.is_empty() || part.parse::<usize>().is_ok_and(|index| index < MAX_ITEMS) =>
        {
            append(present, nested(rest, value));
        }
        Value::Array(items) => {
            let mut object: Map<String, Value> = std::mem::take(items)
                .into_iter()
                .enumerate()
                .map(|(index, item)| (index.to_string(), item))
                .collect();
            insert(&mut object, path, value);
            *present = Value::Object(object);
        }
        scalar => {
            let first = scalar.take();
            *scalar = Value::Array(vec![first, nested(path, value)]);
        }
    }
}

fn append(present: &mut Value, value: Value) {
    match present {
        // One too many is kept, so that checks of the length see it.
        Value::Array(items) if items.len() <= MAX_ITEMS => items.push(value),
        Value::Array(_) => {}
        other => {
            let first = other.take();
            *other = Value::Array(vec![first, value]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn queries_read_like_qs() {
        let cases = [
            ("", json!({})),
            ("a=1", json!({"a": "1"})),
            ("a", json!({"a": ""})),
            ("a=1&a=2", json!({"a": ["1", "2"]})),
            ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[0]=1&a[1]=2", json!({"a": ["1", "2"]})),
            (
                "tags[team]=red&tags[plan]=pro",
                json!({"tags": {"team": "red", "plan": "pro"}}),
            ),
            ("tags%5Bteam%5D=red", json!({"tags": {"team": "red"}})),
            ("a[b][c]=d", json!({"a": {"b": {"c": "d"}}})),
            ("a=x+y%2Bz", json!({"a": "x y+z"})),
            ("a[b=c", json!({"a[b": "c"})),
            ("a=b=c", json!({"a": "b=c"})),
            (
                "params[url]=http://x?y=[1]",
                json!({"params": {"url": "http://x?y=[1]"}}),
            ),
            ("a=%ff", json!({"a": "%ff"})),
        ];
        for (query, expected) in cases {
            assert_eq!(parse(query), expected, "{query}");
        }
    }

    #[test]
    fn lists_and_depth_are_limited() {
        let many = "a=1&".repeat(5_000);
        assert_eq!(parse(&many)["a"].as_array().map(Vec::len), Some(101));
        let deep = format!("a{}=1", "[b]".repeat(500));
        assert!(parse(&deep).to_string().len() < 2_000);
    }
}
