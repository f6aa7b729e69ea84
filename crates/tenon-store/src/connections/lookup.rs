//! What a connection is found by, beside its name: tags, scalars of its settings, its end user.

use serde_json::Value;

/// Most entries of one kind: labels are few, and metadata may be megabytes.
pub const MAX_LOOKUPS: usize = 100;

/// Longest value: an index entry must fit a page.
pub const MAX_LOOKUP_BYTES: usize = 512;

/// Deepest object whose scalars are indexed.
const MAX_DEPTH: usize = 4;

/// Where a lookup comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKind {
    Tag,
    Config,
    Metadata,
    EndUser,
}

impl LookupKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Config => "config",
            Self::Metadata => "metadata",
            Self::EndUser => "end_user",
        }
    }
}

/// One way to find a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub kind: LookupKind,
    /// Names joined by dots.
    pub path: String,
    /// Text of the scalar.
    pub value: String,
}

/// The scalars of an object by their dotted paths, up to [`MAX_LOOKUPS`]; values over [`MAX_LOOKUP_BYTES`] are left out.
pub fn lookups_of(kind: LookupKind, object: &Value) -> Vec<Lookup> {
    let mut lookups = Vec::new();
    collect(kind, String::new(), object, 0, &mut lookups);
    lookups
}

fn collect(kind: LookupKind, path: String, value: &Value, depth: usize, into: &mut Vec<Lookup>) {
    if into.len() >= MAX_LOOKUPS || path.len() > MAX_LOOKUP_BYTES {
        return;
    }
    let text = match value {
        Value::Object(fields) if depth < MAX_DEPTH => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                collect(kind, path, value, depth + 1, into);
            }
            return;
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        // A connection is also found by what stands in a list of its metadata.
        Value::Array(items) if kind == LookupKind::Metadata && depth > 0 && depth <= MAX_DEPTH => {
            for item in items
                .iter()
                .filter(|item| !item.is_array() && !item.is_object())
            {
                collect(kind, path.clone(), item, MAX_DEPTH + 1, into);
            }
            return;
        }
        Value::Null | Value::Array(_) | Value::Object(_) => return,
    };
    // Two objects can spell one path (`{"a.b": 1, "a": {"b": 1}}`): the first one wins.
    let lookup = Lookup {
        kind,
        path,
        value: text,
    };
    if lookup.value.len() <= MAX_LOOKUP_BYTES && depth > 0 && !into.contains(&lookup) {
        into.push(lookup);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Lookup, LookupKind, MAX_LOOKUPS, lookups_of};

    #[test]
    fn scalars_are_found_by_dotted_path() {
        let object = json!({"a": 1, "b": {"c": "x", "d": [1]}, "b.c": "x", "e": null, "f": true, "long": "x".repeat(600)});
        let found: Vec<String> = lookups_of(LookupKind::Config, &object)
            .into_iter()
            .map(|Lookup { path, value, .. }| format!("{path}={value}"))
            .collect();
        assert_eq!(found, ["a=1", "b.c=x", "f=true"]);
    }

    #[test]
    fn lists_of_metadata_are_found_by_each_member() {
        let object = json!({"ids": ["a", 2, "a", {"b": 1}, [3]], "deep": {"ids": ["c"]}});
        let found: Vec<String> = lookups_of(LookupKind::Metadata, &object)
            .into_iter()
            .map(|Lookup { path, value, .. }| format!("{path}={value}"))
            .collect();
        assert_eq!(found, ["ids=a", "ids=2", "deep.ids=c"]);
    }

    #[test]
    fn large_objects_are_cut() {
        let object = (0..500).map(|n| (format!("k{n}"), json!(n))).collect();
        assert_eq!(lookups_of(LookupKind::Metadata, &object).len(), MAX_LOOKUPS);
    }
}
