//! Opens a session that authorises a connection again.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::connections::sessions::{self, NewSession};

use super::{defaults::Common, opened};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

struct Reconnect {
    connection_id: String,
    integration: String,
    common: Common,
}

/// `POST /connect/sessions/reconnect`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::WriteConnectSessions>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let wanted = checked(&body)?;
    let found = app
        .engine
        .reader()
        .find_connection(
            caller.environment,
            &wanted.integration,
            &wanted.connection_id,
        )
        .await?;
    let connection = found.ok_or_else(|| {
        ApiError::invalid_body(format!(
            "no connection `{}` for integration `{}`",
            wanted.connection_id, wanted.integration
        ))
    })?;
    wanted
        .common
        .check_names(&app, caller.environment, &[])
        .await?;
    let stored_user = connection.end_user.as_deref();
    let stored_user = stored_user.and_then(|text| serde_json::from_str(text).ok());
    let common = wanted.common;
    let new = NewSession {
        tags: common.merged_tags(),
        organization: None,
        end_user: common
            .end_user
            .as_ref()
            .map(|user| user.to_json())
            .or(stored_user),
        allowed_integrations: Some(json!([wanted.integration])),
        integrations_config_defaults: common.defaults.map(Value::Object),
        overrides: common.overrides.map(Value::Object),
        webhook_url_override: common.webhook_url_override,
        connection: Some(connection.pk),
        manage_connections: common.manage_connections.unwrap_or(false),
        // A connection that is there has its settings.
        ask_settings: Some(false),
    };
    let session = sessions::open(
        &app.engine,
        caller.environment,
        &caller.holder.environment_name,
        new,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(opened(&session))))
}

fn checked(body: &JsonBody) -> Result<Reconnect, ApiError> {
    let input = body.input();
    let object = input.object();
    let connection_id = object
        .required("connection_id")
        .text()
        .min(1)
        .max(255)
        .take();
    let integration = object
        .required("integration_id")
        .text()
        .integration_key()
        .take();
    let common = Common::checked(&object, false);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Reconnect {
        connection_id,
        integration,
        common,
    })
}
