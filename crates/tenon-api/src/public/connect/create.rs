//! Opens a session.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::connections::sessions::{self, NewSession};

use super::{
    defaults::{Common, integration_keys},
    opened,
};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /connect/sessions`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::WriteConnectSessions>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let (common, allowed) = checked(&body)?;
    common
        .check_names(
            &app,
            caller.environment,
            allowed.as_deref().unwrap_or_default(),
        )
        .await?;
    let new = NewSession {
        tags: common.merged_tags(),
        organization: common
            .end_user
            .as_ref()
            .map(|user| user.to_json()["organization"].clone())
            .filter(|organization| !organization.is_null()),
        end_user: common.end_user.as_ref().map(|user| user.to_json()),
        allowed_integrations: allowed.map(|keys| json!(keys)),
        integrations_config_defaults: common.defaults.map(Value::Object),
        overrides: common.overrides.map(Value::Object),
        webhook_url_override: common.webhook_url_override,
        connection: None,
        manage_connections: common.manage_connections.unwrap_or(false),
        ask_settings: common.ask_settings,
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

fn checked(body: &JsonBody) -> Result<(Common, Option<Vec<String>>), ApiError> {
    let input = body.input();
    let object = input.object();
    // Tags alone say enough about whom the connection is for.
    let demand_end_user = !object.optional("tags").is_given();
    let common = Common::checked(&object, demand_end_user);
    let allowed = integration_keys(object.optional("allowed_integrations"));
    object.strict();
    drop(object);
    input.finish()?;
    Ok((common, allowed))
}
