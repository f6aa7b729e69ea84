//! Changes what an app says about a connection.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::connections::{self, ConnectionPatch};

use super::labels::{end_user, tags, webhook_url};
use crate::{
    ApiError, App, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `PATCH /connections/{connection_id}?provider_config_key=`
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller<scope::UpdateConnections>,
    uri: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    let integration = integration_of(&query)?;
    let id = uri.connection_id("connection_id")?;
    let patch = checked(&body)?;
    connections::patch(&app.engine, caller.environment, &integration, id, patch).await?;
    Ok(Json(json!({"success": true})))
}

/// The one parameter of routes that change a connection.
pub(crate) fn integration_of(query: &Query) -> Result<String, ApiError> {
    let input = query.input();
    let object = input.object();
    let integration = object
        .required("provider_config_key")
        .text()
        .integration_key()
        .take();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(integration)
}

fn checked(body: &JsonBody) -> Result<ConnectionPatch, ApiError> {
    let input = body.input();
    let object = input.object();
    let patch = ConnectionPatch {
        end_user: end_user(object.optional("end_user")),
        tags: tags(object.optional("tags")),
        webhook_url_override: webhook_url(object.optional("webhook_url_override")),
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(patch)
}
