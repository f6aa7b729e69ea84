//! What a function says of itself: its bundle is loaded once, in an isolate without any host, and its default export read.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Map, json};
use tenon_core::{
    frequency::Frequency,
    function::{Entry, FunctionKind, HostCall, RunContext, RunFailure, RunLimits},
    limits,
};

use super::{
    bundle::Bundled,
    diagnostic::{CompileError, Diagnostic},
    project::EntryPoint,
    source_map::SourceMap,
};
use crate::{
    isolate::{
        Isolate, Port, Step,
        code::{self, Code},
    },
    wire::{CallId, Ending, StartRun},
};

/// Longest time that loading a bundle may take: it only builds schemas.
const LOAD_TIME: Duration = Duration::from_secs(20);

/// Heap for it: a project's largest bundle with all its schemas needs a tenth.
const HEAP_BYTES: usize = 512 * 1024 * 1024;

/// Stack of the thread around it.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Name of the bundle in stacks.
const FILE: &str = "bundle.js";

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
    let read = read_on_own_thread(&bundled.javascript);
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
            diagnostics: problems.into_iter().map(complain).collect(),
        })
}

fn complain_at_line(
    entry: &EntryPoint,
    bundled: &Bundled,
    place: &super::source_map::Place,
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

/// Why a bundle could not be read.
struct Problem {
    message: String,
    /// Line and column in the bundle.
    place: Option<(u32, u32)>,
}

impl Problem {
    fn stopped(message: String) -> Self {
        Self {
            message,
            place: None,
        }
    }
}

impl From<RunFailure> for Problem {
    fn from(failure: RunFailure) -> Self {
        let name = failure.payload["name"].as_str().unwrap_or("Error");
        let message = match name {
            "Error" => failure.message,
            name => format!("{name}: {}", failure.message),
        };
        let stack = failure.payload["stacktrace"].as_array();
        let place = stack
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
            .find_map(place_in);
        Self { message, place }
    }
}

/// JavaScript needs a deeper stack than threads of an async runtime have.
fn read_on_own_thread(javascript: &str) -> Result<Raw, Problem> {
    std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new()
            .name("definition".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn_scoped(scope, || read(javascript));
        let thread = spawned
            .map_err(|error| Problem::stopped(format!("no thread could be started: {error}")))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(Problem::stopped("the reader stopped".to_owned())))
    })
}

/// Modules compiled once for all definitions of this process.
static CODE: LazyLock<Arc<Code>> = LazyLock::new(Arc::default);

/// Runs an action that returns the definition, in an isolate like that of any run.
fn read(javascript: &str) -> Result<Raw, Problem> {
    let source = format!(
        "{javascript}\n{{ const definition = module.exports.default; const read = {READER}; \
         module.exports = {{ default: {{ exec: () => read(definition, require) }} }}; }}"
    );
    let bundle = code::compile(&source, "exports, require, module", FILE)
        .map_err(|message| Problem::stopped(format!("the bundle cannot be compiled: {message}")))?;
    let mut isolate = Isolate::new(&CODE, false).map_err(Problem::stopped)?;
    match isolate.start(&run(), &bundle, Box::new(Nobody)) {
        Step::Ended(Ending::Succeeded { output }) => serde_json::from_slice(&output)
            .map_err(|error| Problem::stopped(format!("the definition makes no sense: {error}"))),
        Step::Ended(Ending::Failed(failure)) => Err(Problem::from(*failure)),
        Step::Waiting | Step::Killed => Err(Problem::stopped("it waits for something".to_owned())),
    }
}

fn run() -> StartRun {
    StartRun {
        kind: FunctionKind::Action,
        hash: String::new(),
        javascript: None,
        entry: Entry::Action {
            input: serde_json::Value::Null,
        },
        context: RunContext {
            replay: true,
            ..RunContext::default()
        },
        limits: RunLimits {
            run: LOAD_TIME,
            busy: LOAD_TIME,
            heap_bytes: HEAP_BYTES,
            stack_bytes: limits::ISOLATE_STACK_BYTES,
            output_bytes: HEAP_BYTES,
        },
    }
}

/// A definition has nobody to call and no time to wait.
struct Nobody;

impl Port for Nobody {
    fn call(&self, _call: CallId, _host_call: HostCall) -> Result<(), String> {
        Err("nothing can be called while a file loads".to_owned())
    }

    fn set_timer(&self, _timer: u64, _wait: Duration) {}
}

/// The first `bundle.js:line:column` of a stack.
fn place_in(stack: &str) -> Option<(u32, u32)> {
    let (_, place) = stack.split_once(&format!("{FILE}:"))?;
    let mut numbers = place.split(|c: char| !c.is_ascii_digit());
    let line = numbers.next()?.parse().ok()?;
    let column = numbers.next().and_then(|column| column.parse().ok());
    Some((line, column.unwrap_or(1)))
}

/// The definition as the object literal has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    problems: Vec<String>,
    description: Option<String>,
    version: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
    frequency: Option<String>,
    #[serde(default)]
    auto_start: bool,
    #[serde(default)]
    track_deletes: bool,
    sync_type: Option<String>,
    #[serde(default)]
    webhook_subscriptions: Vec<String>,
    event: Option<String>,
    models: Option<Map<String, serde_json::Value>>,
    metadata: Option<serde_json::Value>,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
}

