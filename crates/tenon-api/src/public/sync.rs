//! Syncs: trigger, start, pause, look at, change the frequency, make variants (scheduler.md, 3.1).

mod frequency;
mod pause;
mod selection;
mod start;
mod status;
mod trigger;
mod variant;

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post, put},
};
use serde_json::{Value, json};
use tenon_engine::work::commands::CommandError;

use crate::{ApiError, App, ErrorCode};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sync/trigger", post(trigger::trigger))
        .route("/sync/start", post(start::start))
        .route("/sync/pause", post(pause::pause))
        .route("/sync/status", get(status::status))
        .route("/sync/update-connection-frequency", put(frequency::update))
        .route(
            "/sync/{name}/variant/{variant}",
            post(variant::create).delete(variant::delete),
        )
}

fn success() -> Json<Value> {
    Json(json!({ "success": true }))
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match &error {
            CommandError::UnknownIntegration(_) => Self::old(
                StatusCode::BAD_REQUEST,
                ErrorCode::UnknownProviderConfig,
                &error,
            ),
            CommandError::UnknownConnection {
                connection,
                integration,
            } => Self::new(StatusCode::NOT_FOUND, ErrorCode::UnknownConnection, &error)
                .payload(json!({ "connectionId": connection, "providerConfigKey": integration })),
            CommandError::NoSyncs => {
                Self::old(StatusCode::BAD_REQUEST, ErrorCode::NoSyncsFound, &error)
            }
            CommandError::Store(_) => Self::internal(&error),
        }
    }
}
