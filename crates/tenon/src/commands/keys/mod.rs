//! `tenon keys`: the keys that seal what is stored (docs/reference/keys.md).

mod offline;
mod online;
mod show;

use std::{path::PathBuf, process::ExitCode};

use super::server::{Client, Target};
use crate::config::ServerFlags;

const HELP: &str = "\
The instance key wraps the data keys; each environment has data keys, the newest of which seals. Old keys stay readable, and
whatever stands under them is moved by the server while it works on.

Examples:
  tenon keys list --count                    keys, and how many values stand under each
  tenon keys rotate --instance               a new instance key
  tenon keys rotate --environment prod       a new data key for one environment
  tenon keys rotate --all --offline          everything, while no server runs
  tenon keys rotate --status                 how far rotations are";

/// Arguments of `tenon keys`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug, Clone)]
enum Command {
    /// Show the keys and what stands under them
    List(List),
    /// Put new keys in force and move everything to them
    Rotate(Rotate),
}

#[derive(clap::Args, Debug, Clone)]
struct List {
    /// Count the values under each data key; reads every sealed row
    #[arg(long)]
    count: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args, Debug, Clone)]
struct Rotate {
    /// The instance key
    #[arg(long)]
    instance: bool,
    /// The data key of this environment; repeatable
    #[arg(short, long, value_name = "NAME")]
    environment: Vec<String>,
    /// The instance key and all data keys
    #[arg(long, conflicts_with_all = ["instance", "environment"])]
    all: bool,
    /// Begin nothing; show how far rotations are
    #[arg(long, conflicts_with_all = ["instance", "environment", "all"])]
    status: bool,
    /// Return as soon as the new keys are in force
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    place: Place,
}

/// Which database is meant.
#[derive(clap::Args, Debug, Clone)]
struct Place {
    /// Server to talk to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL", conflicts_with = "offline")]
    url: Option<String>,
    /// Environment whose secret key is used to talk to the server
    #[arg(long, value_name = "NAME", default_value = "dev")]
    key_of: String,
    /// Folder to look for `.env` and a running `tenon dev` from
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Open the database itself; no server may run on a SQLite one
    #[arg(long)]
    offline: bool,
    /// With --offline: folder of the database and keys
    #[arg(long, value_name = "DIR", requires = "offline")]
    data_dir: Option<String>,
    /// With --offline: postgres://…
    #[arg(long, value_name = "URL", requires = "offline")]
    database_url: Option<String>,
    /// With --offline: configuration file
    #[arg(long, value_name = "FILE", requires = "offline")]
    config: Option<PathBuf>,
}

impl Place {
    fn client(&self) -> anyhow::Result<Client> {
        let target = Target::find(&self.path, &self.key_of, self.url.as_deref())?;
        Ok(Client::new(&target)?)
    }

    fn flags(&self) -> ServerFlags {
        ServerFlags {
            data_dir: self.data_dir.clone(),
            database_url: self.database_url.clone(),
            config: self.config.clone(),
            ..ServerFlags::default()
        }
    }
}

/// What is to be rotated.
struct Wanted {
    instance: bool,
    /// All of them if nothing.
    environments: Option<Vec<String>>,
}

/// Lists or rotates.
pub(crate) fn run(args: Args) -> ExitCode {
    super::ended(super::block_on(keys(args.command)))
}

async fn keys(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(list) => {
            let report = if list.place.offline {
                offline::report(&list.place, list.count).await?
            } else {
                online::report(&list.place, list.count).await?
            };
            show::report(&report, list.json)
        }
        Command::Rotate(rotate) if rotate.status => {
            let report = if rotate.place.offline {
                offline::report(&rotate.place, false).await?
            } else {
                online::report(&rotate.place, false).await?
            };
            show::rotations(&report, None);
            Ok(())
        }
        Command::Rotate(rotate) => {
            let wanted = Wanted {
                instance: rotate.instance || rotate.all,
                environments: (!rotate.all).then(|| rotate.environment.clone()),
            };
            anyhow::ensure!(
                wanted.instance
                    || wanted
                        .environments
                        .as_ref()
                        .is_none_or(|list| !list.is_empty()),
                "say what to rotate: --instance, --environment NAME or --all"
            );
            if rotate.place.offline {
                offline::rotate(&rotate.place, &wanted).await
            } else {
                online::rotate(&rotate.place, &wanted, rotate.no_wait).await
            }
        }
    }
}
