//! Which isolate runs on which thread, and when.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tenon_core::function::{HostError, HostReply};

use super::{
    link::Link,
    run::{Event, Outlet, Run},
};
use crate::{
    isolate::{
        Isolate, JS_STACK_BYTES, Step,
        code::{Bundle, Code},
        failed,
        heap::Commons,
        meter::ThreadClock,
    },
    wire::{self, CallId, Ending, FromWorker, RunId, StartRun},
};

/// Stack of a thread: JavaScript's own, and room for native code below it.
pub(super) const THREAD_STACK_BYTES: usize = JS_STACK_BYTES + 2 * 1024 * 1024;

/// Isolates made ahead, without and with zod. The first is cheap, the second costs most of what a short run costs.
const SPARES: usize = 2;
const SPARES_WITH_ZOD: usize = 2;

/// Stack of the thread that watches: it does little.
const WATCH_STACK_BYTES: usize = 128 * 1024;

/// How often the watching thread looks.
const LOOK: Duration = Duration::from_millis(500);

/// How long a run may go on when it should have been interrupted, in processor time where it computes: native code asks
/// only between its steps, and some steps are long.
const PATIENCE: Duration = Duration::from_secs(3);

/// The threads of a worker and all that they share.
pub(super) struct Schedule {
    link: Arc<Link>,
    code: Arc<Code>,
    commons: Arc<Commons>,
    /// The host has been told that this worker is worn.
    worn: AtomicBool,
    threads: usize,
    kept_for_actions: usize,
    state: Mutex<State>,
    wake: Condvar,
    watcher: Condvar,
}

#[derive(Default)]
struct State {
    runs: HashMap<RunId, Run>,
    ready: VecDeque<RunId>,
    ready_actions: VecDeque<RunId>,
    timers: BinaryHeap<Reverse<(Instant, RunId, Alarm)>>,
    started_threads: usize,
    idle_threads: usize,
    /// Threads that run something other than an action.
    others_running: usize,
    /// Threads that native code keeps; each is made up for by one more.
    lost_threads: usize,
    /// Whether the thread that watches the others must be woken.
    watcher_sleeps: bool,
    spares: Vec<Isolate>,
    spares_with_zod: Vec<Isolate>,
    /// Whether memory may be given back once nothing has happened for a while.
    untrimmed: bool,
    /// Hashes of the bundles that asked for zod.
    zod_wanted: HashSet<String>,
}

/// What a time was noted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Timer(u64),
    Deadline,
}

/// What a thread does next.
enum Work {
    Turn(Turn),
    /// Nothing is due: make spare isolates.
    Prepare {
        with_zod: bool,
    },
    /// Nothing was due for a while: give memory back.
    Trim,
}

/// How long a worker must be without runs before it gives memory back.
const QUIET: Duration = Duration::from_secs(1);

struct Turn {
    run: RunId,
    action: bool,
    isolate: Option<Box<Isolate>>,
    inbox: VecDeque<Event>,
    cancelled: bool,
    deadline: Instant,
}

