//! Whether this node lives and can work.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{ApiError, App};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
}

/// `GET /health`
pub async fn health() -> Json<Value> {
    Json(json!({"result": "ok"}))
}

/// `GET /ready`: only when the database answers.
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    app.engine.reader().list_environments().await?;
    Ok(Json(json!({"result": "ok"})))
}
