//! What a function says of itself: its bundle is loaded once, in an isolate without any host, and its default export read.

mod check;
mod read;
mod remote;

use serde::Deserialize;
use serde_json::Map;
use tenon_core::function::FunctionKind;

use super::{
    bundle::Bundled,
    diagnostic::{CompileError, Diagnostic},
    project::EntryPoint,
    source_map::{Place, SourceMap},
};
use read::{Problem, Raw};

pub use remote::define_in_worker;

/// A function as its file defines it (functions.md, 1.1 to 1.3).
#[derive(Clone, Debug)]
pub struct Definition {
    pub integration: String,
    pub name: String,
    pub kind: FunctionKind,
    pub description: Option<String>,
    pub version: Option<String>,
    pub scopes: Vec<String>,
    pub endpoints: Vec<Endpoint>,
    /// Models of a sync; name of the output of an action.
    pub models: Vec<String>,
    /// Name of the input of an action, of the metadata of a sync.
    pub input: Option<String>,
    /// Frequency of a sync.
    pub runs: Option<String>,
    pub auto_start: bool,
    pub track_deletes: bool,
    /// `full` or `incremental`.
    pub sync_type: String,
    pub webhook_subscriptions: Vec<String>,
    /// Event of an on-event function.
    pub event: Option<String>,
    /// JSON schema of each model by name.
    pub schemas: Map<String, serde_json::Value>,
}

/// A route of the deprecated endpoint list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Endpoint {
    pub method: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Events that an on-event function may wait for.
pub const EVENTS: [&str; 3] = [
    "post-connection-creation",
    "pre-connection-deletion",
    "validate-connection",
];

/// Reads the definition out of a bundle. The top level of the code runs in this process, in an isolate without a host:
/// for code of whoever runs the command.
pub fn define(entry: &EntryPoint, bundled: &Bundled) -> Result<Definition, CompileError> {
    conclude(entry, bundled, read::read(&bundled.javascript))
}

/// The definition, or complaints that name a place.
fn conclude(
    entry: &EntryPoint,
    bundled: &Bundled,
    read: Result<Raw, Problem>,
) -> Result<Definition, CompileError> {
    let complain = |message: String| {
        let (start, end) = bundled.definition;
        Diagnostic::at(&entry.path, &bundled.source, start, end, message)
    };
    let raw = read.map_err(|Problem { message, place }| {
        let message = format!("loading this file failed: {message}");
        let placed = place.and_then(|(line, column)| {
            SourceMap::of_bundle(&bundled.javascript)?.locate(line, column)
        });
        match placed {
            Some(place) if place.file == entry.path => {
                complain_at_line(entry, bundled, &place, message)
            }
            Some(place) => Diagnostic {
                file: place.file,
                line: place.line,
                column: place.column,
                length: 1,
                source_line: String::new(),
                message,
                hint: None,
            },
            None => complain(message),
        }
    })?;
    raw.check(bundled.kind, entry)
        .map_err(|problems| CompileError {
            diagnostics: problems
                .into_iter()
                .map(|problem| {
                    let (start, end) = bundled.place_of(&problem.key);
                    let message = problem.message;
                    let complaint =
                        Diagnostic::at(&entry.path, &bundled.source, start, end, message);
                    match problem.hint {
                        Some(hint) => complaint.with_hint(hint),
                        None => complaint,
                    }
                })
                .collect(),
        })
}

fn complain_at_line(
    entry: &EntryPoint,
    bundled: &Bundled,
    place: &Place,
    message: String,
) -> Diagnostic {
    let start: usize = bundled
        .source
        .split_inclusive('\n')
        .take(place.line as usize - 1)
        .map(str::len)
        .sum();
    let line = bundled.source[start..].lines().next().unwrap_or_default();
    let skipped: usize = line
        .chars()
        .take(place.column as usize - 1)
        .map(char::len_utf8)
        .sum();
    let at = start + skipped;
    Diagnostic::at(&entry.path, &bundled.source, at, at + 1, message)
}
