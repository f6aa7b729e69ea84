//! What people see: the Connect UI, getting started, sign-in.
//!
//! Pages stand beside the public API, outside of its layers: no other origin may read them, and what is sent to them is
//! forms. They change things through the engine and the public API only.

pub(crate) mod assets;
pub mod connect;
mod logo;

use axum::Router;

use crate::{App, demo::Helpdesk};

/// Who may see the pages of the platform, and what they show.
#[derive(Clone)]
pub struct Pages {
    pub access: Access,
    /// The demo that getting started walks through, where there is one.
    pub demo: Option<Helpdesk>,
}

/// Who may see the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever sits at this machine: requests for `localhost`, `127.0.0.1` or `[::1]` with this port, from our own pages.
    OpenOnLoopback { port: u16 },
    /// Whoever is logged in.
    Login,
}

/// All pages.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(connect::routes()).merge(logo::routes())
}
