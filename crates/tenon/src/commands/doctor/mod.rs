//! `tenon doctor`: looks at this machine, this folder and the server, and says what to do about each thing.

mod machine;
mod project;
mod server;

use std::process::ExitCode;

use anyhow::Context as _;

use super::server::ServerArgs;
use crate::{
    config::{Config, ServerFlags},
    ui,
};

const HELP: &str = "\
Each line is `ok`, `note` (nothing to do, good to know), `warn` or `FAIL`, and says what to do. Nothing is changed.

Exit code: 0, or 1 if something fails.

Examples:
  tenon doctor
  tenon doctor --data-dir /var/lib/tenon --port 8080
  tenon doctor -e prod --url https://integrations.example.com";

/// Arguments of `tenon doctor`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ServerFlags,
    #[command(flatten)]
    server: ServerArgs,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Note,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    state: State,
    what: &'static str,
    text: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Finding {
    fn new(state: State, what: &'static str, text: impl Into<String>) -> Self {
        Self {
            state,
            what,
            text: text.into(),
            advice: None,
        }
    }

    fn advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// Looks at everything; exit code 1 if something fails.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start")
        .map(|runtime| runtime.block_on(look(&args)));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing fails.
async fn look(args: &Args) -> bool {
    let mut findings = Vec::new();
    match Config::load(&args.config) {
        Ok(config) => {
            let text = "readable; `tenon config` shows where each value comes from";
            findings.push(Finding::new(State::Ok, "configuration", text));
            findings.extend(machine::look(&config).await);
        }
        Err(error) => findings.push(
            Finding::new(State::Fail, "configuration", error.to_string())
                .advice("correct that value; `tenon.default.toml` explains every key"),
        ),
    }
    findings.extend(project::look());
    findings.extend(server::look(&args.server).await);
    for finding in &findings {
        let state = match finding.state {
            State::Ok => "ok  ",
            State::Note => "note",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        ui::say(format!("{state}  {:<14} {}", finding.what, finding.text));
        if let Some(advice) = &finding.advice {
            ui::say(format!("      {:<14} → {advice}", ""));
        }
    }
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let (fails, warnings) = (count(State::Fail), count(State::Warn));
    ui::say(format!("{fails} failed, {warnings} warnings"));
    fails == 0
}
