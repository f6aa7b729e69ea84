//! `--save`: the run as a fixture, tried out at once.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use tenon_core::function::{Bundle, FunctionKind};
use tenon_providers::Catalogue;
use tenon_runtime::{
    WorkerPool, WorkerPoolOptions,
    replay::{Fixture, Recorded, Replayed, Surroundings, Verdict, replay},
};

use super::{Args, host::Done};
use crate::{
    commands::{
        compile::CompiledFunction,
        test::{lines, paginate},
    },
    ui,
};

pub(super) async fn save(
    args: &Args,
    function: &CompiledFunction,
    done: &Done,
    input: Option<Value>,
    output: Value,
) -> anyhow::Result<()> {
    let definition = &function.definition;
    let is_action = definition.kind == FunctionKind::Action;
    let recorded = Recorded {
        input: input.filter(|_| is_action),
        output: is_action.then_some(output),
        connection: done.connection.clone(),
        metadata: json!(done.first_metadata),
        models: super::models(function),
    };
    let text = done.recording.clone().into_text(recorded);
    let place = format!(
        "{}/tests/{}.test.json",
        definition.integration, definition.name
    );
    let path = args.path.join(&place);
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, &text)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))?;
    ui::say(format!("recorded {place}"));
    match try_out(function, &text).await? {
        Verdict::Passed => ui::say("it replays: `tenon test` passes with it"),
        verdict => complain(args, done, &verdict),
    }
    Ok(())
}

async fn try_out(function: &CompiledFunction, text: &str) -> anyhow::Result<Verdict> {
    let program = std::env::current_exe().context("the path of this program")?;
    let pool = WorkerPool::start(WorkerPoolOptions {
        workers: 1,
        threads: 1,
        ..WorkerPoolOptions::new(program)
    })?;
    let replayed = Replayed {
        integration: function.entry.integration.clone(),
        name: function.entry.name.clone(),
        kind: function.definition.kind,
        bundle: Bundle::new(function.bundled.javascript.as_str()),
    };
    let fixture = Fixture::parse(text)?;
    let surroundings = Surroundings {
        clock: None,
        paginate: paginate(&Catalogue::embedded(), &replayed.integration, &fixture),
    };
    Ok(replay(&pool, &replayed, Arc::new(fixture), &surroundings).await)
}

fn complain(args: &Args, done: &Done, verdict: &Verdict) {
    ui::complain("warning: it does not replay as it is:");
    for line in lines(verdict) {
        ui::complain(format!("  {}", line.replace('\n', "\n  ")));
    }
    let members: Vec<&str> = done.not_replayable.keys().copied().collect();
    if !members.is_empty() {
        ui::complain(format!("  replays do not have: {}", members.join(", ")));
    }
    if args.checkpoint.is_some() || args.last_sync_date.is_some() {
        ui::complain("  replays begin without checkpoint and last date: record without -c and -l");
    }
    ui::complain(
        "hint: if it asks for something relative to now, replay with `tenon test --clock INSTANT`",
    );
}
