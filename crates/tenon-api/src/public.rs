//! The public API, one module per area, one file per endpoint.

use axum::Router;

use crate::App;

pub mod auth;
pub mod connect;
pub mod connections;
pub mod environment;
pub mod health;
pub mod integrations;
pub mod oauth;
pub mod providers;
pub mod records;

/// All routes of the public API.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(health::routes())
        .merge(environment::routes())
        .merge(providers::routes())
        .merge(integrations::routes())
        .merge(connections::routes())
        .merge(connect::routes())
        .merge(oauth::routes())
        .merge(auth::routes())
        .merge(records::routes())
}
