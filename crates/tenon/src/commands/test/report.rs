//! What `tenon test` says.

use serde_json::{Value, json};
use tenon_runtime::replay::Verdict;

use super::discover::{Case, Skipped};
use crate::ui;

/// Most requests without an answer that are told of one fixture.
const UNKNOWN_REQUESTS: usize = 3;

/// How a fixture fared.
#[derive(Debug)]
pub(super) enum Outcome {
    Passed,
    /// It differs or threw.
    Failed(Vec<String>),
    /// It could not be replayed: the code does not compile, the file makes no sense.
    Broken(String),
    /// It differs, but its own `.test.ts` does more than replay it.
    NotComparable {
        reason: &'static str,
        lines: Vec<String>,
    },
}

impl Outcome {
    /// The outcome of a replay that did not pass.
    pub(super) fn judged(verdict: Verdict, own_code: Option<&'static str>) -> Self {
        let lines = lines(&verdict);
        match own_code {
            Some(reason) => Self::NotComparable { reason, lines },
            None => Self::Failed(lines),
        }
    }
}

/// What is to be said of a replay that did not pass.
pub(crate) fn lines(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Passed => Vec::new(),
        Verdict::Different {
            differences,
            unknown_requests,
        } => {
            let mut lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
            lines.extend(unknown_requests.iter().take(UNKNOWN_REQUESTS).cloned());
            lines
        }
        Verdict::Failed {
            failure,
            unknown_requests,
        } => {
            let mut lines = vec![format!("threw {}: {}", failure.kind, failure.message)];
            let places = failure.payload["stacktrace"]
                .as_array()
                .into_iter()
                .flatten();
            lines.extend(places.filter_map(Value::as_str).map(str::to_owned));
            let unknown = unknown_requests
                .iter()
                .filter(|request| !failure.message.contains(*request));
            lines.extend(unknown.take(UNKNOWN_REQUESTS).cloned());
            lines
        }
        Verdict::Crashed { detail } => vec![format!("the worker died: {detail}")],
    }
}

/// Counts, and prints as it goes.
pub(super) struct Report {
    json: bool,
    passed: usize,
    failed: usize,
    skipped: usize,
    not_comparable: Vec<String>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            passed: 0,
            failed: 0,
            skipped: 0,
            not_comparable: Vec::new(),
        }
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn skipped(&mut self, skipped: &Skipped) {
        self.skipped += 1;
        let Skipped { what, reason } = skipped;
        if self.json {
            ui::say(json!({ "fixture": what, "status": "skipped", "reason": reason }).to_string());
        } else {
            ui::say(format!("skip {what}: {reason}"));
        }
    }

    pub(super) fn add(&mut self, case: &Case, outcome: Outcome) {
        let title = case.title();
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                self.line(case, "passed", None, &[]);
            }
            Outcome::Failed(lines) => {
                self.failed += 1;
                self.line(case, "failed", None, &lines);
                self.text(&format!("FAIL {title}"), &lines);
            }
            Outcome::Broken(text) => {
                self.failed += 1;
                let lines: Vec<String> = vec![text];
                self.line(case, "failed", None, &lines);
                self.text(&format!("FAIL {title}"), &lines);
            }
            Outcome::NotComparable { reason, lines } => {
                self.skipped += 1;
                self.line(case, "skipped", Some(reason), &lines);
                self.not_comparable
                    .push(format!("  {title}: its test {reason}"));
            }
        }
    }

    /// The end: what was left out for reasons of its own, then the one closing line.
    pub(super) fn close(&self) {
        if !self.json && !self.not_comparable.is_empty() {
            ui::say(
                "\nThese differ, but their .test.ts has code of its own that a replay does not run:",
            );
            ui::say(self.not_comparable.join("\n"));
        }
        let mut line = format!("{} passed, {} failed", self.passed, self.failed);
        if self.skipped > 0 {
            line = format!("{line}, {} skipped", self.skipped);
        }
        if self.json {
            ui::complain(line);
        } else {
            ui::say(line);
        }
    }

    fn line(&self, case: &Case, status: &str, reason: Option<&str>, details: &[String]) {
        if !self.json {
            return;
        }
        let mut line = json!({
            "integration": case.entry.integration,
            "function": case.entry.name,
            "fixture": case.fixture.display().to_string(),
            "status": status,
        });
        if let Some(reason) = reason {
            line["reason"] = json!(reason);
        }
        if !details.is_empty() {
            line["details"] = json!(details);
        }
        ui::say(line.to_string());
    }

    fn text(&self, title: &str, lines: &[String]) {
        if self.json {
            return;
        }
        ui::say(title);
        for line in lines {
            ui::say(format!("  {}", line.replace('\n', "\n  ")));
        }
    }
}
