//! `tenon test`: replays recorded fixtures of functions, without server or network (functions.md, 5).

mod discover;
mod own_code;
mod provider;
mod report;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use futures::StreamExt as _;
use tenon_core::{Timestamp, function::Bundle};
use tenon_providers::Catalogue;
use tenon_runtime::{
    WorkerPool, WorkerPoolOptions,
    compile::Project,
    replay::{Fixture, Overrides, Replayed, Surroundings, Verdict, replay},
};

use crate::ui;
use discover::{Case, Found};
pub(crate) use provider::paginate;
use provider::{Given, Providers};
pub(crate) use report::lines;
use report::{Outcome, Report};

const HELP: &str = "\
A fixture is <integration>/tests/<function>.test.json; `tenon dryrun --save` records one. The function of that name runs
against what was recorded; an action must return the recorded output, a sync save and delete the recorded records. Neither
index.ts nor node_modules, server or network are needed. Broken links and fixtures without a function are named and skipped.

A .test.ts beside a fixture is not run; the clock it stops, and the connection or metadata it replaces, are honoured.

Exit code: 0, or 1 if a fixture fails.

Examples:
  tenon test                                 everything below this folder
  tenon test github                          one integration
  tenon test github/tests/issues.test.json
  tenon test --provider hubspot-eu=hubspot   whose pagination settings hold for an integration of another name
  tenon test --function issues --clock 2026-01-02T03:04:05Z
  tenon test --json                          a JSON object per fixture, for CI";

/// Arguments of `tenon test`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folder with integrations, an integration, or a fixture
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Only fixtures of this integration
    #[arg(long, value_name = "INTEGRATION")]
    pub(crate) integration: Option<String>,
    /// Only fixtures of this function
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// What `Date` shows inside functions: `now` or an ISO 8601 instant; by default what the test beside a fixture sets,
    /// else the real time
    #[arg(long, value_name = "now|ISO", value_parser = clock)]
    pub(crate) clock: Option<ClockChoice>,
    /// Print results as JSON lines; the closing line goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Provider file in Nango's format, for pagination settings; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) providers: Vec<PathBuf>,
    /// Provider of an integration that has another name; repeatable. `package.json` may list them, too:
    /// `"tenon": { "providers": { "hubspot-eu": "hubspot" } }`
    #[arg(long, value_name = "INTEGRATION=PROVIDER")]
    pub(crate) provider: Vec<Given>,
}

/// What `Date` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockChoice {
    Now,
    Stopped(Timestamp),
}

fn clock(text: &str) -> Result<ClockChoice, String> {
    if text == "now" {
        return Ok(ClockChoice::Now);
    }
    Timestamp::parse_iso(text)
        .map(ClockChoice::Stopped)
        .ok_or_else(|| "`now` or an instant like 2026-01-02T03:04:05Z".to_owned())
}

/// Replays; exit code 1 if a fixture fails.
pub(crate) fn run(args: Args) -> ExitCode {
    match test(args) {
        Ok(report) if report.failed() == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn test(args: Args) -> anyhow::Result<Report> {
    let found = discover::discover(
        &args.path,
        args.integration.as_deref(),
        args.function.as_deref(),
    )?;
    let mut catalogue = Catalogue::embedded();
    for file in &args.providers {
        catalogue
            .load_file(file)
            .with_context(|| format!("provider file `{}`", file.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(replay_all(found, &catalogue, &args))?;
    report.close();
    Ok(report)
}

async fn replay_all(found: Found, catalogue: &Catalogue, args: &Args) -> anyhow::Result<Report> {
    let root = found.cases.first().map(|case| case.root.clone());
    let providers = Providers::read(
        root.as_deref().unwrap_or(&args.path),
        &args.provider,
        catalogue,
    )?;
    let providers = &providers;
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let program = std::env::current_exe().context("the path of this program")?;
    let pool = WorkerPool::start(WorkerPoolOptions {
        workers: cores,
        threads: cores,
        ..WorkerPoolOptions::new(program)
    })?;
    let mut report = Report::new(args.json);
    for skipped in found.skipped {
        report.skipped(&skipped);
    }
    let pool = &pool;
    let mut outcomes = futures::stream::iter(found.cases)
        .map(|case| async move {
            let outcome = replay_one(&case, pool, catalogue, providers, args.clock).await;
            (case, outcome)
        })
        .buffered(cores * 4);
    while let Some((case, outcome)) = outcomes.next().await {
        report.add(&case, outcome);
    }
    Ok(report)
}

async fn replay_one(
    case: &Case,
    pool: &WorkerPool,
    catalogue: &Catalogue,
    providers: &Providers,
    clock: Option<ClockChoice>,
) -> Outcome {
    let prepared = {
        let case = case.clone();
        tokio::task::spawn_blocking(move || prepare(&case)).await
    };
    let (function, fixture) = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(outcome)) => return outcome,
        Err(_) => return Outcome::Broken("the compiler stopped".to_owned()),
    };
    let test = case.test().unwrap_or_default();
    let overrides = Overrides::read(&test);
    let surroundings = Surroundings {
        clock: match clock {
            None => overrides.clock,
            Some(ClockChoice::Now) => None,
            Some(ClockChoice::Stopped(instant)) => Some(instant),
        },
        paginate: providers.paginate(catalogue, &case.root, &case.entry.integration, &fixture),
    };
    let fixture = Arc::new(fixture.with_answers(overrides.answers));
    match replay(pool, &function, fixture, &surroundings).await {
        Verdict::Passed => Outcome::Passed,
        verdict => Outcome::judged(verdict, own_code::reason(&test)),
    }
}

fn prepare(case: &Case) -> Result<(Replayed, Fixture), Outcome> {
    let project = Project {
        root: case.root.clone(),
        entries: Vec::new(),
    };
    let bundled = project
        .bundle(&case.entry)
        .map_err(|error| Outcome::Broken(error.to_string()))?;
    let text = std::fs::read_to_string(&case.fixture)
        .map_err(|error| Outcome::Broken(error.to_string()))?;
    let fixture = Fixture::parse(&text).map_err(|error| Outcome::Broken(error.to_string()))?;
    let function = Replayed {
        integration: case.entry.integration.clone(),
        name: case.entry.name.clone(),
        kind: bundled.kind,
        bundle: Bundle::new(bundled.javascript),
    };
    Ok((function, fixture))
}
