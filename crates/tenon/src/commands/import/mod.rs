//! `tenon import`: an export of ours, or what a running reference server has (docs/reference/export.md).

mod nango;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use tenon_core::{SharedClock, SharedRandom, random::SystemRandom};
use tenon_engine::{
    time::SystemClock,
    transfer::{self, Identity, Imports, Opening},
};
use tokio::io::BufReader;

use crate::{
    config::{Config, ServerFlags},
    server::{data_dir, database},
    ui,
};

const HELP: &str = "\
A file of `tenon export` goes into the database itself: start the server afterwards (SQLite), or import beside it (Postgres). Rows
that are there already stay as they are, so an import that was cut off is simply done again.

Examples:
  tenon import backup.tenon --identity backup.identity --data-dir /var/lib/tenon
  tenon import prod.tenon --passphrase-file secret.txt --rename prod=prod2
  tenon import nango --url https://nango.example.com --secret-key ...";

/// Arguments of `tenon import`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: Option<From>,
    /// File of `tenon export`
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// File with the private key that opens it
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    /// File with the passphrase that opens it; or `TENON_EXPORT_PASSPHRASE`
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Another name for an environment; repeatable
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<String>,
    /// Folder of the database and keys; made if missing
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// postgres://… instead of the embedded SQLite
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug, Clone)]
enum From {
    /// Take integrations and connections over from a running Nango server
    Nango(nango::Args),
}

/// Imports.
pub(crate) fn run(args: Args) -> ExitCode {
    super::ended(match args.from {
        Some(From::Nango(args)) => super::block_on(nango::import(&args)),
        None => super::block_on(import(&args)),
    })
}

async fn import(args: &Args) -> anyhow::Result<()> {
    let path = args.file.as_deref().context("no file is named")?;
    let imports = Imports {
        opening: opening(args)?,
        renamed: renamed(&args.rename)?,
    };
    let config = Config::load(&ServerFlags {
        data_dir: args.data_dir.clone(),
        database_url: args.database_url.clone(),
        config: args.config.clone(),
        ..ServerFlags::default()
    })?;
    let file = tokio::fs::File::open(path)
        .await
        .with_context(|| format!("could not read `{}`", path.display()))?;
    let clock: SharedClock = Arc::new(SystemClock::new());
    let random: SharedRandom = Arc::new(SystemRandom);
    let data_dir = data_dir::prepare(&config.data_dir)?;
    let store = database::open(&config, &data_dir, &clock, &random).await?;
    let imported = transfer::import(&store, BufReader::new(file), &imports).await;
    store.close().await;
    let imported = imported?;
    ui::say(format!(
        "environments: {}; {} rows taken in, {} were there already",
        imported.environments.join(", "),
        imported.new,
        imported.known
    ));
    if imported.orphans > 0 {
        ui::say(format!(
            "{} rows left out: what they belong to went while the export was written",
            imported.orphans
        ));
    }
    if imported.foreign > 0 {
        ui::say(format!(
            "{} rows left out: this version does not know their kind",
            imported.foreign
        ));
    }
    Ok(())
}

fn opening(args: &Args) -> anyhow::Result<Opening> {
    if let Some(file) = &args.identity {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read `{}`", file.display()))?;
        return Ok(Opening::Identity(Identity::parse(&text)?));
    }
    let passphrase = super::export::passphrase(args.passphrase_file.as_deref())?;
    let passphrase =
        passphrase.context("say what opens the file: --identity or --passphrase-file")?;
    Ok(Opening::Passphrase(passphrase))
}

fn renamed(list: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    list.iter()
        .map(|text| {
            let pair = text.split_once('=');
            let (old, new) = pair.with_context(|| format!("`--rename {text}` is no OLD=NEW"))?;
            Ok((old.to_owned(), new.to_owned()))
        })
        .collect()
}
