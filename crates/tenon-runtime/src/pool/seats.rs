//! Who has which worker, and who is next: environments that wait for one get it in turn.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tenon_core::{function::FunctionKind, names::EnvironmentPk};
use tokio::time::Instant;

use super::{WorkerPoolOptions, process::Process};

/// A worker that others wait for is left to its environment for at least this long: starting another one costs a tenth of it.
pub(super) const TENURE: Duration = Duration::from_millis(200);

/// How long the other runs of a worker may go on in which something does not come back: it takes a processor from
/// everybody meanwhile.
const RETIREMENT: Duration = Duration::from_secs(120);

/// All workers, and the environments that have none for their next run.
#[derive(Debug, Default)]
pub(super) struct Seats {
    pub(super) seats: Vec<Seat>,
    /// Processes that are being started.
    pub(super) starting: usize,
    /// Environments for which one of them is meant.
    expected: HashSet<EnvironmentPk>,
    /// Environments that wait for a process, the next one first.
    queue: VecDeque<EnvironmentPk>,
    /// Runs that wait, by environment.
    waiters: HashMap<EnvironmentPk, usize>,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) process: Arc<Process>,
    active: usize,
    idle_since: Instant,
    /// Since when it has its environment.
    taken_at: Instant,
}

impl Seat {
    pub(super) fn new(process: Arc<Process>) -> Self {
        let now = Instant::now();
        Self {
            process,
            active: 0,
            idle_since: now,
            taken_at: now,
        }
    }

    fn is_spare(&self) -> bool {
        self.process.environment().is_none()
    }

    fn takes_runs(&self, options: &WorkerPoolOptions) -> bool {
        self.process
            .takes_runs(options.runs_until_recycled, options.age)
    }
}

