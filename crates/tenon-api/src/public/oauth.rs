//! Flows through a browser: to the provider and back, and the socket that hears how they end.

mod app_callback;
mod browser;
mod callback;
mod client_metadata;
mod connect;
mod device;
mod page;
pub(crate) mod socket;
mod token;

use axum::{
    Router,
    routing::{get, post},
};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth/connect/{key}", get(connect::connect))
        .route("/oauth/callback", get(callback::callback))
        .route("/oauth/callback/{key}", get(callback::of_integration))
        .route("/oauth/token", post(token::exchange))
        .route("/oauth/device", post(device::start))
        .route("/oauth/device/{id}", get(device::status))
        .route("/app-auth/connect", get(app_callback::callback))
        .route(
            "/oauth/client-metadata/{environment}/{key}",
            get(client_metadata::get),
        )
}
