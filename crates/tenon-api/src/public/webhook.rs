//! `POST /webhook/{environment}/{integration}`: webhooks of providers (webhooks.md, 2).

mod body;
mod receive;

use axum::{Router, routing::any};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route(
        "/webhook/{environment_uuid}/{unique_key}",
        any(receive::receive),
    )
}
