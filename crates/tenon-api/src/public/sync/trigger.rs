//! Runs syncs now.

use axum::{Json, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use tenon_engine::work::commands::{self, Selection, SyncName, Trigger};

use super::{
    selection::{sync_names, text},
    success,
};
use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    names::{connection_id, integration_key},
    query::Query,
};

const MODES: &[&str] = &[
    "incremental",
    "full_refresh",
    "full_refresh_and_clear_cache",
];

/// `POST /sync/trigger`
pub(super) async fn trigger(
    State(app): State<App>,
    caller: Caller<scope::ExecuteSyncs>,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let checked = checked(&body)?;
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let integration = checked
        .integration
        .or_else(|| header("provider-config-key"))
        .ok_or_else(|| {
            ApiError::bad_request(
                ErrorCode::MissingProviderConfigKey,
                "the integration is missing: `provider_config_key` in the body or the header",
            )
        })?;
    let connection = checked.connection.or_else(|| header("connection-id"));
    let selection = Selection {
        environment: caller.environment,
        integration: integration_key(&integration)?,
        connection: connection.as_deref().map(connection_id).transpose()?,
        syncs: checked.syncs,
    };
    commands::trigger(&app.engine, &selection, checked.how).await?;
    Ok(success())
}

struct Checked {
    syncs: Vec<SyncName>,
    integration: Option<String>,
    connection: Option<String>,
    how: Trigger,
}

fn checked(body: &JsonBody) -> Result<Checked, ApiError> {
    let input = body.input();
    let object = input.object();
    let syncs = sync_names(object.required("syncs"));
    let integration = object.optional("provider_config_key");
    let integration = integration.text().integration_key().get();
    let connection = object.optional("connection_id");
    let connection = connection.text().min(1).connection_id().get();
    let options = object.optional("opts");
    let given = options.is_given();
    let options = options.object().map(|options| {
        let options = (
            options.optional("reset").flag(),
            options.optional("emptyCache").flag(),
            options.strict(),
        );
        json!({
            "reset": options.0.unwrap_or(false),
            "emptyCache": options.1.unwrap_or(false),
        })
    });
    let mode = object.optional("sync_mode");
    let full = object.optional("full_resync");
    let older = mode.is_given() || full.is_given();
    let mode_text = text(mode.raw());
    mode.one_of(MODES);
    let full = full.flag();
    object.strict();
    drop(object);
    input.finish()?;
    if given && older {
        return Err(ApiError::invalid_body(
            "`opts` cannot be given together with `sync_mode` or `full_resync`",
        ));
    }
    let how = match (options, mode_text) {
        (Some(options), _) => Trigger::from_options(&options),
        (None, Some(mode)) => Trigger::from_options(&Value::from(mode)),
        (None, None) => Trigger::from_options(&Value::from(full.unwrap_or(false))),
    };
    Ok(Checked {
        syncs,
        integration,
        connection,
        how,
    })
}
