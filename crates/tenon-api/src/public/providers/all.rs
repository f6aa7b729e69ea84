//! The whole catalogue at once, for tools without a key.

use axum::{Json, extract::State};
use serde_json::{Map, Value};

use crate::App;

/// `GET /providers.json`
pub(super) async fn all(State(app): State<App>) -> Json<Map<String, Value>> {
    let entries = app
        .engine
        .catalogue
        .iter()
        .map(|provider| (provider.name.clone(), Value::Object(provider.raw.clone())))
        .collect();
    Json(entries)
}
