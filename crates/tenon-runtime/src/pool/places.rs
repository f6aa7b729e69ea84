//! Which worker a run goes to: places in processes, and when processes come and go.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use tenon_core::{function::FunctionKind, names::EnvironmentPk};
use tokio::sync::{Notify, oneshot};

use super::{
    StartError, WorkerPoolOptions,
    bytecode::{Key, Shelf},
    process::Process,
    seats::{Seat, Seats, TENURE},
    spawn::{self, Order},
};
use crate::wire::{RunId, ToWorker};

/// Why no place was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("worker could not be started")]
    Start(#[source] io::Error),
    #[error("pool of workers is shutting down")]
    Closed,
}

/// All workers and who is in them.
#[derive(Debug)]
pub(super) struct Places {
    options: WorkerPoolOptions,
    orders: mpsc::Sender<Order>,
    state: Mutex<Seats>,
    /// Bundles that were compiled for all.
    shelf: Arc<Shelf>,
    /// A place or a process has become free.
    freed: Notify,
    last_run: AtomicU64,
}

/// A place in a worker; given back when dropped.
pub(super) struct Place {
    pub(super) process: Arc<Process>,
    pub(super) run: RunId,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.process.leave(self.run);
        self.places.give_back(&self.process);
    }
}

/// A run that waits for a place, until dropped.
struct Waiting<'a> {
    places: &'a Places,
    environment: EnvironmentPk,
}

impl<'a> Waiting<'a> {
    fn new(places: &'a Places, environment: EnvironmentPk) -> Self {
        places.state().wait(environment);
        Self {
            places,
            environment,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.places.state().stop_waiting(self.environment);
        if left {
            // It stood before others.
            self.places.freed.notify_waiters();
        }
    }
}

impl Places {
    pub(super) fn start(options: WorkerPoolOptions) -> Result<Arc<Self>, StartError> {
        let orders = spawn::spawner(&options)?;
        let program = options.program.clone();
        let places = Arc::new(Self {
            options,
            orders,
            state: Mutex::default(),
            shelf: Arc::default(),
            freed: Notify::new(),
            last_run: AtomicU64::new(0),
        });
        if !program.exists() {
            return Err(StartError::Spawn {
                program,
                source: io::Error::from(io::ErrorKind::NotFound),
            });
        }
        places.refill();
        tokio::spawn(sweep(Arc::downgrade(&places), places.options.idle));
        Ok(places)
    }

    pub(super) fn options(&self) -> &WorkerPoolOptions {
        &self.options
    }

    pub(super) fn workers(&self) -> usize {
        self.state().seats.len()
    }

    pub(super) fn bundles_compiled(&self) -> usize {
        self.shelf.len()
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.state()
            .seats
            .iter()
            .map(|seat| seat.process.id)
            .collect()
    }

    /// Waits for a place in a worker of this environment.
    pub(super) async fn take(
        self: &Arc<Self>,
        environment: EnvironmentPk,
        kind: FunctionKind,
    ) -> Result<Place, PlaceError> {
        let mut waiting = None;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let found = self.state().find(environment, kind, &self.options);
            if let Some(process) = found {
                self.refill();
                let run = self.last_run.fetch_add(1, Ordering::Relaxed) + 1;
                return Ok(Place {
                    process,
                    run,
                    places: Arc::clone(self),
                });
            }
            waiting.get_or_insert_with(|| Waiting::new(self, environment));
            if self.reserve(environment) {
                self.start_for(environment).await?;
                continue;
            }
            self.state().make_way(&self.options);
            // Looks again by itself, too: whoever has a worker may keep it for a while before it is taken from them.
            let _ = tokio::time::timeout(TENURE, freed).await;
        }
    }

    fn reserve(&self, environment: EnvironmentPk) -> bool {
        let reserved = self.state().reserve(environment, &self.options);
        let reserved = reserved.inspect(|buried| {
            if let Some(id) = buried {
                self.bury(*id);
            }
        });
        reserved.is_some()
    }

