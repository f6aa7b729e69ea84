//! Loads a bundle in an isolate like that of any run, and asks it for its definition.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use tenon_core::{
    function::{Entry, FunctionKind, HostCall, RunContext, RunFailure, RunLimits},
    limits,
};

pub(super) use super::check::Raw;
use crate::{
    isolate::{
        Isolate, Port, Step,
        code::{self, Code},
        heap::Commons,
    },
    wire::{CallId, Ending, StartRun},
};

/// Longest time that loading a bundle may take: it only builds schemas.
pub(super) const LOAD_TIME: Duration = Duration::from_secs(20);

/// Heap for it: a project's largest bundle with all its schemas needs a tenth.
const HEAP_BYTES: usize = 512 * 1024 * 1024;

/// Stack of the thread around it.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Name of the bundle in stacks.
const FILE: &str = "bundle.js";

/// Why a bundle could not be read.
pub(super) struct Problem {
    pub(super) message: String,
    /// Line and column in the bundle.
    pub(super) place: Option<(u32, u32)>,
}

impl Problem {
    pub(super) fn stopped(message: String) -> Self {
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
pub(super) fn read(javascript: &str) -> Result<Raw, Problem> {
    std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new()
            .name("definition".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn_scoped(scope, || load(javascript));
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
fn load(javascript: &str) -> Result<Raw, Problem> {
    let source = source(javascript);
    let bundle = code::compile(&source, "exports, require, module", FILE)
        .map_err(|message| Problem::stopped(format!("the bundle cannot be compiled: {message}")))?;
    let mut isolate =
        Isolate::new(&CODE, &Commons::new(HEAP_BYTES), false).map_err(Problem::stopped)?;
    match isolate.start(&run(), &bundle, Box::new(Nobody)) {
        Step::Ended(Ending::Succeeded { output }) => serde_json::from_slice(&output)
            .map_err(|error| Problem::stopped(format!("the definition makes no sense: {error}"))),
        Step::Ended(Ending::Failed(failure)) => Err(Problem::from(*failure)),
        Step::Waiting | Step::Killed => Err(Problem::stopped("it waits for something".to_owned())),
    }
}

/// The bundle of an action that returns the definition.
pub(super) fn source(javascript: &str) -> String {
    format!(
        "{javascript}\n{{ const definition = module.exports.default; const read = {READER}; \
         module.exports = {{ default: {{ exec: () => read(definition, require) }} }}; }}"
    )
}

fn run() -> StartRun {
    StartRun {
        kind: FunctionKind::Action,
        hash: String::new(),
        code: None,
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

/// Runs inside the isolate: picks the options that matter and turns zod schemas into JSON schema (functions.md, 1.6).
const READER: &str = include_str!("reader.js");