impl Raw {
    fn check(self, kind: FunctionKind, entry: &EntryPoint) -> Result<Definition, Vec<String>> {
        let mut problems = self.problems.clone();
        let mut definition = Definition {
            integration: entry.integration.clone(),
            name: entry.name.clone(),
            kind,
            description: self.description.clone(),
            version: self.version.clone(),
            scopes: self.scopes.clone(),
            endpoints: self.endpoints.clone(),
            models: Vec::new(),
            input: None,
            runs: None,
            auto_start: self.auto_start,
            track_deletes: self.track_deletes,
            sync_type: self.sync_type.clone().unwrap_or_else(|| "full".to_owned()),
            webhook_subscriptions: self.webhook_subscriptions.clone(),
            event: None,
            schemas: Map::new(),
        };
        match kind {
            FunctionKind::Sync => self.sync(&mut definition, &mut problems),
            FunctionKind::Action => self.action(&mut definition, &mut problems),
            FunctionKind::OnEvent => self.on_event(&mut definition, &mut problems),
        }
        if problems.is_empty() {
            Ok(definition)
        } else {
            Err(problems)
        }
    }

    fn sync(self, definition: &mut Definition, problems: &mut Vec<String>) {
        match self
            .frequency
            .as_deref()
            .map(|text| (text, Frequency::parse(text)))
        {
            None => problems.push("a sync needs a `frequency`".to_owned()),
            Some((text, Err(error))) => problems.push(format!("frequency `{text}`: {error}")),
            Some((text, Ok(_))) => definition.runs = Some(text.to_owned()),
        }
        let models = self.models.unwrap_or_default();
        if models.is_empty() {
            problems.push("a sync needs `models`".to_owned());
        }
        if !matches!(definition.sync_type.as_str(), "full" | "incremental") {
            problems.push("`syncType` is `full` or `incremental`".to_owned());
        }
        if definition.track_deletes && definition.sync_type == "incremental" {
            problems.push("`trackDeletes` needs a full sync".to_owned());
        }
        let endpoints = definition.endpoints.len();
        if endpoints > 0 && endpoints != models.len() {
            problems.push(format!(
                "{} models need as many endpoints, not {endpoints}",
                models.len()
            ));
        }
        for (name, schema) in models {
            if !is_model_name(&name) {
                problems.push(format!(
                    "`{name}` is not a name for a model: a letter, then letters, digits and `_`"
                ));
            }
            if !has_string_id(&schema) {
                problems.push(format!("model `{name}` needs a string `id`"));
            }
            definition.models.push(name.clone());
            definition.schemas.insert(name, schema);
        }
        if let Some(metadata) = self.metadata {
            let name = schema_name("SyncMetadata", definition);
            definition.schemas.insert(name.clone(), metadata);
            definition.input = Some(name);
        }
    }

    fn action(self, definition: &mut Definition, problems: &mut Vec<String>) {
        if definition.endpoints.len() > 1 {
            problems.push("an action has at most one endpoint".to_owned());
        }
        match self.input {
            None => {
                problems.push("an action needs an `input`; `z.void()` if there is none".to_owned())
            }
            Some(schema) => {
                let name = schema_name("ActionInput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.input = Some(name);
            }
        }
        match self.output {
            None => {
                problems.push("an action needs an `output`; `z.void()` if there is none".to_owned())
            }
            Some(schema) => {
                let name = schema_name("ActionOutput", definition);
                definition.schemas.insert(name.clone(), schema);
                definition.models = vec![name];
            }
        }
    }

    fn on_event(self, definition: &mut Definition, problems: &mut Vec<String>) {
        match self.event {
            Some(event) if EVENTS.contains(&event.as_str()) => definition.event = Some(event),
            _ => problems.push(format!("`event` is one of {}", EVENTS.join(", "))),
        }
    }
}

/// `ActionInput_my_integration_myname` (functions.md, 1.2).
fn schema_name(prefix: &str, definition: &Definition) -> String {
    let integration: String = definition
        .integration
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let name: String = definition
        .name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{prefix}_{integration}_{name}")
}

/// The reference's rule, but a lower-case first letter is fine too.
fn is_model_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn has_string_id(schema: &serde_json::Value) -> bool {
    let is_string = |schema: &serde_json::Value| {
        let id = &schema["properties"]["id"];
        id["type"] == json!("string") || id.get("const").is_some_and(serde_json::Value::is_string)
    };
    let parts = |key: &str| {
        let parts = schema[key].as_array().cloned().unwrap_or_default();
        (!parts.is_empty(), parts)
    };
    let (is_union, any) = parts("anyOf");
    let (is_choice, one) = parts("oneOf");
    let (_, all) = parts("allOf");
    is_string(schema)
        || (is_union && any.iter().all(has_string_id))
        || (is_choice && one.iter().all(has_string_id))
        || all.iter().any(has_string_id)
}

/// Runs inside the isolate: picks the options that matter and turns zod schemas into JSON schema (functions.md, 1.6).
const READER: &str = include_str!("reader.js");
