//! What every handler can reach.

use std::sync::Arc;

use tenon_engine::Engine;

use crate::{caller::KeyCache, middleware::rate_limit::RateLimiter};

/// The state of the HTTP server. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub engine: Engine,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) limiter: Arc<RateLimiter>,
}

impl App {
    /// The API of an engine.
    pub fn new(engine: Engine) -> Self {
        let limiter = RateLimiter::new(engine.settings.rate_limit_per_minute);
        Self {
            engine,
            keys: Arc::default(),
            limiter: Arc::new(limiter),
        }
    }
}
