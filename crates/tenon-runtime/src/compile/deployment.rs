//! What a deployment sends of each function (cli.md, 4 and 8).

use serde_json::{Map, Value, json};
use tenon_core::function::FunctionKind;

use super::{bundle::Bundled, definitions::Definition};

/// Longest description that is sent.
const DESCRIPTION_CHARS: usize = 2_000;

/// One entry of `flowConfigs`: of a sync or an action. `version` overrides that of the definition.
pub fn flow_config(definition: &Definition, bundled: &Bundled, version: Option<&str>) -> Value {
    let is_sync = definition.kind == FunctionKind::Sync;
    let mut flow = Map::new();
    let mut put = |key: &str, value: Value| {
        flow.insert(key.to_owned(), value);
    };
    put("syncName", json!(definition.name));
    put("providerConfigKey", json!(definition.integration));
    put("models", json!(definition.models));
    put(
        "version",
        json!(
            version
                .or(definition.version.as_deref())
                .unwrap_or_default()
        ),
    );
    put("runs", json!(definition.runs));
    put("track_deletes", json!(is_sync && definition.track_deletes));
    if is_sync {
        put("auto_start", json!(definition.auto_start));
        put("attributes", json!({}));
    }
    put("metadata", metadata(definition));
    if let Some(input) = &definition.input {
        put("input", json!(input));
    }
    if is_sync {
        put("sync_type", json!(definition.sync_type));
    }
    put("type", json!(definition.kind.as_str()));
    put("fileBody", file_body(bundled));
    put("endpoints", json!(definition.endpoints));
    if is_sync {
        put(
            "webhookSubscriptions",
            json!(definition.webhook_subscriptions),
        );
    }
    put(
        "models_json_schema",
        json!({ "definitions": definition.schemas }),
    );
    put("features", json!(bundled.features));
    Value::Object(flow)
}

/// One entry of the `scripts` of an integration in `onEventScriptsByProvider`.
pub fn on_event_script(definition: &Definition, bundled: &Bundled) -> Value {
    json!({
        "name": definition.name,
        "event": definition.event,
        "fileBody": file_body(bundled),
    })
}

fn metadata(definition: &Definition) -> Value {
    let description: Option<String> = definition
        .description
        .as_ref()
        .map(|text| text.chars().take(DESCRIPTION_CHARS).collect());
    json!({ "description": description, "scopes": definition.scopes })
}

fn file_body(bundled: &Bundled) -> Value {
    json!({ "js": bundled.javascript, "ts": bundled.source })
}
