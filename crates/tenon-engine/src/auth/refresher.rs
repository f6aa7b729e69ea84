//! The loop that touches every token at least daily (auth-and-proxy.md, 7).

use tenon_core::function::Cancel;

use crate::Engine;

/// Refreshes connections that nobody has fetched for a day, spread over time.
pub struct Refresher {
    pub engine: Engine,
}

impl Refresher {
    /// Runs until the flag goes up; may be killed at any line.
    pub async fn run(self, _shutdown: Cancel) {
        unimplemented!()
    }
}
