//! `tenon dryrun`: runs the function of this folder against a real connection, and saves nothing (cli.md, 5).

mod compare;
mod given;
mod host;
mod lines;
mod requests;
mod save;
mod validate;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use tenon_core::{
    function::{
        Bundle, Cancel, Entry, FunctionKind, FunctionRunner as _, LogLevel, RunContext, RunLimits,
        RunOutcome, RunRequest,
    },
    limits,
    names::EnvironmentPk,
};
use tenon_runtime::{WorkerPool, WorkerPoolOptions};

use super::{
    compile::{self, CompileProjectError, CompiledFunction, compile_named},
    server::{Client, ServerArgs, segment},
};
use crate::ui;
use host::{DryRunHost, Setting};

/// Exit code for a run that failed (cli.md, 2).
pub(crate) const DRYRUN_ERROR: u8 = 12;

const HELP: &str = "\
The code of this folder runs here, in the same runtime as on a server. Credentials and requests come from the server: each
`nango.get` goes through its proxy. Nothing is saved: records, deletions, checkpoints and metadata are collected and
shown. `triggerAction` alone really runs on the server.

--save writes <integration>/tests/<function>.test.json, which `tenon test` replays from then on. Look at it before you
commit it: it holds what the API answered.

Exit code: 0, 10 if the code does not compile, 12 if the run fails or validation refuses it.

Examples:
  tenon dryrun issues alice
  tenon dryrun create-issue alice -i '{\"title\":\"Printer on fire\"}' --validate
  tenon dryrun create-issue alice -i @input.json --save
  tenon dryrun issues alice -e prod -c '{\"cursor\":\"p7\"}' -m @metadata.json
  tenon dryrun issues alice --diff             what differs from the records that are stored
  tenon dryrun issues simulated --base-url http://127.0.0.1:4010";

/// Arguments of `tenon dryrun`; the flags are those of the published command line (cli.md, 3).
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Name of the function
    #[arg(value_name = "FUNCTION")]
    pub(crate) function: String,
    /// Connection to run it for
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Integration, where several have a function of this name
    #[arg(long, value_name = "INTEGRATION")]
    pub(crate) integration_id: Option<String>,
    /// Input of an action: JSON, or @FILE
    #[arg(short, long, value_name = "JSON|@FILE")]
    pub(crate) input: Option<String>,
    /// Metadata instead of that of the connection: JSON, or @FILE
    #[arg(short, long, value_name = "JSON|@FILE")]
    pub(crate) metadata: Option<String>,
    /// Checkpoint to begin with: JSON, or @FILE
    #[arg(short, long, value_name = "JSON|@FILE")]
    pub(crate) checkpoint: Option<String>,
    /// What `nango.lastSyncDate` shows
    #[arg(
        short = 'l',
        long = "lastSyncDate",
        alias = "last-sync-date",
        value_name = "DATE"
    )]
    pub(crate) last_sync_date: Option<String>,
    /// Variant of a sync
    #[arg(long, value_name = "NAME", default_value = "base")]
    pub(crate) variant: String,
    /// Run `onWebhook` of a sync with this payload instead of `exec`: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) webhook: Option<String>,
    /// Fail where input, output or a record does not fit its schema
    #[arg(long, alias = "validation")]
    pub(crate) validate: bool,
    /// Record a fixture; validates, too
    #[arg(long, alias = "save-responses")]
    pub(crate) save: bool,
    /// Show how the records differ from those that the server has stored
    #[arg(long)]
    pub(crate) diff: bool,
    /// Send requests to this address instead of the provider's, for instance one of `tenon simulate`
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Print the outcome as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print time and number of requests
    #[arg(long)]
    pub(crate) diagnostics: bool,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Runs; exit code 10 if the code is wrong, 12 if the run fails, 1 otherwise.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = super::block_on(dryrun(&args));
    let error = match ended {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(DRYRUN_ERROR),
        Err(error) => error,
    };
    match error.downcast_ref::<CompileProjectError>() {
        Some(error @ (CompileProjectError::Code(_) | CompileProjectError::Project(_))) => {
            compile::report(error)
        }
        _ => {
            ui::error(&error);
            ExitCode::from(DRYRUN_ERROR)
        }
    }
}

