//! Which worker a run goes to: places in processes, and when processes come and go.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tenon_core::{function::FunctionKind, names::EnvironmentPk};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    StartError, WorkerPoolOptions,
    process::Process,
    spawn::{self, Order},
};
use crate::wire::{RunId, ToWorker};

/// How long the other runs of a worker may go on in which something does not come back: it takes a processor from
/// everybody meanwhile.
const RETIREMENT: Duration = Duration::from_secs(120);

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
    state: Mutex<State>,
    /// A place or a process has become free.
    freed: Notify,
    last_run: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    workers: Vec<Seat>,
    /// Processes that are being started.
    starting: usize,
    /// Environments for which one of them is meant.
    waiting: HashSet<EnvironmentPk>,
}

#[derive(Debug)]
struct Seat {
    process: Arc<Process>,
    active: usize,
    idle_since: Instant,
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

impl Places {
    pub(super) fn start(options: WorkerPoolOptions) -> Result<Arc<Self>, StartError> {
        let orders = spawn::spawner(&options)?;
        let program = options.program.clone();
        let places = Arc::new(Self {
            options,
            orders,
            state: Mutex::default(),
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
        tokio::spawn(let_go_of_idle(Arc::downgrade(&places), places.options.idle));
        Ok(places)
    }

    pub(super) fn options(&self) -> &WorkerPoolOptions {
        &self.options
    }

    pub(super) fn workers(&self) -> usize {
        self.state().workers.len()
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.state()
            .workers
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
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(process) = self.find(environment, kind) {
                self.refill();
                let run = self.last_run.fetch_add(1, Ordering::Relaxed) + 1;
                return Ok(Place {
                    process,
                    run,
                    places: self.clone(),
                });
            }
            if !self.reserve(environment) {
                freed.await;
                continue;
            }
            // A task of its own: whoever asked may go away while the process starts.
            let places = self.clone();
            let started = tokio::spawn(async move {
                let started = places.start_one().await;
                places.state().waiting.remove(&environment);
                places.freed.notify_waiters();
                started
            });
            started.await.map_err(|_| PlaceError::Closed)??;
        }
    }

    /// A free place: in the environment's least busy worker, or in one that has no environment yet.
    fn find(&self, environment: EnvironmentPk, kind: FunctionKind) -> Option<Arc<Process>> {
        let mut state = self.state();
        state.workers.retain(|seat| !seat.process.is_gone());
        let most = match kind {
            FunctionKind::Action => self.options.runs_per_worker,
            FunctionKind::Sync | FunctionKind::OnEvent => self
                .options
                .runs_per_worker
                .saturating_sub(self.options.kept_for_actions)
                .max(1),
        };
        let own = state
            .workers
            .iter_mut()
            .filter(|seat| seat.process.environment() == Some(environment))
            .filter(|seat| {
                seat.active < most
                    && seat.process.started() < self.options.runs_until_recycled
                    && seat.process.retired_for().is_none()
            })
            .min_by_key(|seat| seat.active);
        let seat = match own {
            Some(seat) => seat,
            None => {
                let spare = state
                    .workers
                    .iter_mut()
                    .find(|seat| seat.process.environment().is_none())?;
                spare.process.assign(environment);
                spare
            }
        };
        seat.active += 1;
        Some(seat.process.clone())
    }

    /// Room for one more process, made by letting go of an idle one if need be. One at a time for an environment.
    fn reserve(&self, environment: EnvironmentPk) -> bool {
        let mut state = self.state();
        if state.waiting.contains(&environment) {
            return false;
        }
        // One that is about to leave takes nobody's place.
        let staying = state
            .workers
            .iter()
            .filter(|seat| seat.process.retired_for().is_none());
        if staying.count() + state.starting >= self.options.workers.max(1) {
            let Some(idle) = state.workers.iter().position(|seat| seat.active == 0) else {
                return false;
            };
            let seat = state.workers.swap_remove(idle);
            self.bury(seat.process.id);
        }
        state.starting += 1;
        state.waiting.insert(environment);
        true
    }

    /// Starts a process for which room was reserved.
    async fn start_one(self: &Arc<Self>) -> Result<(), PlaceError> {
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
        state.workers.push(Seat {
            process: process?,
            active: 0,
            idle_since: Instant::now(),
        });
        drop(state);
        self.freed.notify_waiters();
        Ok(())
    }

    /// Starts spare workers in the background, as many as are missing.
    fn refill(self: &Arc<Self>) {
        let missing = {
            let mut state = self.state();
            let spares = state
                .workers
                .iter()
                .filter(|seat| seat.process.environment().is_none())
                .count();
            let room = self
                .options
                .workers
                .saturating_sub(state.workers.len() + state.starting);
            let missing = self
                .options
                .spare_workers
                .saturating_sub(spares + state.starting)
                .min(room);
            state.starting += missing;
            missing
        };
        for _ in 0..missing {
            let places = self.clone();
            tokio::spawn(async move {
                if let Err(error) = places.start_one().await {
                    tracing::warn!(error = %error, "spare worker could not be started");
                }
            });
        }
    }

    fn give_back(&self, process: &Arc<Process>) {
        let mut state = self.state();
        let retired = self.options.runs_until_recycled;
        if let Some(at) = state
            .workers
            .iter()
            .position(|seat| Arc::ptr_eq(&seat.process, process))
        {
            let seat = &mut state.workers[at];
            seat.active -= 1;
            seat.idle_since = Instant::now();
            let done = process.started() >= retired || process.retired_for().is_some();
            if seat.active == 0 && done {
                state.workers.swap_remove(at);
                self.bury(process.id);
            }
        }
        drop(state);
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
            .workers
            .retain(|seat| seat.process.id != process.id);
        self.bury(process.id);
        self.freed.notify_waiters();
    }

    fn lost(self: &Arc<Self>, id: u32) {
        self.state().workers.retain(|seat| seat.process.id != id);
        self.freed.notify_waiters();
        self.refill();
    }

    fn bury(&self, id: u32) {
        // Fails only if the thread has ended, which buries them all.
        let _ = self.orders.send(Order::Bury(id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Lets the worker end its other runs before it goes.
    pub(super) fn retire_worker(&self) {
        self.places.retire(&self.process);
    }

    /// Kills the worker with all its runs.
    pub(super) fn kill_worker(&self) {
        self.places.kill(&self.process);
    }
}

/// Lets go of workers that have an environment and have done nothing for a while, and of retired ones whose runs have had
/// time enough to end.
async fn let_go_of_idle(places: Weak<Places>, idle: Duration) {
    let mut ticks = tokio::time::interval((idle / 4).max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        let Some(places) = places.upgrade() else {
            return;
        };
        let mut state = places.state();
        let (kept, done): (Vec<Seat>, Vec<Seat>) = std::mem::take(&mut state.workers)
            .into_iter()
            .partition(|seat| match seat.process.retired_for() {
                Some(retired) => seat.active > 0 && retired < RETIREMENT,
                None => {
                    seat.active > 0
                        || seat.process.environment().is_none()
                        || seat.idle_since.elapsed() < idle
                }
            });
        state.workers = kept;
        drop(state);
        for seat in done {
            places.bury(seat.process.id);
        }
    }
}
