//! The environments that a key may deploy to: its own.

use axum::Json;
use serde_json::{Value, json};

use crate::caller::{Caller, scope};

/// `GET /api/v1/environments`
pub(super) async fn list(caller: Caller<scope::Deploy>) -> Json<Value> {
    Json(json!({ "data": [{
        "id": caller.environment.0,
        "uuid": caller.holder.environment_uuid,
        "name": caller.holder.environment_name,
    }] }))
}
