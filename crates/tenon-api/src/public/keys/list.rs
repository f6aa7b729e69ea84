//! What stands under which key.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_store::rotation::KeyCount;

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// Rotations shown, the newest first.
const ROTATIONS: i64 = 20;

/// `GET /keys?count=true`: counting reads every sealed row, so it is done only when asked for.
pub(super) async fn list(
    State(app): State<App>,
    _caller: Caller<scope::ReadKeys>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let counted = checked(&query)?;
    let (store, reader) = (&app.engine.store, app.engine.reader());
    let instance = store.instance_key_report().await?;
    let mut environments = Vec::new();
    let mut names = Vec::new();
    for environment in reader.list_environments().await? {
        let keys = store.data_key_report(environment.pk, counted).await?;
        let keys: Vec<Value> = keys.iter().map(shown).collect();
        environments.push(json!({"name": environment.name, "keys": keys}));
        names.push((environment.pk, environment.name));
    }
    let rotations = reader.latest_rotations(ROTATIONS).await?;
    let rotations: Vec<Value> = rotations
        .iter()
        .map(|rotation| super::shown(rotation, &names))
        .collect();
    let instance: Vec<Value> = instance.iter().map(shown).collect();
    let data = json!({"instance": instance, "environments": environments, "rotations": rotations});
    Ok(Json(json!({ "data": data })))
}

fn shown(key: &KeyCount) -> Value {
    let places: serde_json::Map<String, Value> = key
        .places
        .iter()
        .map(|(place, rows)| (place.clone(), (*rows).into()))
        .collect();
    json!({
        "id": key.id,
        "current": key.is_current,
        "known": key.is_known,
        "created_at": key.created_at.map(|at| at.iso_millis()),
        "rows": key.rows,
        "places": places,
    })
}

fn checked(query: &Query) -> Result<bool, ApiError> {
    let input = query.input();
    let object = input.object();
    let counted = object.optional("count").flag_text();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(counted.unwrap_or(false))
}
