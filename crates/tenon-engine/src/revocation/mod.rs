//! Telling providers to forget tokens: when a connection is deleted, and all at once when something has leaked.
//!
//! The deletion stores a row with the finished request, sealed, in its own transaction; a loop sends it, and goes on for days
//! if the provider is away. What stays is the proof: a fingerprint of the token, the time and the provider's answer.

mod enqueue;
mod kill;
mod revoker;

pub use enqueue::Reason;
pub(crate) use enqueue::enqueue_in;
pub use kill::{Blast, BlastOf, Integration, Killed, blast, kill};
pub use revoker::Revoker;

use serde::{Deserialize, Serialize};

/// A request that is ready to be sent.
#[derive(Serialize, Deserialize)]
struct Prepared {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    #[serde(default)]
    proof: Option<Proof>,
}

/// A client that shows a key, not a secret: what it signs does not last as long as a revocation may have to wait, so it is
/// added to the form when that is sent.
#[derive(Serialize, Deserialize)]
struct Proof {
    client_id: String,
    key: String,
    audience: String,
}
