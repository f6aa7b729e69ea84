//! `.nango/nango.json`: every definition of a project, for tools that generate types or call functions (cli.md, 6).

use serde_json::{Map, Value, json};
use tenon_core::function::FunctionKind;

use super::CompiledFunction;

/// One entry per integration, in the order of the manifest.
pub(super) fn entries(functions: &[CompiledFunction]) -> Value {
    let mut found: Vec<(&str, [Vec<Value>; 3])> = Vec::new();
    for function in functions {
        let integration = function.definition.integration.as_str();
        let place = match found.iter().position(|(name, _)| *name == integration) {
            Some(place) => place,
            None => {
                found.push((integration, Default::default()));
                found.len() - 1
            }
        };
        let list = match function.definition.kind {
            FunctionKind::Sync => 0,
            FunctionKind::Action => 1,
            FunctionKind::OnEvent => 2,
        };
        found[place].1[list].push(entry(function));
    }
    found
        .into_iter()
        .map(|(integration, [syncs, actions, on_event])| {
            json!({
                "providerConfigKey": integration,
                "syncs": syncs,
                "actions": actions,
                "onEventScripts": on_event,
            })
        })
        .collect()
}

fn entry(function: &CompiledFunction) -> Value {
    let definition = &function.definition;
    let kind = definition.kind;
    let is_sync = kind == FunctionKind::Sync;
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| {
        entry.insert(key.to_owned(), value);
    };
    put("name", json!(definition.name));
    put("type", json!(kind.as_str()));
    put(
        "description",
        json!(definition.description.as_deref().unwrap_or_default()),
    );
    put(
        "version",
        json!(definition.version.as_deref().unwrap_or_default()),
    );
    if kind == FunctionKind::OnEvent {
        put("event", json!(definition.event));
        return Value::Object(entry);
    }
    put("endpoints", json!(definition.endpoints));
    put("input", json!(definition.input));
    put("output", json!(definition.models));
    put("scopes", json!(definition.scopes));
    if is_sync {
        put("runs", json!(definition.runs));
        put("auto_start", json!(definition.auto_start));
        put("track_deletes", json!(definition.track_deletes));
        put("sync_type", json!(definition.sync_type));
        put(
            "webhookSubscriptions",
            json!(definition.webhook_subscriptions),
        );
    }
    let models: Vec<&String> = definition.schemas.keys().collect();
    put("usedModels", json!(models));
    put("json_schema", json!({ "definitions": definition.schemas }));
    put("features", json!(function.bundled.features));
    Value::Object(entry)
}
