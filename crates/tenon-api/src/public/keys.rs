//! Keys that seal what is stored: which there are, how much stands under each, how to replace them. For operators.

mod list;
mod rotate;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};
use tenon_core::names::EnvironmentPk;
use tenon_engine::keys::RotateError;
use tenon_store::rotation::Rotation;

use crate::{ApiError, App, ErrorCode};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/keys", get(list::list))
        .route("/keys/rotate", post(rotate::rotate))
}

/// Names of environments, by key.
type Names = Vec<(EnvironmentPk, String)>;

fn shown(rotation: &Rotation, names: &Names) -> Value {
    let name = rotation.environment.map(|wanted| {
        let found = names.iter().find(|(pk, _)| *pk == wanted);
        found.map_or_else(|| wanted.to_string(), |(_, name)| name.clone())
    });
    json!({
        "id": rotation.pk,
        "of": if name.is_some() { "environment" } else { "instance" },
        "environment": name,
        "to_key": rotation.to_key,
        "state": if rotation.is_running { "running" } else { "done" },
        "moved": rotation.moved,
        "unreadable": rotation.unreadable,
        "passes": rotation.passes,
        "place": rotation.place,
        "started_at": rotation.created_at.iso_millis(),
        "finished_at": rotation.finished_at.map(|at| at.iso_millis()),
    })
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        match &error {
            RotateError::Running | RotateError::Key(_) => {
                Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, &error)
            }
            RotateError::Store(_) => Self::internal(&error),
        }
    }
}
