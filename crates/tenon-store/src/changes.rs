//! What was committed lately, so that a reader knows whether what it remembers still holds.
//!
//! SQLite only: there this process is the only one that writes, and the database itself reports each changed row to the
//! writer. On Postgres other nodes write too, so nothing is remembered there.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tenon_core::names::ConnectionPk;

/// Connections that share a counter: a change of one of them makes the others be read again, too.
const SLOTS: usize = 4096;

/// Changed rows remembered one by one in a transaction; beyond that everything is taken as changed.
const PENDING: usize = 1024;

/// Counts commits that changed connections or what they are read with.
#[derive(Debug)]
pub struct Changes {
    /// Commits with any such change.
    any: AtomicU64,
    /// Changes that concern every connection: integrations, and large transactions.
    all: AtomicU64,
    slots: Box<[AtomicU64]>,
    /// Of the transaction that runs.
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    connections: Vec<i64>,
    all: bool,
}

/// A moment before a read.
#[derive(Clone, Copy, Debug)]
pub struct Before(u64);

/// A state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    all: u64,
    slot: u64,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            any: AtomicU64::new(0),
            all: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            pending: Mutex::default(),
        }
    }

    /// Take this before reading what is to be remembered.
    pub fn before(&self) -> Before {
        Before(self.any.load(SeqCst))
    }

    /// The state that belongs to what was read since; `None` if something changed meanwhile.
    pub fn seen(&self, before: Before, connection: ConnectionPk) -> Option<Seen> {
        let seen = self.now(connection);
        (self.any.load(SeqCst) == before.0).then_some(seen)
    }

    /// Whether a connection is still as it was seen.
    pub fn holds(&self, seen: Seen, connection: ConnectionPk) -> bool {
        self.now(connection) == seen
    }

    /// Counts changes that concern every connection, those of integrations among them. What is read after this holds as
    /// long as the count stays.
    pub fn of_all(&self) -> u64 {
        self.all.load(SeqCst)
    }

    fn now(&self, connection: ConnectionPk) -> Seen {
        Seen {
            all: self.all.load(SeqCst),
            slot: self.slots[slot(connection.0)].load(SeqCst),
        }
    }

    /// A row was changed in the transaction that runs. Called for every row of every table.
    pub(crate) fn row(&self, table: &str, row: i64) {
        let is_connection = match table {
            "connection" => true,
            "integration" => false,
            _ => return,
        };
        let mut pending = self.pending();
        if is_connection && pending.connections.len() < PENDING {
            pending.connections.push(row);
        } else {
            pending.all = true;
        }
    }

    /// The transaction ended. What it changed counts even if it was rolled back: that costs a read, nothing else.
    pub(crate) fn ended(&self) {
        let pending = std::mem::take(&mut *self.pending());
        if !pending.all && pending.connections.is_empty() {
            return;
        }
        if pending.all {
            self.all.fetch_add(1, SeqCst);
        }
        for row in pending.connections {
            self.slots[slot(row)].fetch_add(1, SeqCst);
        }
        self.any.fetch_add(1, SeqCst);
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot(row: i64) -> usize {
    row.unsigned_abs() as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use tenon_core::names::ConnectionPk;

    use super::{Changes, PENDING, SLOTS};

    #[test]
    fn a_change_concerns_its_connection_and_a_read_that_it_met_is_not_remembered() {
        let changes = Changes::new();
        let (one, two) = (ConnectionPk(1), ConnectionPk(2));
        let before = changes.before();
        let seen = (
            changes.seen(before, one).unwrap(),
            changes.seen(before, two).unwrap(),
        );
        changes.row("record", 1);
        changes.ended();
        assert!(changes.holds(seen.0, one));
        changes.row("connection", 1);
        assert!(changes.holds(seen.0, one), "not before the end");
        changes.ended();
        assert!(!changes.holds(seen.0, one));
        assert!(changes.holds(seen.1, two));
        assert!(changes.seen(before, two).is_none());
        let of_all = changes.of_all();
        changes.row("connection", 2);
        changes.ended();
        assert_eq!(changes.of_all(), of_all);
        changes.row("integration", 7);
        changes.ended();
        assert!(!changes.holds(seen.1, two));
        assert!(changes.of_all() > of_all);
    }

    #[test]
    fn large_transactions_and_neighbours_of_a_slot_count_as_changed() {
        let changes = Changes::new();
        let far = ConnectionPk(5 + SLOTS as i64);
        let seen = changes.seen(changes.before(), far).unwrap();
        changes.row("connection", 5);
        changes.ended();
        assert!(!changes.holds(seen, far));
        let other = ConnectionPk(PENDING as i64 + 7);
        let seen = changes.seen(changes.before(), other).unwrap();
        for row in 0..=PENDING as i64 {
            changes.row("connection", row);
        }
        changes.ended();
        assert!(!changes.holds(seen, other));
    }
}
