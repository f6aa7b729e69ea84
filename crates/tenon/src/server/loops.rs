//! Starts the loops of the engine and starts a loop again that ended before it was told to.

use std::{future::Future, time::Duration};

use tenon_core::function::Cancel;
use tenon_engine::{
    Engine, audit::Auditor, auth, delivery, inbound, keys::Keeper, operations::Retention,
    revocation::Revoker, work,
};
use tokio::task::JoinSet;
use tracing::error;

/// Pause before a loop is started again, so that one that always fails does not spin.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Starts every loop. Each ends when `shutdown` is raised.
pub(super) fn start(engine: &Engine, shutdown: &Cancel) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let mut add = |name, run: fn(Engine, Cancel) -> Running| {
        loops.spawn(supervise(name, engine.clone(), shutdown.clone(), run));
    };
    add("scheduler", |engine, shutdown| {
        Box::pin(work::Scheduler::new(engine).run(shutdown))
    });
    add("workers", |engine, shutdown| {
        Box::pin(work::Workers::new(engine).run(shutdown))
    });
    add("dispatcher", |engine, shutdown| {
        Box::pin(delivery::Dispatcher::new(engine).run(shutdown))
    });
    add("router", |engine, shutdown| {
        Box::pin(inbound::Router::new(engine).run(shutdown))
    });
    add("refresher", |engine, shutdown| {
        Box::pin(auth::Refresher { engine }.run(shutdown))
    });
    add("stamper", |engine, shutdown| {
        Box::pin(auth::refresh::Stamper { engine }.run(shutdown))
    });
    add("keeper", |engine, shutdown| {
        Box::pin(Keeper::new(engine).run(shutdown))
    });
    add("device flows", |engine, shutdown| {
        Box::pin(auth::device::DevicePoller::new(engine).run(shutdown))
    });
    add("revoker", |engine, shutdown| {
        Box::pin(Revoker::new(engine).run(shutdown))
    });
    add("auditor", |engine, shutdown| {
        Box::pin(Auditor::new(engine).run(shutdown))
    });
    add("retention", |engine, shutdown| {
        Box::pin(Retention::new(engine).run(shutdown))
    });
    loops
}

type Running = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn supervise(
    name: &'static str,
    engine: Engine,
    shutdown: Cancel,
    run: fn(Engine, Cancel) -> Running,
) {
    loop {
        let ended = tokio::spawn(run(engine.clone(), shutdown.clone())).await;
        if shutdown.is_raised() {
            return;
        }
        match ended {
            Ok(()) => error!("the {name} ended before it was told to; starting it again"),
            Err(problem) => error!("the {name} broke: {problem}; starting it again"),
        }
        tokio::select! {
            () = engine.clock.sleep(RESTART_AFTER) => {}
            () = shutdown.raised() => return,
        }
    }
}
