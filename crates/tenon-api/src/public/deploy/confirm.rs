//! Tells what a deploy would change.

use axum::{Json, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use tenon_engine::work::deploy::{self, Plan, PlannedEvent, PlannedFunction, PlannedSync};

use super::{body, cli_version};
use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /sync/deploy/confirmation`
pub(super) async fn confirm(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    cli_version::check(&headers)?;
    query.none()?;
    let deployment = body::checked(&body, caller.environment, body::Door::Confirmation)?;
    let plan = deploy::confirm(&app.engine, &deployment).await?;
    Ok(Json(shown(&plan)))
}

fn shown(plan: &Plan) -> Value {
    json!({
        "newSyncs": list(&plan.new_syncs, sync),
        "updatedSyncs": list(&plan.updated_syncs, sync),
        "newActions": list(&plan.new_actions, action),
        "updatedActions": list(&plan.updated_actions, action),
        "deletedSyncs": list(&plan.deleted_syncs, sync),
        "deletedActions": list(&plan.deleted_actions, action),
        "deletedModels": plan.deleted_models,
        "newOnEventScripts": list(&plan.new_events, event),
        "updatedOnEventScripts": list(&plan.updated_events, event),
        "deletedOnEventScripts": list(&plan.deleted_events, event),
    })
}

fn list<T>(items: &[T], shown: impl Fn(&T) -> Value) -> Value {
    items.iter().map(shown).collect()
}

fn sync(sync: &PlannedSync) -> Value {
    json!({
        "name": sync.name,
        "providerConfigKey": sync.integration,
        "connections": sync.connections,
        "auto_start": sync.auto_start,
    })
}

fn action(action: &PlannedFunction) -> Value {
    json!({ "name": action.name, "providerConfigKey": action.integration })
}

fn event(event: &PlannedEvent) -> Value {
    json!({
        "providerConfigKey": event.integration,
        "name": event.name,
        "event": event.event,
    })
}
