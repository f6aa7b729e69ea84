//! What a deploy brings, checked member by member (cli.md, 4).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};
use tenon_core::{
    frequency::{Frequency, FrequencyError},
    names::EnvironmentPk,
};
use tenon_engine::work::deploy::{ConfigKind, DeployMode, Deployment, EventConfig, FunctionConfig};

use crate::{
    ApiError,
    body::JsonBody,
    names::script_name,
    validate::{Field, Object},
};

static SDK_VERSION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[0-9]+\.[0-9]+\.[0-9]+-(zero|yaml)$").expect("the pattern is constant")
});

/// Most functions in one deploy: three times the largest known collection of templates.
const MAX_FUNCTIONS: usize = 20_000;

/// Most models, endpoints and the like of one function.
const MAX_PARTS: usize = 1_000;

/// Longest description (cli.md, 4).
const MAX_DESCRIPTION: usize = 2_000;

const TYPES: &[&str] = &["sync", "action"];
const MODES: &[&str] = &["all", "integration", "single"];
const SOURCES: &[&str] = &["repo", "catalog", "standalone"];
const SYNC_TYPES: &[&str] = &["full", "incremental", "FULL", "INCREMENTAL"];
const EVENTS: &[&str] = &[
    "post-connection-creation",
    "pre-connection-deletion",
    "validate-connection",
];

/// Names that older schemas use for what needs no definition.
const BUILT_IN: &[&str] = &[
    "string",
    "number",
    "boolean",
    "bool",
    "integer",
    "int",
    "char",
    "varchar",
    "float",
    "tinyint",
    "date",
    "any",
    "object",
    "array",
    "null",
    "undefined",
    "void",
    "unknown",
];

/// Which endpoint is called: they want different members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Confirmation,
    Deploy,
}

/// The body of a deploy or of its confirmation.
pub(crate) fn checked(
    body: &JsonBody,
    environment: EnvironmentPk,
    door: Door,
) -> Result<Deployment, ApiError> {
    let input = body.input();
    let object = input.object();
    let shared = object.map().and_then(|map| map.get("jsonSchema")).cloned();
    let functions = functions(object.required("flowConfigs"), shared.as_ref());
    let events = events(&object);
    object.required("reconcile").flag();
    object.required("debug").flag();
    match door {
        Door::Deploy => object.required("nangoYamlBody"),
        Door::Confirmation => object.optional("nangoYamlBody"),
    }
    .text()
    .take();
    let single = object.optional("singleDeployMode").flag().unwrap_or(false);
    let mode = object.optional("deployMode").one_of(MODES);
    let sdk_version = object.optional("sdkVersion").text();
    let sdk_version = sdk_version
        .matches(|text| SDK_VERSION.is_match(text), "look like `1.2.3-zero`")
        .get();
    let source = object.optional("source").one_of(SOURCES);
    object.optional("jsonSchema");
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Deployment {
        environment,
        mode: match mode {
            Some("single") => DeployMode::Single,
            Some("integration") => DeployMode::Integration,
            None if single => DeployMode::Single,
            _ => DeployMode::All,
        },
        functions,
        events,
        sdk_version,
        source: source.unwrap_or("repo").to_owned(),
    })
}

fn functions(field: Field<'_>, shared_schema: Option<&Value>) -> Vec<FunctionConfig> {
    let Some(items) = field.items(MAX_FUNCTIONS) else {
        return Vec::new();
    };
    items
        .fields()
        .filter_map(|item| item.object())
        .map(|object| function(&object, shared_schema))
        .collect()
}

fn function(object: &Object<'_>, shared_schema: Option<&Value>) -> FunctionConfig {
    let kind = match object.required("type").one_of(TYPES) {
        Some("sync") => ConfigKind::Sync,
        _ => ConfigKind::Action,
    };
    let name = script_name(object.required("syncName").text()).take();
    let integration = object.required("providerConfigKey");
    let integration = integration.text().integration_key().take();
    let models = texts(object.required("models"));
    let runs = runs(object.required("runs"));
    let version = object.nullable("version").text().max(255).get();
    let input = object.nullable("input").text().max(255).get();
    let metadata = metadata(object.optional("metadata"));
    let (javascript, typescript) = code(object.required("fileBody"));
    let endpoints = endpoints(object.optional("endpoints"));
    let own = schema(object.optional("models_json_schema"), &models);
    let schema = own.or_else(|| shared_schema.cloned());
    // Older command lines send these; nothing follows from them.
    object.optional("attributes").any_object();
    object.optional("model_schema");
    let function = FunctionConfig {
        kind,
        integration,
        name,
        input,
        runs: runs.filter(|_| kind == ConfigKind::Sync),
        version,
        track_deletes: object.nullable("track_deletes").flag().unwrap_or(false),
        auto_start: object.nullable("auto_start").flag().unwrap_or(true),
        sync_type: object
            .nullable("sync_type")
            .one_of(SYNC_TYPES)
            .map(str::to_ascii_lowercase),
        metadata,
        endpoints,
        webhook_subscriptions: texts(object.nullable("webhookSubscriptions")),
        models_json_schema: schema,
        features: texts(object.optional("features")),
        javascript,
        typescript,
        models,
        origin: None,
    };
    object.strict();
    function
}

