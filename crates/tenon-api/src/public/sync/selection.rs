//! Which syncs a command means.

use serde_json::Value;
use tenon_core::names::EnvironmentPk;
use tenon_engine::work::commands::{Selection, SyncName};

use crate::{
    ApiError,
    body::JsonBody,
    names::{connection_id, integration_key},
    validate::{Field, Object},
};

/// Most syncs in one command (scheduler.md, 3.1).
const MAX_SYNCS: usize = 256;

/// Names, `name::variant` or `{name, variant}`.
pub(super) fn sync_names(field: Field<'_>) -> Vec<SyncName> {
    let Some(items) = field.items(MAX_SYNCS) else {
        return Vec::new();
    };
    items
        .fields()
        .filter_map(|item| {
            let name = item.raw().and_then(SyncName::from_json);
            if name.is_none() {
                item.issue("invalid_union", "Invalid input");
            }
            name
        })
        .collect()
}

/// `{syncs, provider_config_key, connection_id?}` of start and pause.
pub(super) fn checked(body: &JsonBody, environment: EnvironmentPk) -> Result<Selection, ApiError> {
    let input = body.input();
    let object = input.object();
    let syncs = sync_names(object.required("syncs"));
    let integration = integration(&object);
    let connection = connection(&object);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Selection {
        environment,
        integration: integration_key(&integration)?,
        connection: connection.as_deref().map(connection_id).transpose()?,
        syncs,
    })
}

pub(super) fn integration(object: &Object<'_>) -> String {
    object
        .required("provider_config_key")
        .text()
        .integration_key()
        .take()
}

pub(super) fn connection(object: &Object<'_>) -> Option<String> {
    object
        .optional("connection_id")
        .text()
        .min(1)
        .connection_id()
        .get()
}

/// A text or nothing, without a check: for values that a header may stand in for.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}
