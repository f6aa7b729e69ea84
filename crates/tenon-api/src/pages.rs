//! What people see: the Connect UI, getting started, sign-in.
//!
//! Pages stand beside the public API, outside of its layers: no other origin may read them, and what is sent to them is
//! forms. They change things through the engine and the public API only.

pub(crate) mod assets;
pub mod connect;
mod logo;

use axum::Router;

use crate::App;

/// All pages.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(connect::routes()).merge(logo::routes())
}
