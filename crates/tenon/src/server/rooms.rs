//! Builds the rooms and joins them.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use tenon_api::{
    App,
    demo::Helpdesk,
    pages::{
        Access, Pages,
        connect::{ConnectPages, Languages},
    },
};
use tenon_core::{Ids, SharedClock, SharedRandom, function::FunctionRunner, random::SystemRandom};
use tenon_engine::{
    Engine, EngineParts, Settings, auth,
    egress::{Egress, EgressPolicy},
    environments,
    operations::OperationLog,
    time::SystemClock,
};
use tenon_providers::Catalogue;
use tenon_runtime::{WorkerPool, WorkerPoolOptions};
use tenon_store::messages::Messages;

use super::{Mode, data_dir::Node, database, dev_file::EnvironmentKeys};
use crate::{config::Config, demo::Demo};

/// The joined rooms.
pub(super) struct Rooms {
    pub(super) engine: Engine,
    _node: Node,
}

/// Opens the store, starts the workers, joins everything.
pub(super) async fn build(
    config: &Config,
    data_dir: &Path,
    mode: Mode,
    catalogue: Catalogue,
) -> anyhow::Result<Rooms> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let random: SharedRandom = Arc::new(SystemRandom);
    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&random));
    let node = Node::take(data_dir, config.node.as_deref(), &ids)?;
    let store = database::open(config, data_dir, &clock, &random).await?;
    let messages =
        Messages::open(data_dir.join("messages.db")).context("could not open `messages.db`")?;
    let engine = Engine::new(EngineParts {
        store,
        catalogue: Arc::new(catalogue),
        egress: Egress::new(egress_policy(config, mode)?),
        runner: start_workers(config)?,
        operations: OperationLog::new(ids.clone(), Arc::clone(&clock), messages),
        settings: Settings {
            public_url: config.public_url.clone(),
            connect_url: config.connect_url.clone(),
            rate_limit_per_minute: config.rate_limit,
            webhook_rate_limit_per_minute: config.webhook_rate_limit,
            node: node.name.clone(),
        },
        clock,
        random,
        ids,
        signals: Arc::default(),
        sockets: auth::sockets::Sockets::default(),
        proxy: Arc::default(),
        work: Arc::default(),
        refreshes: Default::default(),
        secret_reads: Default::default(),
    });
    Ok(Rooms {
        engine,
        _node: node,
    })
}

fn egress_policy(config: &Config, mode: Mode) -> anyhow::Result<EgressPolicy> {
    let mut policy = EgressPolicy {
        allow_loopback: mode == Mode::Dev,
        ..EgressPolicy::default()
    };
    for range in &config.allow_egress {
        let parsed = range
            .parse()
            .with_context(|| format!("`allow_egress`: `{range}` is no address range"))?;
        policy.allow.push(parsed);
    }
    Ok(policy)
}

fn start_workers(config: &Config) -> anyhow::Result<Arc<dyn FunctionRunner>> {
    let program = std::env::current_exe().context("could not find the running binary")?;
    let mut options = WorkerPoolOptions::new(program);
    options.spare_workers = config.workers.min(options.workers);
    Ok(Arc::new(
        WorkerPool::start(options).context("could not start function workers")?,
    ))
}

/// Makes the environments of this mode where they are missing; returns their keys.
pub(super) async fn ensure_environments(
    rooms: &Rooms,
    demo: Option<&Demo>,
) -> anyhow::Result<Vec<EnvironmentKeys>> {
    let mut names = vec!["dev", "prod"];
    names.extend(demo.map(Demo::environment));
    let mut list = Vec::new();
    for name in names {
        let row = environments::ensure(&rooms.engine, name)
            .await
            .with_context(|| format!("could not make environment `{name}`"))?;
        let secret_key = environments::secret_key(&rooms.engine, row.pk)
            .await?
            .with_context(|| format!("environment `{name}` has no secret key"))?;
        list.push(EnvironmentKeys {
            name: row.name,
            uuid: row.uuid,
            secret_key,
            public_key: row.public_key,
        });
    }
    Ok(list)
}

impl Rooms {
    /// What the HTTP room needs.
    pub(super) fn app(
        &self,
        config: &Config,
        mode: Mode,
        demo: Option<Helpdesk>,
    ) -> anyhow::Result<App> {
        let access = match mode {
            Mode::Dev => Access::OpenOnLoopback { port: config.port },
            Mode::Serve => Access::Login,
        };
        let languages = match &config.connect_texts {
            Some(folder) => Languages::with_folder(folder).context("`connect_texts`")?,
            None => Languages::default(),
        };
        let connect = ConnectPages {
            languages,
            api_urls: config.connect_api_urls.clone(),
        };
        let app = App::new(self.engine.clone());
        Ok(app.with_pages(Pages { access, demo }).with_connect(connect))
    }
}
