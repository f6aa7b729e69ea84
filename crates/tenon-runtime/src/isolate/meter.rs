//! How long JavaScript has been computing, and whether it must stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Why JavaScript was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It computed for too long without waiting.
    Busy,
    /// The run's time is over.
    Deadline,
    /// The host wants it gone.
    Killed,
}

/// Shared by the isolate, whose interrupt handler asks it, and the threads that may stop the isolate.
#[derive(Debug)]
pub(crate) struct Meter {
    start: Instant,
    killed: AtomicBool,
    cancelled: AtomicBool,
    stopped: AtomicU8,
    /// Processor time of the current thread at which the stretch is over, in nanoseconds.
    busy_until: AtomicU64,
    /// Nanoseconds after `start`.
    deadline: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            killed: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            stopped: AtomicU8::new(0),
            busy_until: AtomicU64::new(u64::MAX),
            deadline: AtomicU64::new(u64::MAX),
        })
    }

    pub(crate) fn set_deadline(&self, deadline: Instant) {
        self.deadline.store(
            nanos(deadline.saturating_duration_since(self.start)),
            Ordering::Relaxed,
        );
    }

    /// A stretch of JavaScript begins on this thread.
    pub(crate) fn begin(&self, longest: Duration) {
        self.busy_until.store(
            thread_nanos().saturating_add(nanos(longest)),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether JavaScript must stop now; remembers the first reason.
    pub(crate) fn must_stop(&self) -> bool {
        if self.stopped.load(Ordering::Relaxed) != 0 {
            return true;
        }
        let reason = if self.killed.load(Ordering::Acquire) {
            3
        } else if nanos(self.start.elapsed()) >= self.deadline.load(Ordering::Relaxed) {
            2
        } else if thread_nanos() >= self.busy_until.load(Ordering::Relaxed) {
            1
        } else {
            return false;
        };
        self.stopped.store(reason, Ordering::Relaxed);
        true
    }

    /// By how much the thread with this processor time is beyond the stretch that it was given.
    pub(crate) fn overdrawn(&self, thread: ThreadClock) -> Duration {
        let until = self.busy_until.load(Ordering::Relaxed);
        Duration::from_nanos(thread.nanos().saturating_sub(until))
    }

    /// Why it was stopped, if it was.
    pub(crate) fn stop(&self) -> Option<Stop> {
        match self.stopped.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Busy),
            2 => Some(Stop::Deadline),
            _ => Some(Stop::Killed),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of this thread: what other processes take does not count against a function.
fn thread_nanos() -> u64 {
    ThreadClock(libc::CLOCK_THREAD_CPUTIME_ID).nanos()
}

/// The processor time of one thread, for others to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The clock of the calling thread; nothing where the system does not show it to others.
    pub(crate) fn of_this_thread() -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let mut clock = 0;
            // SAFETY: the thread is alive and `clock` is a valid place for the answer.
            let failed =
                unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
            (failed == 0).then_some(Self(clock))
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    fn nanos(self) -> u64 {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for the answer.
        unsafe { libc::clock_gettime(self.0, &raw mut time) };
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0)
    }
}
