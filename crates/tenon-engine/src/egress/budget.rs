//! How much of what was answered may be in memory at once.
//!
//! An answer pays for its bytes as they arrive and keeps them on its [`Tab`] until whoever asked has taken it. Where a pot
//! is empty an answer waits, except that one at a time may overdraw it: so an answer larger than a pot gets through, alone,
//! and answers that are half there never wait for each other in a ring.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in pieces of this size.
const UNIT_BYTES: u64 = 16 * 1024;

/// Smallest payment of an answer whose length is not known.
const STEP_BYTES: u64 = 256 * 1024;

/// Bytes that some answers share.
#[derive(Debug)]
pub struct Pot {
    free: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
}

impl Pot {
    /// A pot of about this many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        let units = units(bytes as u64) as usize;
        Arc::new(Self {
            free: Arc::new(Semaphore::new(units)),
            overdraft: Arc::new(Semaphore::new(1)),
        })
    }
}

/// The pots that the answers of one run pay into: its own, and the one that it shares with others.
#[derive(Clone, Debug)]
pub struct Budget {
    pub own: Arc<Pot>,
    pub shared: Arc<Pot>,
}

impl Budget {
    /// A tab for one answer.
    pub fn tab(&self) -> Tab {
        Tab {
            own: Account::new(&self.own),
            shared: Account::new(&self.shared),
            paid_bytes: 0,
        }
    }
}

/// What one answer has paid for; paid back when dropped.
#[derive(Debug)]
pub struct Tab {
    own: Account,
    shared: Account,
    paid_bytes: u64,
}

impl Tab {
    /// Waits until this many bytes of the answer, counted from its start, may be in memory.
    pub(super) async fn pay_up_to(&mut self, bytes: u64) {
        if bytes <= self.paid_bytes {
            return;
        }
        let due = units(bytes - self.paid_bytes);
        self.paid_bytes += u64::from(due) * UNIT_BYTES;
        // Whoever overdraws the shared pot waits for nobody: others may wait for it while it has what they need.
        if self.shared.overdraws() {
            return;
        }
        self.own.pay(due).await;
        self.shared.pay(due).await;
    }

    /// How much more is paid for at once while the length is not known.
    pub(super) const fn step(arrived: u64) -> u64 {
        arrived + STEP_BYTES
    }
}

#[derive(Debug)]
struct Account {
    pot: Arc<Pot>,
    paid: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Account {
    fn new(pot: &Arc<Pot>) -> Self {
        Self {
            pot: Arc::clone(pot),
            paid: None,
            overdraft: None,
        }
    }

    const fn overdraws(&self) -> bool {
        self.overdraft.is_some()
    }

    async fn pay(&mut self, units: u32) {
        if self.overdraws() {
            return;
        }
        let (free, overdraft) = (&self.pot.free, &self.pot.overdraft);
        tokio::select! {
            biased;
            Ok(more) = Arc::clone(free).acquire_many_owned(units) => match &mut self.paid {
                Some(paid) => paid.merge(more),
                none => *none = Some(more),
            },
            Ok(alone) = Arc::clone(overdraft).acquire_owned() => self.overdraft = Some(alone),
            else => {}
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn budget(own: &Arc<Pot>, shared: &Arc<Pot>) -> Budget {
        Budget {
            own: Arc::clone(own),
            shared: Arc::clone(shared),
        }
    }

    /// Whether the tab gets its bytes without waiting.
    fn at_once(tab: &mut Tab, bytes: u64) -> bool {
        tab.pay_up_to(bytes).now_or_never().is_some()
    }

    #[test]
    fn an_answer_waits_for_a_full_pot_and_one_goes_beyond_it() {
        let budget = budget(&Pot::new(1 << 20), &Pot::new(8 << 20));
        let (mut first, mut second, mut third) = (budget.tab(), budget.tab(), budget.tab());
        assert!(at_once(&mut first, 1 << 20));
        assert!(at_once(&mut second, 100 << 20), "one may overdraw");
        assert!(!at_once(&mut third, 1), "and only one");
        drop(first);
        assert!(at_once(&mut third, 1 << 20));
        drop((second, third));
        assert!(at_once(&mut budget.tab(), 1 << 20));
    }

    #[test]
    fn what_is_paid_is_not_paid_again() {
        let pot = Pot::new(1 << 20);
        let budget = budget(&pot, &Pot::new(8 << 20));
        let mut tab = budget.tab();
        for bytes in [1, 1_000, 16 * 1024, 16 * 1024 + 1] {
            assert!(at_once(&mut tab, bytes));
        }
        assert_eq!(pot.free.available_permits(), 64 - 2);
    }

    #[tokio::test]
    async fn runs_that_wait_for_each_other_all_get_through() {
        // Two runs of four answers each, all of them larger than the pots, a piece at a time.
        let shared = Pot::new(64 * 1024);
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let budget = budget(&Pot::new(32 * 1024), &shared);
            for _ in 0..4 {
                let mut tab = budget.tab();
                answers.spawn(async move {
                    for bytes in 1..=10 {
                        tab.pay_up_to(bytes * 16 * 1024).await;
                        tokio::task::yield_now().await;
                    }
                });
            }
        }
        let all = answers.join_all();
        let seconds = std::time::Duration::from_secs(20);
        let through = tokio::time::timeout(seconds, all).await;
        assert_eq!(through.expect("nobody waits for ever").len(), 8);
    }
}
