//! `tenon deploy`: compiles the functions of a folder and sends them to a server.

mod body;
mod plan;

use std::{
    io::{BufRead, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use serde::Deserialize;

use super::{
    compile::{self, CompileProjectError, Selection, check_types, compile_project},
    server::{Client, ClientError, Target, TargetError, in_ci},
};
use crate::ui;

pub(crate) use body::DeployBody;
use plan::Plan;

/// A function as the server keeps it now.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    #[serde(rename = "providerConfigKey", alias = "provider_config_key")]
    pub(crate) provider_config_key: String,
    #[serde(default)]
    pub(crate) version: String,
}

/// Asks what a deployment would change.
pub(crate) async fn ask_plan(client: &Client, body: &DeployBody) -> Result<Plan, ClientError> {
    client
        .post("/sync/deploy/confirmation", &body.to_confirm())
        .await
}

/// Deploys.
pub(crate) async fn send(client: &Client, body: &DeployBody) -> Result<Vec<Deployed>, ClientError> {
    client.post("/sync/deploy", &body.to_deploy()).await
}

/// Exit code for a deployment that the server refused (cli.md, 2).
pub(crate) const DEPLOY_ERROR: u8 = 11;

const HELP: &str = "\
The plan comes first: what is new (+), changed (~) and gone (-). Where something would be deleted that holds data (a sync
with connections, a model), people are asked. Nobody is asked in CI, without a terminal, with --no-interactive or with
--auto-confirm: then such a deployment is refused, unless both --auto-confirm and --allow-destructive are given.

Without -i, -s or -a the whole project is deployed, and what it no longer holds is removed from the server.

Exit code: 0, 10 if the code does not compile, 11 if the server refuses.

Examples:
  tenon deploy                       to environment `dev`
  tenon deploy prod --dry-run        only the plan
  tenon deploy prod -i github        one integration
  tenon deploy prod -s issues -v 1.4.0
  NANGO_SECRET_KEY_PROD=... tenon deploy prod --auto-confirm --url https://integrations.example.com";

/// Arguments of `tenon deploy`; the flags are those of the published command line (cli.md, 3).
#[derive(clap::Args, Debug, Clone, Default)]
#[command(disable_version_flag = true, after_help = HELP)]
pub(crate) struct Args {
    /// Environment to deploy to
    #[arg(value_name = "ENVIRONMENT", default_value = "dev")]
    pub(crate) environment: String,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Version for every function of this deployment
    #[arg(short = 'v', long = "version", value_name = "VERSION")]
    pub(crate) function_version: Option<String>,
    /// Deploy only the sync of this name
    #[arg(short = 's', long, value_name = "NAME")]
    pub(crate) sync: Option<String>,
    /// Deploy only the action of this name
    #[arg(short = 'a', long, value_name = "NAME")]
    pub(crate) action: Option<String>,
    /// Deploy only the functions of this integration
    #[arg(short = 'i', long, value_name = "INTEGRATION")]
    pub(crate) integration: Option<String>,
    /// Delete syncs that have connections, and models, without asking (together with --auto-confirm)
    #[arg(long)]
    pub(crate) allow_destructive: bool,
    /// Ask nothing
    #[arg(long, env = "NANGO_DEPLOY_AUTO_CONFIRM", num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) auto_confirm: bool,
    /// Leave types alone even if the project has `tsc`
    #[arg(long)]
    pub(crate) no_type_check: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Server to deploy to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// Deploys; exit code 10 if the code is wrong, 11 if the server refuses, 1 otherwise.
pub(crate) fn run(args: Args, no_interactive: bool) -> ExitCode {
    match deploy(&args, no_interactive) {
        Ok(()) => ExitCode::SUCCESS,
        Err(DeployError::Compile(error)) => compile::report(&error),
        Err(
            error @ (DeployError::Target(_) | DeployError::NotConfirmed | DeployError::Runtime(_)),
        ) => {
            ui::error(&error.into());
            ExitCode::FAILURE
        }
        Err(error @ (DeployError::Server(_) | DeployError::Destructive { .. })) => {
            ui::complain(format!("error: {error}"));
            ExitCode::from(DEPLOY_ERROR)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeployError {
    #[error(transparent)]
    Compile(#[from] CompileProjectError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("not deployed: {0}")]
    Server(#[from] ClientError),
    #[error(
        "not deployed: {what}\nhint: deploy with --auto-confirm --allow-destructive if that is what you want"
    )]
    Destructive { what: String },
    #[error("not deployed")]
    NotConfirmed,
    #[error("could not start")]
    Runtime(#[source] std::io::Error),
}

fn deploy(args: &Args, no_interactive: bool) -> Result<(), DeployError> {
    let target = Target::find(&args.path, &args.environment, args.url.as_deref())?;
    let selection = Selection {
        sync: args.sync.clone(),
        action: args.action.clone(),
        integration: args.integration.clone(),
    };
    let functions = compile_project(&args.path, &selection)?;
    if !args.no_type_check {
        check_types(&args.path)?;
    }
    let body = DeployBody::new(&functions, &selection, args.function_version.as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DeployError::Runtime)?;
    let client = Client::new(&target)?;
    let plan = runtime.block_on(ask_plan(&client, &body))?;
    ui::say(format!("Plan for `{}` on {}", args.environment, target.url));
    ui::say(plan.to_string());
    if args.dry_run {
        return Ok(());
    }
    if let Some(what) = plan.destroys() {
        let nobody = no_interactive || in_ci() || !std::io::stdin().is_terminal();
        confirm(args, nobody, what)?;
    }
    let deployed = runtime.block_on(send(&client, &body))?;
    ui::say(told(&deployed));
    Ok(())
}

/// What was deployed, as lines.
pub(crate) fn told(deployed: &[Deployed]) -> String {
    if deployed.is_empty() {
        return "Nothing to deploy; what is no longer in the project is gone.".to_owned();
    }
    let names: Vec<String> = deployed
        .iter()
        .map(|function| {
            format!(
                "{}/{}@v{}",
                function.provider_config_key, function.name, function.version
            )
        })
        .collect();
    format!("Deployed {}", names.join(", "))
}

/// Lets people decide about what a deployment deletes; never asks where nobody can answer.
fn confirm(args: &Args, nobody: bool, what: String) -> Result<(), DeployError> {
    if args.auto_confirm && args.allow_destructive {
        return Ok(());
    }
    if nobody || args.auto_confirm {
        return Err(DeployError::Destructive { what });
    }
    ui::say(format!("This {what}. Deploy? [y/N]"));
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(DeployError::NotConfirmed),
    }
}
