//! The app's own data about connections.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Map, Value};
use tenon_engine::connections::{self, ChangeError, MetadataChange};

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

/// Most connections that one request changes: they change in one transaction.
const MAX_CONNECTIONS: usize = 1_000;

struct Change {
    connections: Vec<String>,
    integration: String,
    metadata: Map<String, Value>,
}

/// `POST /connections/metadata`: replaces.
pub(super) async fn set(
    app: State<App>,
    caller: Caller<scope::UpdateConnections>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Option<Value>>), ApiError> {
    let body = change(app, caller, query, body, MetadataChange::Replace).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

/// `PATCH /connections/metadata`: merges at the top.
pub(super) async fn merge(
    app: State<App>,
    caller: Caller<scope::UpdateConnections>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Option<Value>>, ApiError> {
    change(app, caller, query, body, MetadataChange::Merge)
        .await
        .map(Json)
}

/// The answer is the request's body.
async fn change(
    State(app): State<App>,
    caller: Caller<scope::UpdateConnections>,
    query: Query,
    body: JsonBody,
    kind: MetadataChange,
) -> Result<Option<Value>, ApiError> {
    query.none()?;
    let wanted = checked(&body)?;
    connections::change_metadata(
        &app.engine,
        caller.environment,
        &wanted.integration,
        &wanted.connections,
        wanted.metadata,
        kind,
    )
    .await
    .map_err(refused)?;
    Ok(body.0)
}

/// An unknown integration is an unknown connection here.
fn refused(error: ChangeError) -> ApiError {
    match &error {
        ChangeError::UnknownIntegration(_) | ChangeError::UnknownConnection { .. } => {
            ApiError::new(StatusCode::NOT_FOUND, ErrorCode::UnknownConnection, &error)
        }
        ChangeError::Store(_) => ApiError::internal(&error),
    }
}

fn checked(body: &JsonBody) -> Result<Change, ApiError> {
    let input = body.input();
    let object = input.object();
    let connections = connection_ids(object.required("connection_id"));
    let integration = object
        .required("provider_config_key")
        .text()
        .integration_key()
        .take();
    let metadata = object
        .required("metadata")
        .any_object()
        .cloned()
        .unwrap_or_default();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Change {
        connections,
        integration,
        metadata,
    })
}

/// One id or several.
fn connection_ids(field: Field<'_>) -> Vec<String> {
    let given: Option<Vec<String>> = match field.raw() {
        Some(Value::String(id)) => Some(vec![id.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|id| id.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    let Some(ids) = given else {
        field.issue("invalid_union", "Invalid input");
        return Vec::new();
    };
    if ids.len() > MAX_CONNECTIONS {
        field.issue(
            "too_big",
            format!("Too big: expected array to have <={MAX_CONNECTIONS} items"),
        );
    }
    ids
}
