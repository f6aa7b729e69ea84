//! Connections, the newest first.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use tenon_core::names::IntegrationPk;
use tenon_store::connections::ConnectionFilter;

use super::{labels::is_tag_name, show::Simple};
use crate::{
    ApiError, App,
    caller::{Caller, scope},
    query::Query,
    validate::Field,
};

/// What a list holds when no limit is given.
const DEFAULT_LIMIT: i64 = 10_000;

/// Largest limit that can be asked for.
const MAX_LIMIT: i64 = 2_000;

/// Largest page number: beyond it there is nothing.
const MAX_PAGE: i64 = 1_000_000_000;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    connections: Vec<Simple>,
}

/// `GET /connections`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ListConnections>,
    query: Query,
) -> Result<Json<Body>, ApiError> {
    let (mut filter, keys, with_health) = checked(&query)?;
    let reader = app.engine.reader();
    if let Some(keys) = keys {
        let integrations = reader.list_integrations(caller.environment).await?;
        let wanted = integrations
            .iter()
            .filter(|row| keys.contains(&row.unique_key));
        filter.integrations = Some(wanted.map(|row| row.pk).collect::<Vec<IntegrationPk>>());
    }
    let rows = reader.list_connections(caller.environment, &filter).await?;
    let show = if with_health {
        Simple::with_health
    } else {
        Simple::try_from
    };
    let connections = rows.into_iter().map(show).collect::<Result<_, _>>()?;
    Ok(Json(Body { connections }))
}

fn checked(query: &Query) -> Result<(ConnectionFilter, Option<Vec<String>>, bool), ApiError> {
    let input = query.input();
    let object = input.object();
    let connection_id = object.optional("connectionId").text().min(1).max(255).get();
    let search = object.optional("search").text().min(1).max(255).get();
    let end_user_id = object.optional("endUserId").text().min(1).max(255).get();
    let keys = object.optional("integrationId").text().min(1).get();
    let organization_id = object
        .optional("endUserOrganizationId")
        .text()
        .min(1)
        .max(255)
        .get();
    let tags = tags(object.optional("tags"));
    let limit = object
        .optional("limit")
        .integer_text(1, MAX_LIMIT)
        .unwrap_or(DEFAULT_LIMIT);
    let page = object
        .optional("page")
        .integer_text(0, MAX_PAGE)
        .unwrap_or(0);
    let include = object.optional("include").one_of(&["health"]);
    object.strict();
    drop(object);
    input.finish()?;
    let filter = ConnectionFilter {
        connection_id,
        search,
        end_user_id,
        organization_id,
        integrations: None,
        tags,
        limit,
        offset: limit * page,
    };
    let keys = keys.map(|list| list.split(',').map(|key| key.trim().to_owned()).collect());
    Ok((filter, keys, include.is_some()))
}

/// Tags to look for, their names in lower case as they are stored.
fn tags(field: Field<'_>) -> Vec<(String, String)> {
    let whole = field.clone();
    let Some(object) = field.object() else {
        return Vec::new();
    };
    let mut tags = Vec::new();
    for (name, value) in object.entries() {
        if !is_tag_name(name) {
            whole.issue_within("invalid_key", name, "Invalid key in record");
        }
        let is_text = value.raw().is_some_and(Value::is_string);
        let text = value.text().take();
        if is_text {
            tags.push((name.to_lowercase(), text));
        }
    }
    tags
}
