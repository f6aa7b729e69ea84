//! All functions of the environment, in the older form or as tools for a language model.

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};
use tenon_store::work::functions::FunctionRow;

use super::show;
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
};

/// `GET /scripts/config?format=`
pub(super) async fn config(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let functions = app
        .engine
        .reader()
        .functions_of_environment(caller.environment)
        .await?;
    // Any other format is the default one, as in the reference.
    if query.0.get("format").and_then(Value::as_str) == Some("openai") {
        let actions = functions.iter().filter(|one| one.kind == "action");
        let tools: Vec<Value> = actions.map(tool).collect();
        return Ok(Json(json!({ "data": tools })));
    }
    Ok(Json(by_integration(&functions)))
}

/// The rows come sorted by integration.
fn by_integration(functions: &[FunctionRow]) -> Value {
    let groups = functions.chunk_by(|one, other| one.integration == other.integration);
    groups
        .filter_map(|group| {
            let first = group.first()?;
            let of = |kind: &str| -> Vec<Value> {
                let of_kind = group.iter().filter(|one| one.kind == kind);
                of_kind.map(script).collect()
            };
            Some(json!({
                "actions": of("action"),
                "providerConfigKey": first.integration_key,
                "provider": first.provider,
                "syncs": of("sync"),
                // The reference leaves them out here.
                "on-events": [],
            }))
        })
        .collect()
}

fn script(row: &FunctionRow) -> Value {
    let metadata = show::metadata(row);
    let text = |name: &str| metadata.get(name).cloned();
    let schema = show::schema(row);
    let endpoints: Value = serde_json::from_str(&row.endpoints).unwrap_or_default();
    let mut script = json!({
        "id": row.pk.0,
        "name": row.name,
        "type": row.kind,
        "returns": row.models,
        "description": text("description").unwrap_or_else(|| json!("")),
        "attributes": {},
        "scopes": text("scopes").unwrap_or_else(|| json!([])),
        "version": row.version,
        "source": row.source,
        "endpoints": endpoints,
        "enabled": row.enabled,
        "last_deployed": row.created_at.iso_millis(),
        "webhookSubscriptions": row.webhook_subscriptions,
        "json_schema": schema,
        "sdk_version": row.sdk_version,
        "models": models(schema.as_ref()),
        "features": row.features,
    });
    if let Some(input) = &row.input {
        script["input"] = json!(input);
    }
    if row.kind == "sync" {
        script["sync_type"] = json!(row.sync_type);
        script["auto_start"] = json!(row.auto_start);
        script["runs"] = json!(row.runs);
        script["track_deletes"] = json!(row.track_deletes);
    }
    script
}

fn models(schema: Option<&Value>) -> Vec<Value> {
    definitions(schema)
        .into_iter()
        .flat_map(Map::keys)
        .map(|name| json!({ "name": name, "fields": [] }))
        .collect()
}

fn definitions(schema: Option<&Value>) -> Option<&Map<String, Value>> {
    schema?.get("definitions")?.as_object()
}

/// An action as a tool: its input's properties are the parameters.
fn tool(row: &FunctionRow) -> Value {
    let schema = show::schema(row);
    let input = row.input.as_ref().and_then(|name| {
        let definitions = definitions(schema.as_ref())?;
        definitions.get(name)
    });
    let member = |name: &str| input.and_then(|input| input.get(name)).cloned();
    let described = show::metadata(row)
        .get("description")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map_or_else(
            || format!("Runs the action {} of {}", row.name, row.integration_key),
            str::to_owned,
        );
    json!({
        "name": row.name,
        "description": described,
        "parameters": {
            "type": "object",
            "properties": member("properties").unwrap_or_else(|| json!({})),
            "required": member("required").unwrap_or_else(|| json!([])),
        },
    })
}
