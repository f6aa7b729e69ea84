//! What the helpdesk remembers: tickets by account, all in memory, the same after every start.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tenon_core::{Secret, Timestamp};

use super::{Plan, inbox::Received};

/// Requests that one account may make in [`WINDOW`].
pub(super) const REQUESTS: u32 = 60;

/// Length of the rate limit's window.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Most tickets of an account: it is a demo, and it is in memory.
const TICKETS: usize = 500;

/// Longest subject or description, in characters.
pub(super) const TEXT_CHARS: usize = 5_000;

/// Whether somebody still has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TicketState {
    Open,
    Closed,
}

/// A ticket as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) subject: String,
    pub(super) description: String,
    pub(super) state: TicketState,
    pub(super) requester_email: String,
    pub(super) updated_at: String,
}

/// Shared memory of the helpdesk.
pub(super) struct State(Mutex<Memory>);

pub(super) struct Memory {
    tickets: BTreeMap<String, Vec<Ticket>>,
    next_id: u64,
    windows: BTreeMap<String, (Timestamp, u32)>,
    /// Codes that were exchanged: each works once.
    pub(super) used_codes: HashSet<String>,
    pub(super) signing_key: Option<Secret<String>>,
    pub(super) received: VecDeque<Received>,
}

impl State {
    /// The first account has the tickets of the plan, the others one each.
    pub(super) fn seeded(plan: &Plan, now: Timestamp) -> Self {
        let mut memory = Memory {
            tickets: BTreeMap::new(),
            next_id: 1,
            windows: BTreeMap::new(),
            used_codes: HashSet::new(),
            signing_key: None,
            received: VecDeque::new(),
        };
        for (index, account) in plan.accounts.iter().enumerate() {
            let count = if index == 0 { plan.tickets.len() } else { 1 };
            memory.tickets.insert(account.email.clone(), Vec::new());
            for seed in plan.tickets.iter().take(count) {
                let id = memory.next_id;
                memory.next_id += 1;
                memory
                    .tickets
                    .entry(account.email.clone())
                    .or_default()
                    .push(Ticket {
                        id,
                        subject: seed.subject.clone(),
                        description: seed.description.clone(),
                        state: seed.state,
                        requester_email: seed.requester_email.clone(),
                        updated_at: now.iso_millis(),
                    });
            }
        }
        Self(Mutex::new(memory))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The tickets of an account, oldest first.
    pub(super) fn tickets(&self, account: &str) -> &[Ticket] {
        self.tickets.get(account).map_or(&[], Vec::as_slice)
    }

    pub(super) fn ticket(&self, account: &str, id: u64) -> Option<&Ticket> {
        self.tickets(account).iter().find(|ticket| ticket.id == id)
    }

    /// Opens a ticket; `None` if the account is full.
    pub(super) fn open(
        &mut self,
        account: &str,
        subject: &str,
        description: &str,
        now: Timestamp,
    ) -> Option<Ticket> {
        let id = self.next_id;
        let list = self.tickets.get_mut(account)?;
        if list.len() >= TICKETS {
            return None;
        }
        let ticket = Ticket {
            id,
            subject: subject.chars().take(TEXT_CHARS).collect(),
            description: description.chars().take(TEXT_CHARS).collect(),
            state: TicketState::Open,
            requester_email: account.to_owned(),
            updated_at: now.iso_millis(),
        };
        list.push(ticket.clone());
        self.next_id += 1;
        Some(ticket)
    }

    /// Changes a ticket and its time.
    pub(super) fn change(
        &mut self,
        account: &str,
        id: u64,
        now: Timestamp,
        change: impl FnOnce(&mut Ticket),
    ) -> Option<Ticket> {
        let ticket = self
            .tickets
            .get_mut(account)?
            .iter_mut()
            .find(|ticket| ticket.id == id)?;
        change(ticket);
        ticket.updated_at = now.iso_millis();
        Some(ticket.clone())
    }

    /// Whether there was such a ticket.
    pub(super) fn delete(&mut self, account: &str, id: u64) -> bool {
        let Some(list) = self.tickets.get_mut(account) else {
            return false;
        };
        let before = list.len();
        list.retain(|ticket| ticket.id != id);
        list.len() < before
    }

    /// Counts a request. The error is how long to wait.
    pub(super) fn count(&mut self, account: &str, now: Timestamp) -> Result<u32, Duration> {
        let window = self.windows.entry(account.to_owned()).or_insert((now, 0));
        if now.since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        if window.1 >= REQUESTS {
            return Err(WINDOW.saturating_sub(now.since(window.0)));
        }
        window.1 += 1;
        Ok(REQUESTS - window.1)
    }
}
