//! What token templates are filled with.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tenon_core::Timestamp;
use tenon_providers::template::{self, Context, Scope, Variables};
use uuid::Uuid;

use super::Party;

/// `credentials.x`, `connectionConfig.x`, `stepN.path` and single values; owned, because steps add to it.
#[derive(Debug, Default)]
pub(crate) struct Vars {
    objects: Vec<(String, Map<String, Value>)>,
    values: Vec<(&'static str, String)>,
    pub(crate) now: Timestamp,
    random: Uuid,
}

impl Vars {
    /// Connection config and the instant; nothing of a person yet.
    pub(crate) fn new(party: &Party<'_>) -> Self {
        let mut vars = Self {
            now: party.engine.clock.now(),
            random: party.engine.ids.uuid4(),
            ..Self::default()
        };
        vars.object("connectionConfig", party.connection_config.clone());
        vars
    }

    /// Adds an object under a name.
    pub(crate) fn object(&mut self, name: impl Into<String>, object: Map<String, Value>) {
        self.objects.push((name.into(), object));
    }

    /// Adds credentials. A text of two halves, `id:secret`, is also known by its halves.
    pub(crate) fn credentials(&mut self, credentials: &Map<String, Value>) {
        let mut halves = Map::new();
        for (name, value) in credentials {
            let pair = value.as_str().and_then(|text| text.split_once(':'));
            if let Some((id, secret)) = pair {
                halves.insert(format!("{name}.id"), id.into());
                halves.insert(format!("{name}.secret"), secret.into());
            }
        }
        self.object("credentials", halves);
        self.object("credentials", credentials.clone());
    }

    /// Adds one value.
    pub(crate) fn value(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.push((name, value.into()));
    }

    /// What the template functions want.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&Context<'_>) -> T) -> T {
        use_it(&Context::new(self, self.now, self.random))
    }

    /// Fills an object; entries in which something stays open are left out.
    pub(crate) fn fill(&self, map: &Map<String, Value>) -> Map<String, Value> {
        self.with(|context| fill_map(map, context))
    }

    /// Fills a text; `None` if something stays open.
    pub(crate) fn fill_text(&self, text: &str) -> Option<String> {
        self.with(|context| template::render_resolved(text, context).ok())
    }
}

impl Variables for Vars {
    fn value(&self, path: &str) -> Option<Cow<'_, str>> {
        let mut scope = Scope::new();
        for (name, object) in &self.objects {
            scope = scope.with_object(name, object);
        }
        for (name, value) in &self.values {
            scope = scope.with_value(name, value.as_str());
        }
        scope
            .value(path)
            .map(|value| Cow::Owned(value.into_owned()))
    }
}

fn fill_map(map: &Map<String, Value>, context: &Context<'_>) -> Map<String, Value> {
    map.iter()
        .filter_map(|(name, value)| Some((name.clone(), fill_value(value, context)?)))
        .collect()
}

fn fill_value(value: &Value, context: &Context<'_>) -> Option<Value> {
    match value {
        Value::String(text) => template::render_resolved(text, context)
            .ok()
            .map(Value::from),
        Value::Array(items) => Some(
            items
                .iter()
                .filter_map(|item| fill_value(item, context))
                .collect(),
        ),
        Value::Object(map) => Some(Value::Object(fill_map(map, context))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}
