//! The end: stop taking work, finish what runs, close the store.

use std::time::Duration;

use tenon_core::function::Cancel;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tracing::{info, warn};

use super::rooms::Rooms;

/// How long requests and runs may take to finish after SIGTERM; what is cut off is done again by its lease's successor.
const DRAIN: Duration = Duration::from_secs(20);

/// Waits for SIGTERM, SIGINT or a store that cannot go on, then raises `shutdown`.
pub(super) async fn until_told(rooms: &Rooms, shutdown: &Cancel) {
    let mut terminate = signal(SignalKind::terminate()).expect("a process may handle its signals");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a process may handle its signals");
    let broken = rooms.engine.store.broken();
    tokio::select! {
        _ = terminate.recv() => info!("told to stop, draining"),
        _ = interrupt.recv() => info!("interrupted, draining"),
        () = broken.raised() => warn!("the database cannot go on; stopping rather than lie"),
    }
    shutdown.raise();
}

/// Lets servers and loops end; a second signal or [`DRAIN`] cuts it short.
pub(super) async fn drain(rooms: Rooms, mut loops: JoinSet<()>, mut servers: JoinSet<()>) {
    let everything = async {
        while servers.join_next().await.is_some() {}
        while loops.join_next().await.is_some() {}
    };
    let mut interrupt = signal(SignalKind::interrupt()).expect("a process may handle its signals");
    tokio::select! {
        () = everything => {}
        () = tokio::time::sleep(DRAIN) => warn!("something did not end within {} s", DRAIN.as_secs()),
        _ = interrupt.recv() => warn!("interrupted again, leaving at once"),
    }
    rooms.engine.operations.messages().flush();
    rooms.engine.store.close().await;
}
