//! What a dry run says: what happens goes to standard error, what comes out of it to standard output.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tenon_core::function::{FunctionKind, LogLevel, ProxyCall, RunFailure};

use super::{host::Done, validate::Problem};
use crate::{commands::compile::CompiledFunction, ui};

/// Records of a model that are shown; `--json` has all.
const SHOWN: usize = 10;

/// Longest line about a payload.
const PAYLOAD_CHARS: usize = 500;

/// Violations that are shown.
const PROBLEMS: usize = 20;

/// `nango.log` and its like.
pub(super) fn log(level: LogLevel, message: &str, payload: Option<&Value>) {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info | LogLevel::Off => "info ",
        LogLevel::Warn => "warn ",
        LogLevel::Error => "error",
    };
    let payload = payload.map_or_else(String::new, |payload| {
        format!(" {}", shortened(&payload.to_string(), PAYLOAD_CHARS))
    });
    ui::complain(format!("{level} {message}{payload}"));
}

/// A request that was answered.
pub(super) fn request(call: &ProxyCall, status: u16) {
    let path = call.endpoint.split('?').next().unwrap_or_default();
    ui::complain(format!("http  {} {path} {status}", call.method));
}

/// Something that the function did, or would have done.
pub(super) fn did(what: &str) {
    ui::complain(format!("note  {what}"));
}

pub(super) fn diagnostics(took: Duration, done: &Done) {
    let records: usize = done.saved.values().map(Vec::len).sum();
    ui::complain(format!(
        "took {:.2} s, {} requests, {records} records",
        took.as_secs_f64(),
        done.requests
    ));
}

pub(super) fn failed(failure: &RunFailure, as_json: bool) {
    if as_json {
        let error = json!({ "error": {
            "type": failure.kind,
            "message": failure.message,
            "payload": failure.payload,
            "additional_properties": failure.additional_properties,
        } });
        ui::say(pretty(&error));
        return;
    }
    ui::complain(format!("error: {}: {}", failure.kind, failure.message));
    let places = failure.payload["stacktrace"]
        .as_array()
        .into_iter()
        .flatten();
    for place in places.filter_map(Value::as_str) {
        ui::complain(format!("  {place}"));
    }
    let upstream = failure.additional_properties.as_ref();
    if let Some(response) = upstream.and_then(|more| more.get("upstream_response")) {
        let body = shortened(&response["body"].to_string(), PAYLOAD_CHARS);
        ui::complain(format!("  the API answered {}: {body}", response["status"]));
    } else if failure.kind == "action_script_runtime_error" {
        let payload = shortened(&failure.payload.to_string(), PAYLOAD_CHARS);
        ui::complain(format!("  payload: {payload}"));
    }
}

/// Says what does not fit; `false`, so that the run counts as failed.
pub(super) fn refused(problems: &[Problem]) -> bool {
    for problem in problems.iter().take(PROBLEMS) {
        ui::complain(format!("error: {}: {}", problem.code, problem.text));
    }
    if problems.len() > PROBLEMS {
        ui::complain(format!("  and {} more", problems.len() - PROBLEMS));
    }
    false
}

pub(super) fn outcome(
    function: &CompiledFunction,
    output: &Value,
    done: &Done,
    problems: &[Problem],
    as_json: bool,
) {
    let is_action = function.definition.kind == FunctionKind::Action;
    if as_json {
        let mut whole = Map::new();
        if is_action {
            whole.insert("output".to_owned(), output.clone());
        } else {
            for (key, batches) in [
                ("saved", &done.saved),
                ("updated", &done.updated),
                ("deleted", &done.deleted),
            ] {
                whole.insert(key.to_owned(), json!(batches));
            }
            whole.insert("checkpoint".to_owned(), json!(done.checkpoint));
        }
        let problems: Vec<Value> = problems
            .iter()
            .map(|problem| json!({ "code": problem.code, "message": problem.text }))
            .collect();
        whole.insert("validation".to_owned(), problems.into());
        ui::say(pretty(&whole.into()));
        return;
    }
    if is_action {
        ui::say(pretty(output));
    } else {
        records(function, done);
    }
    if !problems.is_empty() {
        ui::complain(format!(
            "warning: {} values do not fit their schema; the first: {}\nhint: --validate shows all and fails",
            problems.len(),
            problems[0].text
        ));
    }
}

fn records(function: &CompiledFunction, done: &Done) {
    for (word, batches) in [
        ("saved", &done.saved),
        ("updated", &done.updated),
        ("deleted", &done.deleted),
    ] {
        for (model, records) in batches {
            let unique = last_of_each(records);
            let twice = match records.len() - unique.len() {
                0 => String::new(),
                more => format!(" ({more} of them overwritten by later ones)"),
            };
            ui::say(format!("{model}: {} {word}{twice}", records.len()));
            for record in unique.iter().take(SHOWN) {
                ui::say(format!("  {record}"));
            }
            if unique.len() > SHOWN {
                ui::say(format!(
                    "  … {} more; --json shows all",
                    unique.len() - SHOWN
                ));
            }
        }
    }
    for model in &function.definition.models {
        if !done.saved.contains_key(model) {
            ui::say(format!("{model}: nothing saved"));
        }
    }
    if let Some(checkpoint) = &done.checkpoint {
        ui::say(format!("checkpoint: {}", Value::Object(checkpoint.clone())));
    }
}

/// Records of the same id: the last one counts, where the first one stood.
pub(super) fn last_of_each(records: &[Value]) -> Vec<&Value> {
    let mut found: indexmap::IndexMap<String, &Value> = indexmap::IndexMap::new();
    for record in records {
        found.insert(record["id"].to_string(), record);
    }
    found.into_values().collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

pub(super) fn shortened(text: &str, chars: usize) -> String {
    let mut short: String = text.chars().take(chars).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