impl Schedule {
    pub(super) fn new(
        link: Arc<Link>,
        threads: usize,
        kept_for_actions: usize,
        commons: Arc<Commons>,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            code: Arc::default(),
            commons,
            worn: AtomicBool::new(false),
            threads: threads.max(1),
            kept_for_actions: kept_for_actions.min(threads.saturating_sub(1)),
            state: Mutex::default(),
            wake: Condvar::new(),
            watcher: Condvar::new(),
        })
    }

    /// Starts the first thread, which makes a spare isolate, and the one that watches the others.
    pub(super) fn warm_up(self: &Arc<Self>) {
        let watching = self.clone();
        // Without it a run that is stuck is ended by the host, later.
        let _ = thread::Builder::new()
            .name("watch".to_owned())
            .stack_size(WATCH_STACK_BYTES)
            .spawn(move || watching.watch());
        let mut state = self.state();
        self.one_more_thread(&mut state);
    }

    /// Ends runs whose thread does not come back, and tells the host that this worker has had its day.
    fn watch(self: &Arc<Self>) {
        loop {
            for run in self.wait_for_stuck() {
                let text = "the function kept native code busy for longer than it may";
                let ending = failed("execution_timeout", text);
                // Messages this small are always within the limit of a frame.
                let _ = self.link.send(0, &FromWorker::Stuck);
                let _ = self.link.send(run, &FromWorker::Done(ending));
            }
        }
    }

    /// Looks now and then while something runs, and sleeps while nothing does.
    fn wait_for_stuck(self: &Arc<Self>) -> Vec<RunId> {
        let mut state = self.state();
        if state.runs.values().any(|run| run.on_thread) {
            let waited = self.watcher.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            state.watcher_sleeps = true;
            let woken = self.watcher.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.watcher_sleeps = false;
        }
        let stuck = state.lose_stuck(Instant::now());
        for _ in &stuck {
            self.one_more_thread(&mut state);
        }
        stuck
    }

    /// Frames come in order, threads do not: the bundle is looked up here, so that a run whose frame has no source finds
    /// what the frame before it brought, whichever thread comes first and whatever is forgotten later.
    pub(super) fn start(self: &Arc<Self>, run: RunId, mut start: Box<StartRun>) {
        let bundle = match start.code.take() {
            Some(code) => {
                let file = wire::file_name(&start.context.function);
                Some(self.code.add_bundle(&start.hash, code, file))
            }
            None => self.code.bundle(&start.hash),
        };
        let mut state = self.state();
        let new = Run::new(start, bundle);
        state
            .timers
            .push(Reverse((new.deadline, run, Alarm::Deadline)));
        state.runs.insert(run, new);
        self.make_ready(&mut state, run);
    }

    pub(super) fn reply(
        self: &Arc<Self>,
        run: RunId,
        call: CallId,
        reply: Result<HostReply, HostError>,
    ) {
        self.tell(run, Event::Reply(call, reply));
    }

    /// The next call of the run fails; one that only waits for timers goes on.
    pub(super) fn cancel(&self, run: RunId) {
        let mut state = self.state();
        if let Some(run) = state.runs.get_mut(&run) {
            run.cancelled = true;
            if let Some(meter) = &run.meter {
                meter.cancel();
            }
        }
    }

    /// The run ends without an answer: now if it waits, at the next look at its meter if it computes.
    pub(super) fn kill(&self, run: RunId) {
        let mut state = self.state();
        let dropped = match state.runs.get_mut(&run) {
            Some(found) if found.on_thread => {
                found.killed = true;
                found.killed_at = Some(Instant::now());
                if let Some(meter) = &found.meter {
                    meter.kill();
                }
                return;
            }
            Some(_) => state.runs.remove(&run),
            None => None,
        };
        drop(state);
        drop(dropped);
        self.say_dropped(run);
    }

    fn say_dropped(&self, run: RunId) {
        // A message this small is always within the limit of a frame.
        let _ = self.link.send(run, &FromWorker::Dropped);
    }

    pub(super) fn forget(&self, hash: &str) {
        self.code.forget_bundle(hash);
        self.state().zod_wanted.remove(hash);
    }

    pub(super) fn set_timer(&self, run: RunId, timer: u64, wait: Duration) {
        let due = Instant::now() + wait;
        self.state()
            .timers
            .push(Reverse((due, run, Alarm::Timer(timer))));
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(self: &Arc<Self>, run: RunId, event: Event) {
        let mut state = self.state();
        if let Some(found) = state.runs.get_mut(&run) {
            found.inbox.push_back(event);
            self.make_ready(&mut state, run);
        }
    }

    /// Puts a run with something to do into its queue and sees that a thread comes.
    fn make_ready(self: &Arc<Self>, state: &mut State, run: RunId) {
        let Some(found) = state.runs.get_mut(&run) else {
            return;
        };
        if found.queued || found.on_thread {
            return;
        }
        found.queued = true;
        if found.action {
            state.ready_actions.push_back(run);
        } else {
            state.ready.push_back(run);
        }
        if state.idle_threads == 0 {
            self.one_more_thread(state);
        }
        self.wake.notify_one();
    }

    fn one_more_thread(self: &Arc<Self>, state: &mut State) {
        if state.started_threads >= self.threads + state.lost_threads {
            return;
        }
        let schedule = self.clone();
        let started = thread::Builder::new()
            .name("javascript".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || schedule.run_thread());
        if started.is_ok() {
            state.started_threads += 1;
        }
    }

    fn run_thread(self: &Arc<Self>) {
        let clock = ThreadClock::of_this_thread();
        loop {
            match self.next(clock) {
                Work::Turn(turn) => self.take_turn(turn),
                Work::Trim => trim(),
                Work::Prepare { with_zod } => {
                    // Without a spare the run makes its own isolate, and says so if that fails.
                    if let Ok(isolate) = Isolate::new(&self.code, &self.commons, with_zod) {
                        self.state().spares(with_zod).push(isolate);
                    }
                }
            }
        }
    }

    /// Waits for something to do.
    fn next(self: &Arc<Self>, clock: Option<ThreadClock>) -> Work {
        let mut state = self.state();
        loop {
            self.ring(&mut state);
            if let Some(run) = self.pick(&mut state) {
                if let Some(turn) = state.begin(run, clock) {
                    if state.watcher_sleeps {
                        self.watcher.notify_one();
                    }
                    return Work::Turn(turn);
                }
                continue;
            }
            if state.spares.len() < SPARES && state.runs.len() < self.threads {
                return Work::Prepare { with_zod: false };
            }
            if !state.zod_wanted.is_empty()
                && state.spares_with_zod.len() < SPARES_WITH_ZOD
                && state.runs.len() < self.threads
            {
                return Work::Prepare { with_zod: true };
            }
            let quiet = state.untrimmed && state.runs.is_empty();
            let alarm = state
                .timers
                .peek()
                .map(|Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
            let wait = if quiet {
                Some(alarm.unwrap_or(QUIET).min(QUIET))
            } else {
                alarm
            };
            let waited = Instant::now();
            state.idle_threads += 1;
            state = match wait {
                Some(wait) => {
                    let waited = self.wake.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
            state.idle_threads -= 1;
            if state.untrimmed && state.runs.is_empty() && waited.elapsed() >= QUIET {
                state.untrimmed = false;
                return Work::Trim;
            }
        }
    }

    /// Wakes the runs whose time has come.
    fn ring(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        while state
            .timers
            .peek()
            .is_some_and(|Reverse((due, ..))| *due <= now)
        {
            let Some(Reverse((_, run, alarm))) = state.timers.pop() else {
                return;
            };
            let Some(found) = state.runs.get_mut(&run) else {
                continue;
            };
            found.inbox.push_back(match alarm {
                Alarm::Timer(timer) => Event::Timer(timer),
                Alarm::Deadline => Event::Deadline,
            });
            self.make_ready(state, run);
        }
    }

    /// The next run: an action first; others leave the threads alone that are kept for actions.
    fn pick(&self, state: &mut State) -> Option<RunId> {
        if let Some(run) = state.ready_actions.pop_front() {
            return Some(run);
        }
        if state.others_running + self.kept_for_actions >= self.threads + state.lost_threads {
            return None;
        }
        state.ready.pop_front()
    }

    fn take_turn(self: &Arc<Self>, mut turn: Turn) {
        let mut ending = None;
        while let Some(event) = turn.inbox.pop_front() {
            match self.step(&mut turn, event) {
                Step::Waiting => {}
                Step::Ended(end) => {
                    ending = Some(end);
                    break;
                }
                Step::Killed => {
                    self.finish(turn, None);
                    return;
                }
            }
        }
        if self.commons.is_strained() && !self.worn.swap(true, Ordering::Relaxed) {
            let _ = self.link.send(0, &FromWorker::Worn);
        }
        if ending.is_some() {
            self.finish(turn, ending);
        } else {
            self.put_back(turn);
        }
    }

    fn step(self: &Arc<Self>, turn: &mut Turn, event: Event) -> Step {
        match (event, &mut turn.isolate) {
            (Event::Start(start, bundle), _) => match self.begin(turn, &start, bundle.as_deref()) {
                Ok(step) => step,
                Err(ending) => Step::Ended(ending),
            },
            (Event::Reply(call, reply), Some(isolate)) => {
                let large = wire::is_large(&reply);
                let step = isolate.deliver(call, reply);
                if large {
                    // A message this small is always within the limit of a frame.
                    let _ = self.link.send(turn.run, &FromWorker::Taken { call });
                }
                step
            }
            (Event::Timer(timer), Some(isolate)) => isolate.fire(timer),
            (Event::Deadline, Some(isolate)) => Step::Ended(isolate.expire()),
            (Event::Deadline, None) => Step::Ended(failed(
                "execution_timeout",
                "the run could not start in its time",
            )),
            (Event::Reply(..) | Event::Timer(_), None) => Step::Waiting,
        }
    }

    fn begin(
        self: &Arc<Self>,
        turn: &mut Turn,
        start: &StartRun,
        bundle: Option<&Bundle>,
    ) -> Result<Step, Ending> {
        let bytecode = match bundle {
            None => Err("the worker does not have this bundle".to_owned()),
            Some(bundle) => bundle
                .bytecode()
                .map_err(|message| format!("the bundle cannot be compiled: {message}")),
        };
        let bytecode = bytecode.map_err(|message| failed("script_internal_error", &message))?;
        let mut isolate = self.fresh(&start.hash)?;
        let meter = isolate.meter();
        meter.set_deadline(turn.deadline);
        if turn.cancelled {
            meter.cancel();
        }
        if let Some(run) = self.state().runs.get_mut(&turn.run) {
            // Said while the isolate was being made.
            if run.killed {
                meter.kill();
            }
            if run.cancelled {
                meter.cancel();
            }
            run.meter = Some(meter);
        }
        let outlet = Outlet {
            run: turn.run,
            link: self.link.clone(),
            schedule: Arc::downgrade(self),
        };
        let step = isolate.start(start, &bytecode, Box::new(outlet));
        if isolate.uses_zod() {
            self.state().zod_wanted.insert(start.hash.clone());
        }
        turn.isolate = Some(isolate);
        Ok(step)
    }

    /// An isolate that nobody used, with zod if this bundle wanted it before.
    fn fresh(&self, hash: &str) -> Result<Box<Isolate>, Ending> {
        let (spare, with_zod) = {
            let mut state = self.state();
            let with_zod = state.zod_wanted.contains(hash);
            (state.spares(with_zod).pop(), with_zod)
        };
        match spare {
            Some(isolate) => Ok(Box::new(isolate)),
            None => Isolate::new(&self.code, &self.commons, with_zod)
                .map(Box::new)
                .map_err(|message| {
                    failed(
                        "script_internal_error",
                        &format!("no isolate could be made: {message}"),
                    )
                }),
        }
    }

    /// The run waits; what came in meanwhile makes it ready again.
    fn put_back(self: &Arc<Self>, turn: Turn) {
        let mut state = self.state();
        state.others_running -= usize::from(!turn.action);
        let Some(run) = state.runs.get_mut(&turn.run) else {
            return;
        };
        run.on_thread = false;
        if run.killed {
            let dropped = state.runs.remove(&turn.run);
            state.lost_threads -= usize::from(dropped.as_ref().is_some_and(|run| run.lost));
            drop(state);
            self.say_dropped(turn.run);
            drop((dropped, turn));
            return;
        }
        run.isolate = turn.isolate;
        if !run.inbox.is_empty() {
            self.make_ready(&mut state, turn.run);
        }
    }

    fn finish(self: &Arc<Self>, turn: Turn, ending: Option<Ending>) {
        match ending {
            None => self.say_dropped(turn.run),
            Some(ending) => {
                if let Err(error) = self.link.send(turn.run, &FromWorker::Done(ending)) {
                    let message = format!("the result could not be handed over: {error}");
                    let ending = failed("action_script_failure", &message);
                    let _ = self.link.send(turn.run, &FromWorker::Done(ending));
                }
            }
        }
        let mut state = self.state();
        state.others_running -= usize::from(!turn.action);
        let ended = state.runs.remove(&turn.run);
        state.lost_threads -= usize::from(ended.is_some_and(|run| run.lost));
        state.untrimmed = true;
        drop(state);
        // The heap is taken apart outside the lock.
        drop(turn);
        self.wake.notify_one();
    }
}

impl State {
    fn spares(&mut self, with_zod: bool) -> &mut Vec<Isolate> {
        if with_zod {
            &mut self.spares_with_zod
        } else {
            &mut self.spares
        }
    }

    /// Gives up on the runs that are stuck; whose they are.
    fn lose_stuck(&mut self, now: Instant) -> Vec<RunId> {
        let mut stuck = Vec::new();
        for (id, run) in &mut self.runs {
            if run.is_stuck(now, PATIENCE) {
                run.lost = true;
                run.killed = true;
                if let Some(meter) = &run.meter {
                    meter.kill();
                }
                stuck.push(*id);
            }
        }
        self.lost_threads += stuck.len();
        stuck
    }

    /// Takes a run onto the calling thread.
    fn begin(&mut self, run: RunId, clock: Option<ThreadClock>) -> Option<Turn> {
        let found = self.runs.get_mut(&run)?;
        found.queued = false;
        found.on_thread = true;
        found.clock = clock;
        let turn = Turn {
            run,
            action: found.action,
            isolate: found.isolate.take(),
            inbox: std::mem::take(&mut found.inbox),
            cancelled: found.cancelled,
            deadline: found.deadline,
        };
        self.others_running += usize::from(!turn.action);
        Some(turn)
    }
}

/// Gives free memory back to the system.
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the allocator locks its arenas itself.
    unsafe {
        libc::malloc_trim(0);
    }
}
