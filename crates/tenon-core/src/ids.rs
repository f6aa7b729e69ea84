//! Makers of identifiers.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use uuid::Uuid;

use crate::{SharedClock, SharedRandom};

/// Hands out ids. Cloning shares the counters.
#[derive(Clone)]
pub struct Ids {
    clock: SharedClock,
    random: SharedRandom,
    last_int: Arc<AtomicI64>,
}

impl Ids {
    /// Ids from this clock and this randomness.
    pub fn new(clock: SharedClock, random: SharedRandom) -> Self {
        Self {
            clock,
            random,
            last_int: Arc::new(AtomicI64::new(0)),
        }
    }

    /// A UUIDv4: for keys and ids that outsiders see and must not guess.
    pub fn uuid4(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A UUIDv7: ordered by time, for ids that are stored in large numbers.
    pub fn uuid7(&self) -> Uuid {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        let millis = u64::try_from(self.clock.now().millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// An integer below 2^53 for the wire and for database keys: 41 bits of milliseconds, 12 bits that start at random
    /// within each millisecond, so that two nodes rarely meet; strictly rising on one node.
    pub fn int(&self) -> i64 {
        let mut low = [0; 2];
        self.random.fill(&mut low);
        let start = ((self.clock.now().millis() & ((1 << 41) - 1)) << 12)
            | i64::from(u16::from_le_bytes(low) & 0x7ff);
        let next = |last: i64| Some(start.max(last + 1));
        match self
            .last_int
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        {
            Ok(last) | Err(last) => start.max(last + 1),
        }
    }

    /// `count` random bytes as lower-case hex.
    pub fn hex(&self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.random.fill(&mut bytes);
        hex::encode(bytes)
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ids")
    }
}