    /// Starts a process for which room was reserved, in a task of its own: whoever asked may go away meanwhile.
    async fn start_for(self: &Arc<Self>, environment: EnvironmentPk) -> Result<(), PlaceError> {
        let places = Arc::clone(self);
        let started = tokio::spawn(async move {
            let started = places.start_one(Some(environment)).await;
            places.state().arrived(environment);
            places.freed.notify_waiters();
            started
        });
        started.await.map_err(|_| PlaceError::Closed)?
    }

    /// Starts a process for which room was reserved, for this environment or as a spare one.
    async fn start_one(
        self: &Arc<Self>,
        environment: Option<EnvironmentPk>,
    ) -> Result<(), PlaceError> {
        let (sender, answer) = oneshot::channel();
        let ordered = self.orders.send(Order::Start(sender));
        let answered = match ordered {
            Ok(()) => answer.await.map_err(|_| PlaceError::Closed),
            Err(_) => Err(PlaceError::Closed),
        };
        let process = answered.and_then(|started| {
            let (id, socket) = started.map_err(PlaceError::Start)?;
            let orders = self.orders.clone();
            let places = Arc::downgrade(self);
            let setup = ToWorker::Setup {
                threads: self.options.threads,
                kept_for_actions: self.options.kept_for_actions,
                heaps_bytes: self.options.heaps_bytes,
            };
            Process::new(id, socket, &setup, move |id| {
                let _ = orders.send(Order::Bury(id));
                if let Some(places) = places.upgrade() {
                    places.lost(id);
                }
            })
            .map_err(PlaceError::Start)
        });
        let mut state = self.state();
        state.starting -= 1;
        let process = process?;
        if let Some(environment) = environment {
            process.assign(environment);
        }
        state.seats.push(Seat::new(process));
        drop(state);
        self.freed.notify_waiters();
        Ok(())
    }

    /// Starts spare workers in the background, as many as are missing.
    fn refill(self: &Arc<Self>) {
        let missing = self.state().order_spares(&self.options);
        for _ in 0..missing {
            let places = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = places.start_one(None).await {
                    tracing::warn!(error = %error, "spare worker could not be started");
                }
            });
        }
    }

    fn give_back(&self, process: &Arc<Process>) {
        let buried = self.state().give_back(process, &self.options);
        if let Some(id) = buried {
            self.bury(id);
        }
        self.freed.notify_waiters();
    }

    /// Gives a worker no more runs: it leaves when those that it has are done.
    pub(super) fn retire(&self, process: &Process) {
        process.retire();
        self.freed.notify_waiters();
    }

    /// Kills a worker: its runs end as crashed.
    pub(super) fn kill(&self, process: &Process) {
        self.state()
            .seats
            .retain(|seat| seat.process.id != process.id);
        self.bury(process.id);
        self.freed.notify_waiters();
    }

    fn lost(self: &Arc<Self>, id: u32) {
        self.state().seats.retain(|seat| seat.process.id != id);
        self.freed.notify_waiters();
        self.refill();
    }

    fn bury(&self, id: u32) {
        // Fails only if the thread has ended, which buries them all.
        let _ = self.orders.send(Order::Bury(id));
    }

    fn state(&self) -> MutexGuard<'_, Seats> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Bytecode of a bundle; if there is none, some is made for those who come later.
    pub(super) fn compiled(&self, key: Key, source: &Arc<str>) -> Option<Bytes> {
        let shelf = &self.places.shelf;
        let found = shelf.find(&key);
        if found.is_none() {
            shelf.compile(self.places.orders.clone(), key, Arc::clone(source));
        }
        found
    }

    /// Lets the worker end its other runs before it goes.
    pub(super) fn retire_worker(&self) {
        self.places.retire(&self.process);
    }

    /// Kills the worker with all its runs.
    pub(super) fn kill_worker(&self) {
        self.places.kill(&self.process);
    }
}

/// Lets go of workers that are not needed any more.
async fn sweep(places: Weak<Places>, idle: Duration) {
    let mut ticks = tokio::time::interval((idle / 4).max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        let Some(places) = places.upgrade() else {
            return;
        };
        let done = places.state().sweep(&places.options);
        for id in done {
            places.bury(id);
        }
    }
}
