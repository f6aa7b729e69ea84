//! `tenon watch`: compiles and deploys on every save.

mod folder;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tenon_core::function::Cancel;

use super::{
    compile::{CompileProjectError, Selection, check_types, compile_project},
    deploy::{self, DeployBody, told},
    server::{Client, ClientError},
};
use crate::ui;
use folder::Folder;

use super::server::Target;

/// Wait before trying a server again that did not take a deployment.
const RETRY: Duration = Duration::from_secs(2);

/// Said once after a mistake: the code may be what it was before it, and then nothing is deployed.
const MENDED: &str = "No mistakes left; the server runs this code.";

const HELP: &str = "\
The first mistake is shown with its line; what runs on the server stays until the code compiles again. A deployment that
would delete a sync with connections, or a model, is not sent. Types are checked behind each deployment, if the project has
`tsc` in its node_modules.

`tenon dev` does the same in a folder with index.ts, and brings the server.

Examples:
  tenon watch
  tenon watch staging --url https://integrations.staging.example.com";

/// Arguments of `tenon watch`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Environment to deploy to
    #[arg(value_name = "ENVIRONMENT", default_value = "dev")]
    pub(crate) environment: String,
    /// Folder with `index.ts`
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Server to deploy to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// Watches until interrupted.
pub(crate) fn run(args: Args) -> ExitCode {
    match watch(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn watch(args: Args) -> anyhow::Result<()> {
    let target = Target::find(&args.path, &args.environment, args.url.as_deref())?;
    ui::say(format!(
        "Watching {} for `{}` on {}",
        args.path.display(),
        args.environment,
        target.url
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = Cancel::default();
        let watching = watch_folder(args.path, target, shutdown.clone(), ui::say);
        tokio::select! {
            ended = watching => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// Compiles and deploys the functions below `root` now and after every change, until `shutdown` is raised. What happens
/// is told through `tell`, a line at a time. For `tenon dev`; ends only with `shutdown` or when the folder cannot be
/// watched.
pub(crate) async fn watch_folder(
    root: PathBuf,
    target: Target,
    shutdown: Cancel,
    tell: impl Fn(String) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let mut folder = Folder::watch(&root)?;
    let client = Client::new(&target)?;
    let mut deployed: Option<DeployBody> = None;
    // A mistake was told, and nothing since has said that it is mended.
    let mut wrong = false;
    loop {
        let mut compiles = true;
        match compile(&root).await {
            Err(error) => {
                compiles = false;
                wrong = true;
                tell(told_error(&error));
            }
            Ok(body) if deployed.as_ref() == Some(&body) => {}
            Ok(body) => {
                let sending = send(&client, &body, &tell);
                tokio::select! {
                    () = shutdown.raised() => return Ok(()),
                    // What was saved meanwhile goes first.
                    changed = folder.changed() => {
                        changed?;
                        continue;
                    }
                    sent = sending => deployed = sent.then_some(body),
                }
            }
        }
        // Types take seconds: they are looked at behind the deployment, and dropped when something was saved.
        tokio::select! {
            () = shutdown.raised() => return Ok(()),
            changed = folder.changed() => {
                changed?;
                continue;
            }
            complaint = types(&root), if compiles => match complaint {
                Some(error) => {
                    wrong = true;
                    tell(told_error(&error));
                }
                None if wrong && deployed.is_some() => {
                    wrong = false;
                    tell(MENDED.to_owned());
                }
                None => {}
            }
        }
        tokio::select! {
            () = shutdown.raised() => return Ok(()),
            changed = folder.changed() => changed?,
        }
    }
}

/// What the project's own `tsc` has to say, if there is one.
async fn types(root: &Path) -> Option<WatchError> {
    let folder = root.to_owned();
    let checked = tokio::task::spawn_blocking(move || check_types(&folder)).await;
    checked.ok()?.err().map(WatchError::Compile)
}

#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("{0}")]
    Compile(#[from] CompileProjectError),
    #[error("not deployed: {0}")]
    Server(#[from] ClientError),
    #[error(
        "not deployed: it {0}\nhint: run `tenon deploy --auto-confirm --allow-destructive` if that is what you want"
    )]
    Destructive(String),
    #[error("the compiler stopped")]
    Stopped,
}

async fn compile(root: &Path) -> Result<DeployBody, WatchError> {
    let folder = root.to_owned();
    let everything = Selection::default();
    let compiled =
        tokio::task::spawn_blocking(move || compile_project(&folder, &Selection::default())).await;
    let functions = compiled.map_err(|_| WatchError::Stopped)??;
    Ok(DeployBody::new(&functions, &everything, None))
}

/// Deploys, again and again while the server does not take it: it may not run yet, or lack an integration. Whether it
/// was deployed in the end.
async fn send(client: &Client, body: &DeployBody, tell: &impl Fn(String)) -> bool {
    let mut told_last = String::new();
    loop {
        let error = match send_once(client, body).await {
            Ok(lines) => {
                tell(lines);
                return true;
            }
            Err(error) => error,
        };
        let text = told_error(&error);
        if text != told_last {
            tell(text.clone());
            told_last = text;
        }
        if !matches!(error, WatchError::Server(_)) {
            return false;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn send_once(client: &Client, body: &DeployBody) -> Result<String, WatchError> {
    if let Some(what) = deploy::ask_plan(client, body).await?.destroys() {
        return Err(WatchError::Destructive(what));
    }
    Ok(told(&deploy::send(client, body).await?))
}

/// The first complaint is enough while one is typing.
fn told_error(error: &WatchError) -> String {
    let WatchError::Compile(CompileProjectError::Code(error)) = error else {
        return error.to_string();
    };
    let more = error.diagnostics.len().saturating_sub(1);
    let first = error.diagnostics.first();
    let first = first.map(ToString::to_string).unwrap_or_default();
    if more > 0 {
        format!("{first}\n  ({more} more)")
    } else {
        first
    }
}
