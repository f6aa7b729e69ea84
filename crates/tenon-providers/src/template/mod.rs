//! The template language of provider entries (auth-and-proxy.md, 8): `${connectionConfig.subdomain}`, `A || B`,
//! `${base64(${username}:${password})}`, `${now:X}`.
//!
//! Everything here is pure: values, time and randomness are in the [`Context`]. A placeholder without a value stays as
//! it was written, so that a caller can see it ([`unresolved`]) and refuse or drop the entry.

mod functions;
mod instant;
mod parse;
mod scope;
mod url;

use std::borrow::Cow;

use serde_json::{Map, Value};
use tenon_core::Timestamp;
use uuid::Uuid;

pub use scope::{Scope, Variables};
pub use url::{UrlError, render_url, render_url_raw};

use parse::Part;

/// What templates are filled with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Values by path, for instance `connectionConfig.subdomain`.
    pub variables: &'a dyn Variables,
    /// The instant behind `now`; one for all headers of a request.
    pub now: Timestamp,
    /// The id behind `random`; one for all headers of a request.
    pub random: Uuid,
    /// The request that `awsSigV4` signs, where there is one.
    pub request: Option<RequestParts<'a>>,
}

impl<'a> Context<'a> {
    /// Values, time and randomness, without a request.
    pub const fn new(variables: &'a dyn Variables, now: Timestamp, random: Uuid) -> Self {
        Self {
            variables,
            now,
            random,
            request: None,
        }
    }

    /// The same with the request that is to be signed.
    #[must_use]
    pub const fn with_request(mut self, request: RequestParts<'a>) -> Self {
        self.request = Some(request);
        self
    }
}

/// The request that a signature covers, as it will be sent.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    pub method: &'a str,
    /// Host and, where it is not the usual one, port.
    pub host: &'a str,
    /// Percent-encoded path.
    pub path: &'a str,
    /// Percent-encoded query without `?`.
    pub query: &'a str,
    pub body: &'a [u8],
    pub content_type: Option<&'a str>,
}

/// Fills a template. Of alternatives (`A || B`) the first whose placeholders all have a value that is not empty is
/// taken, else the first that changed, else the last; a placeholder without a value stays as it was written.
pub fn render(template: &str, context: &Context<'_>) -> String {
    fill(choose(template, context), context, str::to_owned)
}

/// Fills a template in which nothing may stay open; the error lists what did.
pub fn render_resolved(template: &str, context: &Context<'_>) -> Result<String, Vec<String>> {
    let missing = unresolved(template, context);
    if missing.is_empty() {
        Ok(render(template, context))
    } else {
        Err(missing)
    }
}

/// Fills every text inside a JSON value; names of keys stay as they are.
pub fn render_value(value: &Value, context: &Context<'_>) -> Value {
    match value {
        Value::String(text) => Value::String(render(text, context)),
        Value::Array(items) => items
            .iter()
            .map(|item| render_value(item, context))
            .collect(),
        Value::Object(map) => Value::Object(render_map(map, context)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Fills every text inside a JSON object.
pub fn render_map(map: &Map<String, Value>, context: &Context<'_>) -> Map<String, Value> {
    map.iter()
        .map(|(key, value)| (key.clone(), render_value(value, context)))
        .collect()
}

/// The placeholders in a text, in order, each once: `connectionConfig.subdomain`, `base64(…)` and the ones inside.
pub fn placeholders(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&parse::parts(text), &mut found);
    found
}

/// The functions that a template may call.
pub const FUNCTIONS: &[&str] = functions::NAMES;

/// Whether a `${` has no `}`: it is text then.
pub fn is_unclosed(text: &str) -> bool {
    parse::parts(text)
        .iter()
        .any(|part| matches!(part, Part::Text(text) if text.contains("${")))
}

/// Whether a text holds a placeholder.
pub fn has_placeholder(text: &str) -> bool {
    parse::parts(text)
        .iter()
        .any(|part| !matches!(part, Part::Text(_)))
}

/// The paths that have no value in the side of a template that [`render`] takes, each once.
pub fn unresolved(template: &str, context: &Context<'_>) -> Vec<String> {
    open_in(choose(template, context), context)
}

/// The sides of `A || B`. The bars need a space on both sides: `${id}||${secret}` is one text.
pub fn alternatives(template: &str) -> impl Iterator<Item = &str> {
    template.split(" || ").map(str::trim)
}

/// The side of a template that is filled.
fn choose<'t>(template: &'t str, context: &Context<'_>) -> &'t str {
    if !template.contains(" || ") {
        return template;
    }
    let has_text = |path: &String| value(path, context).is_some_and(|value| !value.is_empty());
    alternatives(template)
        .find(|side| open_in(side, context).is_empty() && placeholders(side).iter().all(has_text))
        .or_else(|| alternatives(template).find(|side| placeholders(side).iter().any(has_text)))
        .or_else(|| alternatives(template).last())
        .unwrap_or(template)
}

/// What keeps a side from being filled: paths without a value, calls that cannot be computed.
fn open_in(side: &str, context: &Context<'_>) -> Vec<String> {
    let mut open: Vec<String> = placeholders(side)
        .into_iter()
        .filter(|path| value(path, context).is_none())
        .collect();
    if open.is_empty() {
        let calls = parse::parts(side)
            .into_iter()
            .filter_map(|part| match part {
                Part::Function {
                    name, arguments, ..
                } => functions::call(name, arguments, context)
                    .is_none()
                    .then(|| name.to_owned()),
                Part::Text(_) | Part::Variable { .. } => None,
            });
        open.extend(calls);
    }
    open
}

/// Fills one side; `write` gets every value on its way into the text.
fn fill(text: &str, context: &Context<'_>, write: fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    for part in parse::parts(text) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Variable { path, source } => match value(path, context) {
                Some(value) => filled.push_str(&write(&value)),
                None => filled.push_str(source),
            },
            Part::Function {
                name,
                arguments,
                source,
            } => match functions::call(name, arguments, context) {
                Some(value) => filled.push_str(&write(&value)),
                None => filled.push_str(source),
            },
        }
    }
    filled
}

fn value(path: &str, context: &Context<'_>) -> Option<String> {
    if path == "random" {
        return Some(context.random.to_string());
    }
    if let Some(rest) = path.strip_prefix("now")
        && let Some(instant) = instant::now(rest, context.now)
    {
        return Some(instant);
    }
    context.variables.value(path).map(Cow::into_owned)
}

fn collect(parts: &[Part<'_>], found: &mut Vec<String>) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Variable { path, .. } => {
                if !found.iter().any(|known| known == path) {
                    found.push((*path).to_owned());
                }
            }
            Part::Function { arguments, .. } => collect(&parse::parts(arguments), found),
        }
    }
}

#[cfg(test)]
mod tests;
