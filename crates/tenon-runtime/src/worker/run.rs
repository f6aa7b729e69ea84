//! One run inside its worker.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tenon_core::function::{FunctionKind, HostCall, HostError, HostReply};

use super::{link::Link, schedule::Schedule};
use crate::{
    isolate::{
        Isolate, Port,
        code::Bundle,
        meter::{Meter, ThreadClock},
    },
    wire::{CallId, FromWorker, RunId, StartRun},
};

/// What a run is woken for.
#[derive(Debug)]
pub(super) enum Event {
    /// With the bundle, if this worker has it.
    Start(Box<StartRun>, Option<Arc<Bundle>>),
    Reply(CallId, Result<HostReply, HostError>),
    Timer(u64),
    Deadline,
}

/// A run, on a thread or not.
pub(super) struct Run {
    pub(super) action: bool,
    /// Absent before the start and while a thread has it.
    pub(super) isolate: Option<Box<Isolate>>,
    pub(super) on_thread: bool,
    /// Processor time of the thread it is on.
    pub(super) clock: Option<ThreadClock>,
    /// The thread does not come back: the run has been ended without it.
    pub(super) lost: bool,
    /// Waits for a thread already.
    pub(super) queued: bool,
    pub(super) inbox: VecDeque<Event>,
    /// Known once the isolate is there.
    pub(super) meter: Option<Arc<Meter>>,
    pub(super) cancelled: bool,
    pub(super) killed: bool,
    /// Since when it should have been gone.
    pub(super) killed_at: Option<Instant>,
    pub(super) deadline: Instant,
}

impl Run {
    pub(super) fn new(start: Box<StartRun>, bundle: Option<Arc<Bundle>>) -> Self {
        let now = Instant::now();
        Self {
            action: start.kind == FunctionKind::Action,
            isolate: None,
            on_thread: false,
            clock: None,
            lost: false,
            queued: false,
            deadline: now
                .checked_add(start.limits.run)
                .unwrap_or_else(|| now + Duration::from_secs(365 * 86_400)),
            inbox: VecDeque::from([Event::Start(start, bundle)]),
            meter: None,
            cancelled: false,
            killed: false,
            killed_at: None,
        }
    }
}

impl Run {
    /// Whether native code keeps it on its thread, beyond everything that interrupts JavaScript.
    pub(super) fn is_stuck(&self, now: Instant, patience: Duration) -> bool {
        if !self.on_thread || self.lost {
            return false;
        }
        let busy = match (&self.meter, self.clock) {
            (Some(meter), Some(clock)) => meter.overdrawn(clock) > patience,
            _ => false,
        };
        let killed = self
            .killed_at
            .is_some_and(|at| now.saturating_duration_since(at) > patience);
        busy || killed || now.saturating_duration_since(self.deadline) > patience
    }
}

/// The worker as one isolate sees it.
pub(super) struct Outlet {
    pub(super) run: RunId,
    pub(super) link: Arc<Link>,
    pub(super) schedule: Weak<Schedule>,
}

impl Port for Outlet {
    fn call(&self, call: CallId, host_call: HostCall) -> Result<(), String> {
        self.link
            .send(self.run, &FromWorker::Call { call, host_call })
            .map_err(|error| error.to_string())
    }

    fn set_timer(&self, timer: u64, wait: Duration) {
        if let Some(schedule) = self.schedule.upgrade() {
            schedule.set_timer(self.run, timer, wait);
        }
    }
}
