//! What happened, as a feed, and what became of the webhooks about it (docs/reference/webhooks.md).

mod deliveries;
mod feed;
mod replay;

use axum::{
    Router,
    routing::{get, post},
};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/events", get(feed::feed))
        .route("/webhooks/deliveries", get(deliveries::list))
        .route("/webhooks/deliveries/{id}", get(deliveries::one))
        .route("/webhooks/deliveries/{id}/replay", post(replay::replay))
}