/// An integration of the server, as far as a run sees it.
#[derive(Deserialize)]
struct Integration {
    provider: String,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// Whether it went well.
async fn dryrun(args: &Args) -> anyhow::Result<bool> {
    let started = Instant::now();
    let input = given::json(args.input.as_deref(), "--input")?;
    let webhook = given::json(args.webhook.as_deref(), "--webhook")?;
    let metadata = given::object(args.metadata.as_deref(), "--metadata")?;
    let checkpoint = given::object(args.checkpoint.as_deref(), "--checkpoint")?;
    let last_sync_date = given::date(args.last_sync_date.as_deref())?;
    let (root, function) = (args.path.clone(), args.function.clone());
    let integration = args.integration_id.clone();
    let compiled = tokio::task::spawn_blocking(move || {
        compile_named(&root, &function, integration.as_deref())
    });
    let function = compiled.await.context("the compiler stopped")??;
    let entry = entry(&function, input.clone(), webhook)?;

    let client = Client::new(&args.server.target(&args.path)?)?;
    let key = &function.entry.integration;
    let path = format!(
        "/connections/{}?provider_config_key={}",
        segment(&args.connection),
        segment(key)
    );
    let connection: Map<String, Value> = client.get(&path).await?;
    let integration: Data<Integration> = client
        .get(&format!("/integrations/{}", segment(key)))
        .await?;

    let host = Arc::new(DryRunHost::new(Setting {
        client: client.clone(),
        integration: key.clone(),
        provider: integration.data.provider.clone(),
        connection_id: args.connection.clone(),
        variant: args.variant.clone(),
        base_url: args.base_url.clone(),
        connection,
        metadata,
        checkpoint: checkpoint.clone(),
    }));
    let validator = validate::Validator::new(&function);
    let mut problems = validator.input(&entry);
    let strict = args.validate || args.save;
    if strict && !problems.is_empty() {
        return Ok(lines::refused(&problems));
    }
    let context = RunContext {
        connection_id: args.connection.clone(),
        provider_config_key: key.clone(),
        provider: integration.data.provider,
        environment_name: args.server.environment.clone(),
        function: function.entry.name.clone(),
        variant: args.variant.clone(),
        last_sync_date,
        models: models(&function),
        log_level: LogLevel::Debug,
        track_deletes: function.definition.track_deletes,
        ..RunContext::default()
    };
    let outcome = run_once(&function, entry, context, host.clone()).await?;
    let done = host.done();
    if args.diagnostics {
        lines::diagnostics(started.elapsed(), &done);
    }
    let output = match outcome {
        RunOutcome::Succeeded { output } => output,
        RunOutcome::Failed(failure) => {
            lines::failed(&failure, args.json);
            return Ok(false);
        }
        RunOutcome::Crashed { detail } => bail!("the run ended early: {detail}"),
    };
    let output: Value = serde_json::from_slice(&output).context("the output is not JSON")?;
    problems.extend(validator.output(&output));
    problems.extend(validator.records(&done));
    lines::outcome(&function, &output, &done, &problems, args.json);
    if strict && !problems.is_empty() {
        return Ok(lines::refused(&problems));
    }
    if args.diff {
        compare::against_stored(&client, args, &function, &done).await?;
    }
    if args.save {
        save::save(args, &function, &done, input, output).await?;
    }
    Ok(true)
}

fn entry(
    function: &CompiledFunction,
    input: Option<Value>,
    webhook: Option<Value>,
) -> anyhow::Result<Entry> {
    let kind = function.definition.kind;
    if input.is_some() && kind != FunctionKind::Action {
        bail!(
            "only actions have an input; `{}` is {}",
            function.entry.name,
            with_article(kind)
        );
    }
    match (kind, webhook) {
        (FunctionKind::Sync, Some(payload)) => Ok(Entry::Webhook { payload }),
        (_, Some(_)) => bail!(
            "only syncs take webhooks; `{}` is {}",
            function.entry.name,
            with_article(kind)
        ),
        (FunctionKind::Sync, None) => Ok(Entry::Sync),
        (FunctionKind::OnEvent, None) => Ok(Entry::OnEvent),
        (FunctionKind::Action, None) => Ok(Entry::Action {
            input: input.unwrap_or_default(),
        }),
    }
}

fn with_article(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Sync => "a sync",
        FunctionKind::Action => "an action",
        FunctionKind::OnEvent => "an on-event function",
    }
}

fn models(function: &CompiledFunction) -> Vec<String> {
    match function.definition.kind {
        FunctionKind::Sync => function.definition.models.clone(),
        FunctionKind::Action | FunctionKind::OnEvent => Vec::new(),
    }
}

async fn run_once(
    function: &CompiledFunction,
    entry: Entry,
    context: RunContext,
    host: Arc<DryRunHost>,
) -> anyhow::Result<RunOutcome> {
    let program = std::env::current_exe().context("the path of this program")?;
    let pool = WorkerPool::start(WorkerPoolOptions {
        workers: 1,
        threads: 1,
        ..WorkerPoolOptions::new(program)
    })?;
    let run = match function.definition.kind {
        FunctionKind::Sync => limits::SYNC_RUN,
        FunctionKind::Action => limits::ACTION_RUN,
        FunctionKind::OnEvent => limits::ON_EVENT_RUN,
    };
    let cancel = Cancel::default();
    let request = RunRequest {
        environment: EnvironmentPk(0),
        kind: function.definition.kind,
        bundle: Bundle::new(function.bundled.javascript.as_str()),
        entry,
        context,
        limits: RunLimits {
            run,
            busy: limits::BUSY_JAVASCRIPT,
            heap_bytes: limits::ISOLATE_HEAP_BYTES,
            stack_bytes: limits::ISOLATE_STACK_BYTES,
            output_bytes: limits::ACTION_OUTPUT_BYTES,
        },
        cancel: cancel.clone(),
    };
    tokio::select! {
        outcome = pool.run(request, host) => Ok(outcome),
        _ = tokio::signal::ctrl_c() => {
            cancel.raise();
            bail!("interrupted")
        }
    }
}
