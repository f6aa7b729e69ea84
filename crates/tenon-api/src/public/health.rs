//! Whether this node lives and can work.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{ApiError, App};

const STALE_PROVIDERS: &str = "a provider file cannot be used as it is now; the entries from before are in use, the log says why";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
}

/// `GET /health`
pub async fn health() -> Json<Value> {
    Json(json!({"result": "ok"}))
}

/// `GET /ready`: only when the database answers. `notes` says what an operator should look at; details are in the log,
/// since anybody may ask here.
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    app.engine.reader().list_environments().await?;
    let mut answer = json!({"result": "ok"});
    if app.engine.catalogue.problem().is_some() {
        answer["notes"] = json!([STALE_PROVIDERS]);
    }
    Ok(Json(answer))
}
