//! Where the values of placeholders come from.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Answers paths with values.
pub trait Variables: Sync {
    /// The text or number at a path; `None` if there is none, or something else.
    fn value(&self, path: &str) -> Option<Cow<'_, str>>;
}

impl<F: Fn(&str) -> Option<String> + Sync> Variables for F {
    fn value(&self, path: &str) -> Option<Cow<'_, str>> {
        self(path).map(Cow::Owned)
    }
}

/// JSON objects under names, objects whose members have no prefix, and single values. Later ones win.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    objects: Vec<(Option<&'a str>, &'a Map<String, Value>)>,
    values: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Scope<'a> {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the members of `object` known as `name.member`, for instance `connectionConfig.subdomain`.
    #[must_use]
    pub fn with_object(mut self, name: &'a str, object: &'a Map<String, Value>) -> Self {
        self.objects.push((Some(name), object));
        self
    }

    /// Makes the members of `object` known by their own names, for instance `apiKey`.
    #[must_use]
    pub fn with_members(mut self, object: &'a Map<String, Value>) -> Self {
        self.objects.push((None, object));
        self
    }

    /// One value.
    #[must_use]
    pub fn with_value(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

impl Variables for Scope<'_> {
    fn value(&self, path: &str) -> Option<Cow<'_, str>> {
        let single = self.values.iter().rev().find(|(name, _)| *name == path);
        if let Some((_, value)) = single {
            return Some(Cow::Borrowed(value));
        }
        self.objects.iter().rev().find_map(|(name, object)| {
            let path = match name {
                Some(name) => path.strip_prefix(name)?.strip_prefix('.')?,
                None => path,
            };
            text(at(object, path)?)
        })
    }
}

/// The value at a dotted path; a member that has the whole path as its name is the fallback (`accounts-server`,
/// `team.id`).
fn at<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut steps = path.split('.');
    let first = object.get(steps.next()?);
    let nested = steps.fold(first, |value, step| match value? {
        Value::Object(object) => object.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    nested.or_else(|| object.get(path))
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
