//! What happened, with its lines: the log (docs/reference/operations.md).

mod list;
mod messages;
mod one;

use axum::{Router, routing::get};
use serde::Serialize;
use tenon_store::operations::OperationRow;

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/operations", get(list::list))
        .route("/operations/{id}", get(one::one))
        .route("/operations/{id}/messages", get(messages::messages))
}

/// An operation as callers see it.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    state: String,
    provider_config_key: Option<String>,
    connection_id: Option<String>,
    function: Option<String>,
    error: Option<String>,
    parent_id: Option<String>,
    created_at: String,
    ended_at: Option<String>,
}

impl From<OperationRow> for Shown {
    fn from(row: OperationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            title: row.title,
            state: row.state,
            provider_config_key: row.integration,
            connection_id: row.connection_id,
            function: row.function,
            error: row.error,
            parent_id: row.parent,
            created_at: row.created_at.iso_millis(),
            ended_at: row.ended_at.map(|at| at.iso_millis()),
        }
    }
}
