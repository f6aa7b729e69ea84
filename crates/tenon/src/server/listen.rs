//! The listeners: one for everything, a second one for the Connect UI alone.

use std::net::SocketAddr;

use anyhow::Context as _;
use tenon_core::function::Cancel;
use tokio::{
    net::{TcpListener, lookup_host},
    task::JoinSet,
};
use tracing::warn;

use crate::config::Config;

/// Bound, not yet served.
pub(super) struct Listeners {
    main: Vec<TcpListener>,
    connect: Option<TcpListener>,
}

/// Binds the ports. A taken main port is an error, a taken Connect UI port a warning.
pub(super) async fn bind(config: &Config) -> anyhow::Result<Listeners> {
    let mut main = Vec::new();
    for address in addresses(&config.host, config.port).await? {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("could not listen on {address}\nhint: another server may run there; choose another with --port")
        })?;
        main.push(listener);
    }
    let connect = match config.connect_port {
        None => None,
        Some(port) => match TcpListener::bind((config.host.as_str(), port)).await {
            Ok(listener) => Some(listener),
            Err(problem) => {
                warn!("no second Connect UI listener on port {port}: {problem}");
                None
            }
        },
    };
    Ok(Listeners { main, connect })
}

/// Addresses of a host name. Loopback is both of its families where the machine has them, so that `localhost` works
/// however a browser resolves it.
async fn addresses(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = lookup_host((host, port))
        .await
        .with_context(|| format!("`--host {host}` is no address"))?
        .collect();
    if found.iter().all(|address| address.ip().is_loopback()) {
        let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
        let both = std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok();
        let mut list = found;
        if both && !list.contains(&six) {
            list.push(six);
        }
        return Ok(list);
    }
    Ok(found)
}

/// Serves until `shutdown`; open requests are finished.
pub(super) fn serve(
    servers: &mut JoinSet<()>,
    listeners: Listeners,
    app: tenon_api::App,
    shutdown: &Cancel,
) {
    let router = tenon_api::router(app.clone());
    for listener in listeners.main {
        servers.spawn(tenon_api::serve(listener, router.clone(), shutdown.clone()));
    }
    if let Some(listener) = listeners.connect {
        let router = tenon_api::connect_router(app);
        servers.spawn(tenon_api::serve(listener, router, shutdown.clone()));
    }
}
