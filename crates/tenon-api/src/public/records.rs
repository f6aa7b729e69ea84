//! Records that syncs have saved (records.md, section 3).

mod list;
mod place;
mod prune;

use axum::{
    Router,
    routing::{get, patch},
};

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/records", get(list::list))
        .route("/records/prune", patch(prune::prune))
}
