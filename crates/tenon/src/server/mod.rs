//! `tenon dev` and `tenon serve`: builds the rooms, joins them, runs until told to stop.

pub(crate) mod data_dir;
pub(crate) mod database;
mod dev_file;
mod drain;
mod instance_key;
mod listen;
mod log;
mod loops;
pub(crate) mod provider_files;
mod rooms;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use tenon_api::demo::Helpdesk;
use tenon_core::function::Cancel;
use tenon_engine::people;
use tokio::task::JoinSet;

use crate::{
    commands::{server::Target, watch::watch_folder},
    config::{Config, ServerFlags},
    demo::{self, Demo},
    ui,
};
use provider_files::ProviderFiles;
use rooms::Rooms;

/// Which of the two a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Open on loopback, with demo and watching; loopback egress is allowed.
    Dev,
    /// Pages ask for a login; loopback egress is refused unless a flag opens it.
    Serve,
}

/// Starts the server and returns when it has drained.
pub(crate) fn run(flags: &ServerFlags, mode: Mode) -> anyhow::Result<()> {
    let started = Instant::now();
    let config = Config::load(flags)?;
    log::start(&config)?;
    let data_dir = data_dir::prepare(&config.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the I/O threads")?;
    let outcome = runtime.block_on(serve(config, data_dir, mode, started));
    // Blocking work that outlives the drain (a slow disk) must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

async fn serve(
    config: Config,
    data_dir: PathBuf,
    mode: Mode,
    started: Instant,
) -> anyhow::Result<()> {
    let shutdown = Cancel::default();
    let listeners = listen::bind(&config).await?;
    let demo = match mode {
        Mode::Dev if config.demo => Some(Demo::bind().await?),
        Mode::Dev | Mode::Serve => None,
    };
    let files = ProviderFiles::new(&config.providers, demo.as_ref().map(Demo::provider_file));
    let rooms = rooms::build(&config, &data_dir, mode, files.load()?).await?;
    let environments = rooms::ensure_environments(&rooms, demo.as_ref()).await?;
    if mode == Mode::Dev {
        dev_file::write(&data_dir, &config, &environments)?;
    }
    let loops = loops::start(&rooms.engine, &shutdown);
    let mut servers = JoinSet::new();
    servers.spawn(files.watch(rooms.engine.clone(), mode, shutdown.clone()));
    let helpdesk = demo.map(|demo| demo.serve(&mut servers, &rooms.engine, &shutdown));
    let app = rooms.app(&config, mode, helpdesk.clone())?;
    listen::serve(&mut servers, listeners, app, &shutdown);
    if let Some(helpdesk) = helpdesk {
        set_up_demo(&mut servers, &rooms, helpdesk, &config, &environments);
    }
    if mode == Mode::Dev {
        watch_here(&mut servers, &config, &environments, &shutdown);
    }
    announce(&config, mode, &data_dir, started);
    if mode == Mode::Serve {
        announce_setup(&rooms, &config).await?;
    }
    drain::until_told(&rooms, &shutdown).await;
    drain::drain(rooms, loops, servers).await;
    Ok(())
}

/// Fills the demo's environment, beside the server: its first answer does not wait for a compiler.
fn set_up_demo(
    servers: &mut JoinSet<()>,
    rooms: &Rooms,
    helpdesk: Helpdesk,
    config: &Config,
    environments: &[dev_file::EnvironmentKeys],
) {
    let name = &helpdesk.plan().environment;
    let Some(keys) = environments.iter().find(|keys| keys.name == *name) else {
        return;
    };
    let target = Target {
        url: format!("http://localhost:{}", config.port),
        secret_key: keys.secret_key.clone(),
    };
    servers.spawn(demo::set_up(rooms.engine.clone(), helpdesk, target));
}

/// In a folder with `index.ts`: compiles on save and deploys to environment `dev`.
fn watch_here(
    servers: &mut JoinSet<()>,
    config: &Config,
    environments: &[dev_file::EnvironmentKeys],
    shutdown: &Cancel,
) {
    let Some(dev) = environments
        .iter()
        .find(|environment| environment.name == "dev")
    else {
        return;
    };
    if !Path::new("index.ts").exists() {
        return;
    }
    let target = Target {
        url: format!("http://localhost:{}", config.port),
        secret_key: dev.secret_key.clone(),
    };
    let shutdown = shutdown.clone();
    ui::say("  watching this folder, deploying to `dev`");
    servers.spawn(async move {
        if let Err(problem) = watch_folder(PathBuf::from("."), target, shutdown, ui::say).await {
            ui::error(&problem);
        }
    });
}

/// The first start has nobody who could log in: whoever reads this line may become the first.
async fn announce_setup(rooms: &Rooms, config: &Config) -> anyhow::Result<()> {
    if let Some(token) = people::setup_link(&rooms.engine).await? {
        let link = format!("{}/ui/setup?token={}", config.public_url, token.expose());
        ui::say(format!(
            "  nobody can log in yet; open this link once: {link}"
        ));
    }
    Ok(())
}

fn announce(config: &Config, mode: Mode, data_dir: &Path, started: Instant) {
    let millis = started.elapsed().as_millis();
    ui::say(format!(
        "tenon {} is ready after {millis} ms",
        env!("CARGO_PKG_VERSION")
    ));
    ui::say(format!("  {}", config.public_url));
    ui::say(format!("  data in {}", data_dir.display()));
    if mode == Mode::Dev {
        ui::say(format!("  keys in {}", data_dir.join("dev.json").display()));
    }
}