fn texts(field: Field<'_>) -> Vec<String> {
    let Some(items) = field.items(MAX_PARTS) else {
        return Vec::new();
    };
    items.texts(|text| text.min(1).max(255))
}

/// A frequency, or null for an action. What is of the form and still has no meaning is refused later, by name.
fn runs(field: Field<'_>) -> Option<String> {
    match field.raw() {
        None => {
            field.text().take();
            None
        }
        Some(Value::Null) => None,
        Some(Value::String(text))
            if !matches!(Frequency::parse(text), Err(FrequencyError::Form(_))) =>
        {
            Some(text.clone())
        }
        Some(_) => {
            field.issue("invalid_union", "Invalid input");
            None
        }
    }
}

fn metadata(field: Field<'_>) -> Value {
    let Some(object) = field.object() else {
        return json!({});
    };
    let mut metadata = Map::new();
    let description = object.nullable("description").text();
    if let Some(text) = description.max(MAX_DESCRIPTION).get() {
        metadata.insert("description".to_owned(), Value::from(text));
    }
    let scopes = object.nullable("scopes");
    if scopes.is_given() {
        metadata.insert("scopes".to_owned(), Value::from(texts(scopes)));
    }
    object.strict();
    Value::Object(metadata)
}

/// JavaScript and TypeScript.
fn code(field: Field<'_>) -> (String, String) {
    let Some(object) = field.object() else {
        return (String::new(), String::new());
    };
    let code = (
        object.required("js").text().take(),
        object.required("ts").text().take(),
    );
    object.strict();
    code
}

/// `{method, path, group?}`, or the older `{GET: "/x"}`.
fn endpoints(field: Field<'_>) -> Value {
    let Some(items) = field.items(MAX_PARTS) else {
        return json!([]);
    };
    let list = items
        .fields()
        .filter_map(|item| item.object())
        .filter_map(|object| endpoint(&object))
        .collect();
    Value::Array(list)
}

fn endpoint(object: &Object<'_>) -> Option<Value> {
    const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
    let map = object.map()?;
    if map.contains_key("method") || map.contains_key("path") {
        let method = object.required("method").one_of(METHODS)?;
        let path = object.required("path").text().min(1).max(1_024).take();
        let group = object.nullable("group").text().max(255).get();
        object.strict();
        let mut endpoint = json!({ "method": method, "path": path });
        if let Some(group) = group {
            endpoint["group"] = Value::from(group);
        }
        return Some(endpoint);
    }
    let (method, path) = map.iter().next()?;
    let known = METHODS.contains(&method.as_str());
    match path.as_str() {
        Some(path) if known && map.len() == 1 => Some(json!({ "method": method, "path": path })),
        _ => {
            object.field().issue("invalid_union", "Invalid input");
            None
        }
    }
}

/// `{definitions}` that has all models.
fn schema(field: Field<'_>, models: &[String]) -> Option<Value> {
    let whole = field.clone();
    let object = field.object()?;
    let map = object.map()?;
    let definitions = object.optional("definitions");
    let definitions = definitions.any_object();
    let has = |model: &String| {
        BUILT_IN.contains(&model.trim_end_matches("[]"))
            || definitions.is_some_and(|known| known.contains_key(model.trim_end_matches("[]")))
    };
    if let Some(missing) = models.iter().find(|model| !has(model)) {
        whole.issue(
            "custom",
            format!("the schema has no definition of the model `{missing}`"),
        );
    }
    Some(Value::Object(map.clone()))
}

/// `None` if the deploy says nothing about event functions.
fn events(object: &Object<'_>) -> Option<Vec<EventConfig>> {
    let current = object.optional("onEventScriptsByProvider");
    let older = object.optional("postConnectionScriptsByProvider");
    let (field, has_event) = if current.is_given() {
        (current, true)
    } else {
        (older, false)
    };
    if !field.is_given() {
        return None;
    }
    let mut events = Vec::new();
    for provider in field.items(MAX_FUNCTIONS)?.fields() {
        let Some(provider) = provider.object() else {
            continue;
        };
        let integration = provider.required("providerConfigKey");
        let integration = integration.text().integration_key().take();
        let scripts = provider.required("scripts").items(MAX_FUNCTIONS);
        provider.strict();
        for script in scripts.iter().flat_map(|scripts| scripts.fields()) {
            if let Some(script) = script.object() {
                events.push(event(&script, &integration, has_event));
            }
        }
    }
    Some(events)
}

fn event(script: &Object<'_>, integration: &str, has_event: bool) -> EventConfig {
    let name = script_name(script.required("name").text()).take();
    let event = if has_event {
        script.required("event").one_of(EVENTS)
    } else {
        Some(EVENTS[0])
    };
    let (javascript, typescript) = code(script.required("fileBody"));
    script.strict();
    EventConfig {
        integration: integration.to_owned(),
        name,
        event: event.unwrap_or_default().to_owned(),
        version: None,
        javascript,
        typescript,
        origin: None,
    }
}
