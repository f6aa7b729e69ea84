//! Who reads which secret, through which door, how often.
//!
//! Reads are the busiest thing there is, so nothing is written for each: they are counted in memory per minute, reader and
//! thing read, and the counts are stored every second. A process that is killed loses the counts of its last second.

mod keeper;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk, FunctionPk, IntegrationPk},
};

use crate::Engine;

pub use keeper::Auditor;

/// Locks that readers spread over.
const SHARDS: usize = 16;

/// Distinct counts of a shard between two writes. Beyond that, reads of single things are counted as reads of the whole
/// environment: nothing is left out, and memory stays bounded.
const MAX_COUNTS: usize = 20_000;

/// The way a secret left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    Api,
    Function,
    Export,
}

impl Door {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Function => "function",
            Self::Export => "export",
        }
    }
}

/// Who got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadBy {
    Key(i64),
    Function(FunctionPk),
    /// Somebody with the instance key, at the command line.
    Operator,
    /// Somebody with a token of this trusted issuer, and no key.
    Issuer(i64),
}

impl ReadBy {
    const fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Key(pk) => ("key", pk),
            Self::Function(pk) => ("function", pk.0),
            Self::Operator => ("operator", 0),
            Self::Issuer(pk) => ("issuer", pk),
        }
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretOf {
    Connection(ConnectionPk),
    Integration(IntegrationPk),
    Variables,
    SigningKey,
    HmacKey,
    /// Everything, or more than could be told apart.
    Environment,
}

impl SecretOf {
    const fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Connection(pk) => ("connection", pk.0),
            Self::Integration(pk) => ("integration", pk.0),
            Self::Variables => ("variables", 0),
            Self::SigningKey => ("signing_key", 0),
            Self::HmacKey => ("hmac_key", 0),
            Self::Environment => ("environment", 0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Read {
    environment: EnvironmentPk,
    minute: i64,
    door: Door,
    by: ReadBy,
    of: SecretOf,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    reads: i64,
    first: Timestamp,
    last: Timestamp,
}

type Shard = Mutex<HashMap<Read, Count>>;

/// Reads that are counted and not stored yet. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SecretReads {
    shards: Arc<[Shard; SHARDS]>,
    hasher: RandomState,
}

impl SecretReads {
    fn add(&self, read: Read, count: Count) {
        let place = usize::try_from(self.hasher.hash_one(read) % SHARDS as u64).unwrap_or(0);
        let mut shard = self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_full = shard.len() >= MAX_COUNTS && !shard.contains_key(&read);
        let read = if is_full {
            Read {
                of: SecretOf::Environment,
                ..read
            }
        } else {
            read
        };
        shard
            .entry(read)
            .and_modify(|known| {
                known.reads += count.reads;
                known.first = known.first.min(count.first);
                known.last = known.last.max(count.last);
            })
            .or_insert(count);
    }

    fn take(&self) -> Vec<(Read, Count)> {
        let mut taken = Vec::new();
        for shard in self.shards.iter() {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            taken.extend(shard.drain());
        }
        taken
    }
}

/// Notes that a secret was read.
pub fn read(engine: &Engine, environment: EnvironmentPk, door: Door, by: ReadBy, of: SecretOf) {
    let now = engine.clock.now();
    let read = Read {
        environment,
        minute: now.secs() / 60,
        door,
        by,
        of,
    };
    let count = Count {
        reads: 1,
        first: now,
        last: now,
    };
    engine.secret_reads.add(read, count);
}

#[cfg(test)]
mod tests {
    use tenon_core::{
        Timestamp,
        names::{ConnectionPk, EnvironmentPk},
    };

    use super::{Count, Door, MAX_COUNTS, Read, ReadBy, SHARDS, SecretOf, SecretReads};

    #[test]
    fn counts_add_up_and_memory_stays_bounded() {
        let reads = SecretReads::default();
        let at = Timestamp::from_secs(60);
        let count = Count {
            reads: 1,
            first: at,
            last: at,
        };
        let read = |connection: i64| Read {
            environment: EnvironmentPk(1),
            minute: 1,
            door: Door::Api,
            by: ReadBy::Key(1),
            of: SecretOf::Connection(ConnectionPk(connection)),
        };
        for _ in 0..5 {
            reads.add(read(7), count);
        }
        let taken = reads.take();
        assert_eq!((taken.len(), taken[0].1.reads), (1, 5));
        assert!(reads.take().is_empty());

        let many = i64::try_from(MAX_COUNTS * SHARDS * 2).unwrap();
        for connection in 0..many {
            reads.add(read(connection), count);
        }
        let taken = reads.take();
        assert!(taken.len() <= (MAX_COUNTS + 1) * SHARDS);
        assert_eq!(
            taken.iter().map(|(_, count)| count.reads).sum::<i64>(),
            many
        );
    }
}
