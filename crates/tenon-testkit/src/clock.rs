//! A clock that moves only when a test says so.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tenon_core::{Clock, SharedClock, Timestamp};

/// Where every test clock starts: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// A clock that moves only when a test says so. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    monotonic: Duration,
    next_sleeper: u64,
    sleepers: Vec<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    id: u64,
    until: Duration,
    waker: Waker,
}

impl TestClock {
    /// A clock at the beginning of 2026.
    pub fn new() -> Self {
        Self::at(START)
    }

    /// A clock at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            monotonic: Duration::ZERO,
            next_sleeper: 0,
            sleepers: Vec::new(),
        })))
    }

    /// As the handle that rooms share.
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    /// Lets `duration` pass and wakes whoever slept until then.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.now = state.now.plus(duration);
        state.monotonic += duration;
        let now = state.monotonic;
        let (due, waiting) = std::mem::take(&mut state.sleepers)
            .into_iter()
            .partition::<Vec<_>, _>(|sleeper| sleeper.until <= now);
        state.sleepers = waiting;
        drop(state);
        for sleeper in due {
            sleeper.waker.wake();
        }
    }

    /// Sets the wall clock, forwards or back, as an administrator may. No time passes.
    pub fn jump(&self, now: Timestamp) {
        self.state().now = now;
    }

    /// Time until the first sleeper wakes, if there is one.
    pub fn next_wake(&self) -> Option<Duration> {
        let state = self.state();
        let first = state.sleepers.iter().map(|sleeper| sleeper.until).min()?;
        Some(first.saturating_sub(state.monotonic))
    }

    /// Number of tasks that sleep.
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut state = self.state();
        let id = state.next_sleeper;
        state.next_sleeper += 1;
        let until = state.monotonic.saturating_add(duration);
        drop(state);
        Box::pin(Sleep {
            clock: self.clone(),
            id,
            until,
        })
    }
}

struct Sleep {
    clock: TestClock,
    id: u64,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.monotonic >= self.until {
            return Poll::Ready(());
        }
        state.sleepers.retain(|sleeper| sleeper.id != self.id);
        state.sleepers.push(Sleeper {
            id: self.id,
            until: self.until,
            waker: context.waker().clone(),
        });
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        state.sleepers.retain(|sleeper| sleeper.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tenon_core::Clock;

    use super::TestClock;

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come() {
        let clock = TestClock::new();
        let sleeping = tokio::spawn(clock.sleep(Duration::from_secs(60)));
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(60)));

        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeping.is_finished());

        clock.advance(Duration::from_secs(1));
        sleeping.await.unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_sleeper_that_gives_up_is_forgotten() {
        let clock = TestClock::new();
        let mut sleep = clock.sleep(Duration::from_secs(1));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        assert_eq!(clock.sleepers(), 1);
        drop(sleep);
        assert_eq!(clock.sleepers(), 0);
    }
}
