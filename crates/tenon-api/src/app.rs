//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use tenon_engine::{Engine, people::Door};

use crate::{
    caller::KeyCache,
    middleware::rate_limit::RateLimiter,
    pages::{Access, Pages, Shown, connect::ConnectPages},
};

/// The state of the HTTP server. Cheap to clone: every request does it.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// What the state is made of.
#[derive(Clone)]
pub struct AppParts {
    pub engine: Engine,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) limiter: Arc<RateLimiter>,
    /// Counts webhooks of providers.
    pub(crate) inbound_limiter: Arc<RateLimiter>,
    pub(crate) pages: Pages,
    pub(crate) connect: Arc<ConnectPages>,
    pub(crate) door: Arc<Door>,
    pub(crate) shown: Arc<Shown>,
}

impl App {
    /// The API of an engine.
    pub fn new(engine: Engine) -> Self {
        let limiter = RateLimiter::new(engine.settings.rate_limit_per_minute);
        Self(Arc::new(AppParts {
            engine,
            keys: Arc::default(),
            limiter: Arc::new(limiter),
            inbound_limiter: Arc::new(RateLimiter::new(None)),
            pages: Pages {
                access: Access::Login,
                demo: None,
            },
            connect: Arc::default(),
            door: Arc::default(),
            shown: Arc::default(),
        }))
    }

    /// The same with other rules for its pages; without, they ask for a login.
    #[must_use]
    pub fn with_pages(mut self, pages: Pages) -> Self {
        Arc::make_mut(&mut self.0).pages = pages;
        self
    }

    /// The same with what an operator decided about the Connect UI.
    #[must_use]
    pub fn with_connect(mut self, connect: ConnectPages) -> Self {
        Arc::make_mut(&mut self.0).connect = Arc::new(connect);
        self
    }
}

impl Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}
