//! `tenon simulate`: a provider on loopback that answers from recorded fixtures, and breaks when it is told to.

mod connect;
mod faults;
mod provider_file;
mod simulator;

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use tenon_core::function::Cancel;
use tenon_runtime::replay::Answers;
use tokio::net::TcpListener;

use super::server::{Client, ServerArgs};
use crate::ui;
use faults::{Dial, Fault};
use simulator::Simulator;

const HELP: &str = "\
It answers what the fixtures of the integration (<integration>/tests/*.test.json) recorded, and 404 with a list of what it
knows for everything else. Links in answers that lead to recorded paths, and fields that tell where an API lives, lead here. A fault strikes every Nth request:

  429:N       too many requests, with Retry-After (--retry-after)
  503:N       any 5xx status
  slow:N      answers after --slow-ms
  expired:N   from the Nth request on 401, until the credentials of requests change
  drift:N     answers, but fields are missing, null or of another type

Turn the dial while it runs:

  curl -X POST http://127.0.0.1:4010/__simulator -d '{\"429\": 3, \"slow\": 0}'
  curl http://127.0.0.1:4010/__simulator            the dial, and what was asked

Examples:
  tenon simulate bookshop
  tenon simulate bookshop --connect            also an integration and a connection `simulated` on the server
  tenon dryrun orders simulated --base-url http://127.0.0.1:4010
  tenon simulate github --fault 429:3 --fault slow:5
  tenon simulate github --provider-file sim.yaml   and then: tenon dev --providers sim.yaml";

/// Arguments of `tenon simulate`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Integration whose fixtures answer
    #[arg(value_name = "INTEGRATION")]
    pub(crate) integration: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "4010")]
    pub(crate) port: u16,
    /// What goes wrong, and how often; repeatable
    #[arg(long = "fault", value_name = "KIND:N")]
    pub(crate) faults: Vec<Fault>,
    /// Seconds in Retry-After of a 429
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    pub(crate) retry_after: u32,
    /// Wait of a slow answer
    #[arg(long, value_name = "MS", default_value = "3000")]
    pub(crate) slow_ms: u64,
    /// Refuse requests whose body is another one than the recorded one
    #[arg(long)]
    pub(crate) strict: bool,
    /// Make the integration and a connection on a server, so that its functions come here
    #[arg(long)]
    pub(crate) connect: bool,
    /// Id of that connection
    #[arg(long, value_name = "ID", default_value = "simulated")]
    pub(crate) connection_id: String,
    /// Write the provider's entry with this address, for `tenon dev --providers FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_file: Option<PathBuf>,
    /// Provider that --provider-file is about, if the integration has another name
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Provider file of your own that --provider-file also looks into; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) providers: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Folder with integrations
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Serves until interrupted.
pub(crate) fn run(args: Args) -> ExitCode {
    let ended = super::block_on(simulate(&args));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn simulate(args: &Args) -> anyhow::Result<()> {
    let (mut answers, files) = read(&args.path, &args.integration)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| {
            format!(
                "port {} is taken\nhint: choose another with --port",
                args.port
            )
        })?;
    let url = format!("http://{}", listener.local_addr()?);
    answers.lead_to(&url);
    if let Some(file) = &args.provider_file {
        provider_file::write(file, args, &url)?;
    }
    let known = answers.len();
    let dial = Dial::new(&args.faults);
    let simulator = Arc::new(Simulator::new(answers, dial, args));
    let shutdown = Cancel::default();
    let router = tenon_api::simulator::router(move |asked| {
        let simulator = Arc::clone(&simulator);
        async move { simulator.answer(asked).await }
    });
    let serving = tokio::spawn(tenon_api::serve(listener, router, shutdown.clone()));
    ui::say(format!(
        "simulating {} on {url} ({known} answers from {files} fixtures)",
        args.integration
    ));
    if args.connect {
        let client = Client::new(&args.server.target(&args.path)?)?;
        connect::connect(&client, args, &url).await?;
    }
    tokio::signal::ctrl_c()
        .await
        .context("waiting for Ctrl-C")?;
    shutdown.raise();
    serving.await.context("the simulator stopped")
}

/// All fixtures of an integration.
fn read(root: &Path, integration: &str) -> anyhow::Result<(Answers, usize)> {
    let folder = root.join(integration).join("tests");
    let listing = std::fs::read_dir(&folder).with_context(|| {
        format!(
            "`{}` cannot be read\nhint: a simulator answers from <integration>/tests/*.test.json; `tenon dryrun --save` records them",
            folder.display()
        )
    })?;
    let mut files: Vec<PathBuf> = listing
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".test.json"))
        .collect();
    files.sort();
    let mut answers = Answers::default();
    for file in &files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`{}` cannot be read", file.display()))?;
        answers
            .add(&text)
            .with_context(|| format!("`{}` is not a fixture", file.display()))?;
    }
    if answers.is_empty() {
        bail!(
            "the fixtures in `{}` recorded no requests",
            folder.display()
        );
    }
    Ok((answers, files.len()))
}
