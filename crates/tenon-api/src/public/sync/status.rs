//! How syncs stand.

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};
use tenon_engine::work::{
    commands::SyncName,
    status::{self, StatusError, SyncStatus},
};

use crate::{
    ApiError, App,
    caller::{Caller, scope},
    names::{connection_id, integration_key},
    query::Query,
};

/// `GET /sync/status?syncs=&provider_config_key=&connection_id=`
pub(super) async fn status(
    State(app): State<App>,
    caller: Caller<scope::ReadSyncs>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let (syncs, integration, connection) = checked(&query)?;
    let connection = connection.as_deref().map(connection_id).transpose()?;
    let statuses = status::status(
        &app.engine,
        caller.environment,
        &integration_key(&integration)?,
        connection.as_ref(),
        syncs.as_deref(),
    )
    .await
    .map_err(|error| match error {
        StatusError::UnknownConnection => ApiError::invalid_body(error),
        StatusError::Store(_) => ApiError::internal(&error),
    })?;
    let syncs: Vec<Value> = statuses.iter().map(shown).collect();
    Ok(Json(json!({ "syncs": syncs })))
}

type Wanted = (Option<Vec<SyncName>>, String, Option<String>);

fn checked(query: &Query) -> Result<Wanted, ApiError> {
    let input = query.input();
    let object = input.object();
    let syncs = object.required("syncs").text().take();
    let integration = super::selection::integration(&object);
    let connection = super::selection::connection(&object);
    object.strict();
    drop(object);
    input.finish()?;
    let names = (syncs != "*").then(|| {
        syncs
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(SyncName::parse)
            .collect()
    });
    Ok((names, integration, connection))
}

/// Fields of a sync that never ran are absent, not null.
fn shown(sync: &SyncStatus) -> Value {
    let latest = sync.latest_run.as_ref();
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("id", json!(sync.id));
    put("connection_id", json!(sync.connection_id));
    put(
        "type",
        json!(latest.map_or("INITIAL", |run| run.sync_type.as_str())),
    );
    if let Some(run) = latest {
        put("finishedAt", json!(run.finished_at.iso_millis()));
    }
    put(
        "nextScheduledSyncAt",
        json!(sync.next_at.map(|at| at.iso_millis())),
    );
    put("name", json!(sync.name));
    put("variant", json!(sync.variant));
    put("status", json!(sync.status));
    put("frequency", json!(sync.frequency));
    if let Some(run) = latest {
        put("latestResult", run.result.clone());
        put("latestExecutionStatus", json!(run.status));
    }
    let counts: Map<String, Value> = sync
        .record_counts
        .iter()
        .map(|(model, count)| (model.clone(), json!(count)))
        .collect();
    put("recordCount", Value::Object(counts));
    put("checkpoint", sync.checkpoint.clone());
    Value::Object(shown)
}
