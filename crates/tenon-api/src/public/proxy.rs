//! `ANY /proxy/*`: requests to external APIs with the credentials of a connection (auth-and-proxy.md, section 10).

mod body;
mod failure;
mod forward;
mod headers;

use axum::{Router, routing::any};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/proxy", any(forward::forward))
        .route("/proxy/", any(forward::forward))
        .route("/proxy/{*endpoint}", any(forward::forward))
}
