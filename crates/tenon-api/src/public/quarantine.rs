//! Records that do not fit their schema and are kept aside (docs/reference/function-settings.md).

mod discard;
mod list;
mod retry;

use axum::{
    Router,
    routing::{delete, get, post},
};
use tenon_core::{limits, names::EnvironmentPk};
use tenon_engine::records::QuarantineFilter;

use crate::{App, validate::Object};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/quarantine", get(list::list))
        .route("/quarantine/retry", post(retry::retry))
        .route("/quarantine/{id}", delete(discard::discard))
}

/// Which records are meant, from members of a query or a body.
fn filter(object: &Object<'_>, environment: EnvironmentPk) -> QuarantineFilter {
    let text = |name| object.optional(name).text().max(limits::NAME_CHARS).get();
    QuarantineFilter {
        environment,
        pk: None,
        connection_id: text("connection_id"),
        integration: text("provider_config_key"),
        model: text("model"),
    }
}
