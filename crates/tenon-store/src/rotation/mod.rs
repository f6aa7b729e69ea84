//! Rotation of keys while everything is in use.
//!
//! Two kinds. The *instance key* wraps data keys: rotating it wraps those again, which are few. A *data key* seals the
//! values of an environment: rotating it makes a new one, under which everything new is sealed at once, and seals again
//! whatever stands under older ones.
//!
//! Each goes over its rows in small transactions that also note how far it got, so that it may be killed at any line and
//! goes on from there on any node. All keys stay readable meanwhile. A pass that finds nothing ends it; on Postgres that
//! pass must have begun after every node has noticed the new key.

pub(crate) mod dialect;
pub(crate) mod environment;
pub(crate) mod instance;
pub(crate) mod places;
pub(crate) mod progress;
pub(crate) mod report;

use std::time::Duration;

pub use environment::Step;
pub use places::sealed_columns;
pub use progress::Rotation;
pub use report::{KeyCount, KeyReport};

/// How long a node that works on a rotation may be silent before another one goes on.
const HELD: Duration = Duration::from_secs(30);

/// On Postgres: how old a new key must be before a pass that finds nothing counts. By then every node seals with it
/// ([`crate::seal::NEWEST_KNOWN`]), and transactions that had begun before are over.
const SETTLED: Duration = Duration::from_secs(30);
