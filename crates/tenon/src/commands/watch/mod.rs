//! `tenon watch`: compiles and deploys on every save.

mod folder;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tenon_core::function::Cancel;

use super::{
    compile::{CompileProjectError, Selection, compile_project},
    deploy::{Client, ClientError, DeployBody, told},
};
use crate::ui;
use folder::Folder;

pub(crate) use super::deploy::Target;

/// Wait before trying a server again that did not answer.
const RETRY: Duration = Duration::from_secs(2);

/// Arguments of `tenon watch`.
#[derive(clap::Args, Debug, Clone)]
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
    let mut last: Option<DeployBody> = None;
    loop {
        let outcome = deploy(&root, &client, last.as_ref()).await;
        let unreachable = matches!(
            outcome,
            Err(WatchError::Server(ClientError::Unreachable { .. }))
        );
        match outcome {
            Ok(Outcome::Unchanged) => {}
            Ok(Outcome::Deployed { body, lines }) => {
                last = Some(body);
                tell(lines);
            }
            Err(error) => tell(told_error(&error)),
        }
        tokio::select! {
            () = shutdown.raised() => return Ok(()),
            changed = folder.changed() => changed?,
            () = tokio::time::sleep(RETRY), if unreachable => {}
        }
    }
}

enum Outcome {
    Unchanged,
    Deployed { body: DeployBody, lines: String },
}

#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("{0}")]
    Compile(#[from] CompileProjectError),
    #[error("could not deploy")]
    Server(#[from] ClientError),
    #[error(
        "not deployed: it {0}; run `tenon deploy --auto-confirm --allow-destructive` if that is what you want"
    )]
    Destructive(String),
    #[error("the compiler stopped")]
    Stopped,
}

async fn deploy(
    root: &Path,
    client: &Client,
    last: Option<&DeployBody>,
) -> Result<Outcome, WatchError> {
    let folder = root.to_owned();
    let compiled =
        tokio::task::spawn_blocking(move || compile_project(&folder, &Selection::default())).await;
    let functions = compiled.map_err(|_| WatchError::Stopped)??;
    let body = DeployBody::new(&functions, &Selection::default(), None);
    if last == Some(&body) {
        return Ok(Outcome::Unchanged);
    }
    if let Some(what) = client.confirm(&body).await?.destroys() {
        return Err(WatchError::Destructive(what));
    }
    let lines = told(&client.deploy(&body).await?);
    Ok(Outcome::Deployed { body, lines })
}

/// The first complaint is enough while one is typing.
fn told_error(error: &WatchError) -> String {
    if let WatchError::Compile(CompileProjectError::Code(error)) = error {
        let more = error.diagnostics.len().saturating_sub(1);
        let first = error
            .diagnostics
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        return if more > 0 {
            format!("{first}\n  ({more} more)")
        } else {
            first
        };
    }
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