impl Seats {
    /// A place for a run: in the environment's least busy worker, or in one that has no environment yet.
    pub(super) fn find(
        &mut self,
        environment: EnvironmentPk,
        kind: FunctionKind,
        options: &WorkerPoolOptions,
    ) -> Option<Arc<Process>> {
        self.seats.retain(|seat| !seat.process.is_gone());
        let most = match kind {
            FunctionKind::Action => options.runs_per_worker,
            FunctionKind::Sync | FunctionKind::OnEvent => options
                .runs_per_worker
                .saturating_sub(options.kept_for_actions)
                .max(1),
        };
        let own = self
            .seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.process.environment() == Some(environment))
            .filter(|(_, seat)| seat.active < most && seat.takes_runs(options))
            .min_by_key(|(_, seat)| seat.active)
            .map(|(at, _)| at);
        let at = match own {
            Some(at) => at,
            None => self.spare(environment, options)?,
        };
        let seat = &mut self.seats[at];
        seat.active += 1;
        Some(Arc::clone(&seat.process))
    }

    /// A worker without an environment becomes this one's, if it is its turn.
    fn spare(&mut self, environment: EnvironmentPk, options: &WorkerPoolOptions) -> Option<usize> {
        let at = self.seats.iter().position(Seat::is_spare)?;
        if !self.is_next(environment, options) {
            return None;
        }
        self.queue.retain(|waiting| *waiting != environment);
        self.seats[at].process.assign(environment);
        self.seats[at].taken_at = Instant::now();
        Some(at)
    }

    /// Room for one more process, made by letting go of an idle one if need be. One at a time for an environment. Whoever
    /// finds no room waits in the queue. Answers with the process to bury.
    pub(super) fn reserve(
        &mut self,
        environment: EnvironmentPk,
        options: &WorkerPoolOptions,
    ) -> Option<Option<u32>> {
        if self.expected.contains(&environment) {
            return None;
        }
        if !self.is_next(environment, options) {
            self.enqueue(environment);
            return None;
        }
        let mut buried = None;
        if self.room(options) == 0 {
            let idle = |seat: &Seat| self.is_idle(seat, options);
            let idle = self.seats.iter().position(idle)?;
            buried = Some(self.seats.swap_remove(idle).process.id);
        }
        self.queue.retain(|waiting| *waiting != environment);
        self.starting += 1;
        self.expected.insert(environment);
        Some(buried)
    }

    /// The process that was meant for this environment is there, or will not come.
    pub(super) fn arrived(&mut self, environment: EnvironmentPk) {
        self.expected.remove(&environment);
    }

    /// Processes that may still be started. One that is about to be killed takes nobody's place.
    fn room(&self, options: &WorkerPoolOptions) -> usize {
        let staying = self
            .seats
            .iter()
            .filter(|seat| seat.process.retired_for().is_none())
            .count();
        options
            .workers
            .max(1)
            .saturating_sub(staying + self.starting)
    }

    /// Whether there are so many processes to have that this environment's turn has come.
    fn is_next(&self, environment: EnvironmentPk, options: &WorkerPoolOptions) -> bool {
        let idle = self.seats.iter().filter(|seat| self.is_idle(seat, options));
        let before = self
            .queue
            .iter()
            .position(|waiting| *waiting == environment)
            .unwrap_or(self.queue.len());
        before < self.room(options) + idle.count()
    }

    /// Whether nobody would miss a worker: it has no runs, and none that is on its way to it.
    fn is_idle(&self, seat: &Seat, options: &WorkerPoolOptions) -> bool {
        let expected = seat
            .process
            .environment()
            .is_some_and(|environment| self.waiters.contains_key(&environment));
        seat.active == 0 && !(expected && seat.takes_runs(options))
    }

    /// Those without any worker come before those that want one more.
    fn enqueue(&mut self, environment: EnvironmentPk) {
        if self.queue.contains(&environment) {
            return;
        }
        let at = if self.workers_of(environment) > 0 {
            self.queue.len()
        } else {
            let richer = |waiting: &EnvironmentPk| self.workers_of(*waiting) > 0;
            self.queue
                .iter()
                .position(richer)
                .unwrap_or(self.queue.len())
        };
        self.queue.insert(at, environment);
    }

    fn workers_of(&self, environment: EnvironmentPk) -> usize {
        self.seats
            .iter()
            .filter(|seat| seat.process.environment() == Some(environment))
            .count()
    }

    /// Takes a worker from who has had one for long, if somebody waits and nobody leaves: it is given no more runs, and goes
    /// when those that it has are done.
    pub(super) fn make_way(&self, options: &WorkerPoolOptions) {
        let Some(next) = self.queue.front() else {
            return;
        };
        let leaving = self.seats.iter().filter(|seat| !seat.takes_runs(options));
        if leaving.count() + self.starting >= self.queue.len() {
            return;
        }
        let own = self.workers_of(*next);
        let richest = self
            .seats
            .iter()
            .filter(|seat| seat.takes_runs(options) && seat.taken_at.elapsed() >= TENURE)
            .filter_map(|seat| {
                let workers = self.workers_of(seat.process.environment()?);
                // Giving one to somebody who has as many would only turn the two round.
                (own == 0 || workers > own + 1).then_some((workers, seat))
            })
            .max_by_key(|(workers, seat)| (*workers, std::cmp::Reverse(seat.taken_at)));
        if let Some((_, seat)) = richest {
            seat.process.wear_out();
        }
    }

    /// How many spare workers are missing that there is room for; they count as begun.
    pub(super) fn order_spares(&mut self, options: &WorkerPoolOptions) -> usize {
        let spares = self.seats.iter().filter(|seat| seat.is_spare()).count();
        let room = options
            .workers
            .saturating_sub(self.seats.len() + self.starting);
        let missing = options
            .spare_workers
            .saturating_sub(spares + self.starting)
            .min(room);
        self.starting += missing;
        missing
    }

    /// A run has ended. Answers with the process to bury if that was the last one of a worker that gets no more.
    pub(super) fn give_back(
        &mut self,
        process: &Arc<Process>,
        options: &WorkerPoolOptions,
    ) -> Option<u32> {
        let at = self
            .seats
            .iter()
            .position(|seat| Arc::ptr_eq(&seat.process, process))?;
        let seat = &mut self.seats[at];
        seat.active -= 1;
        seat.idle_since = Instant::now();
        if seat.active > 0 || seat.takes_runs(options) {
            return None;
        }
        Some(self.seats.swap_remove(at).process.id)
    }

    /// Workers to bury: those that have an environment and have done nothing for a while, those that get no more runs and
    /// have none, and those whose runs have had time enough to end.
    pub(super) fn sweep(&mut self, options: &WorkerPoolOptions) -> Vec<u32> {
        let (kept, done): (Vec<Seat>, Vec<Seat>) = std::mem::take(&mut self.seats)
            .into_iter()
            .partition(|seat| match seat.process.retired_for() {
                Some(retired) => seat.active > 0 && retired < RETIREMENT,
                None if seat.active > 0 => true,
                None if !seat.takes_runs(options) => false,
                None => seat.is_spare() || seat.idle_since.elapsed() < options.idle,
            });
        self.seats = kept;
        done.into_iter().map(|seat| seat.process.id).collect()
    }

    /// One more run of this environment waits.
    pub(super) fn wait(&mut self, environment: EnvironmentPk) {
        *self.waiters.entry(environment).or_default() += 1;
    }

    /// A run waits no more; with the last one, its environment leaves the queue. Whether it has left it now.
    pub(super) fn stop_waiting(&mut self, environment: EnvironmentPk) -> bool {
        let Some(waiters) = self.waiters.get_mut(&environment) else {
            return false;
        };
        *waiters -= 1;
        if *waiters > 0 {
            return false;
        }
        self.waiters.remove(&environment);
        let before = self.queue.len();
        self.queue.retain(|waiting| *waiting != environment);
        self.queue.len() < before
    }
}
