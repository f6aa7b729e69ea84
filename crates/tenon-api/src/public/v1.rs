//! Older endpoints of functions: any method on `/v1/<path>` (scheduler.md, 4).

use axum::{
    Json, Router,
    extract::{OriginalUri, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};
use tenon_core::{
    cursor::Cursor,
    names::{ConnectionPk, EnvironmentPk},
};
use tenon_engine::{
    records::{self, ListQuery, RecordsError},
    work::actions::{self, ActionCall},
};
use tenon_store::work::functions::FunctionRow;

use super::action::{output, refusal};
use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    names::{connection_id, headers_object, integration_key},
    query::Query,
    validate::Input,
};

/// Records on a page, unless told otherwise, and at most (records.md, 3).
const PAGE: i64 = 100;
const MAX_PAGE: i64 = 10_000;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/{*path}", any(endpoint))
}

/// `ANY /v1/*`: runs the action, or lists the records of the sync, that was deployed with this endpoint.
async fn endpoint(
    State(app): State<App>,
    caller: Caller<scope::ExecuteActions>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Query,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let (integration, connection) = target(&headers)?;
    let functions = find_functions(&app, caller.environment, &integration).await?;
    let path = uri.path();
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let Some((function, position)) = find(&functions, method.as_str(), path) else {
        let message = format!("no function of `{integration}` answers {method} {path}");
        return Ok((StatusCode::NOT_FOUND, Json(json!({ "message": message }))).into_response());
    };
    if function.kind == "action" {
        let call = ActionCall {
            environment: caller.environment,
            integration: integration_key(&integration)?,
            connection: connection_id(&connection)?,
            action: function.name.clone(),
            input: body.0.unwrap_or(query.0),
            idempotency_key: None,
        };
        return Ok(match actions::trigger(&app.engine, call).await {
            Ok(json) => output(json),
            Err(error) => refusal(&error),
        });
    }
    let found = app
        .engine
        .reader()
        .find_connection(caller.environment, &integration, &connection)
        .await?;
    let found = found.ok_or_else(|| {
        let message = format!("no connection `{connection}` for `{integration}`");
        ApiError::bad_request(ErrorCode::UnknownConnection, message)
    })?;
    let model = function
        .models
        .get(position)
        .or_else(|| function.models.first())
        .cloned()
        .unwrap_or_default();
    list(&app, caller.environment, found.pk, model, &query).await
}

fn target(headers: &HeaderMap) -> Result<(String, String), ApiError> {
    let object = headers_object(headers, &["provider-config-key", "connection-id"]);
    let input = Input::new(ErrorCode::InvalidHeaders, Some(&object));
    let object = input.object();
    let integration = object.required("provider-config-key");
    let integration = integration.text().integration_key().take();
    let connection = object.required("connection-id");
    let connection = connection.text().min(1).connection_id().take();
    drop(object);
    input.finish()?;
    Ok((integration, connection))
}

async fn find_functions(
    app: &App,
    environment: EnvironmentPk,
    key: &str,
) -> Result<Vec<FunctionRow>, ApiError> {
    let reader = app.engine.reader();
    match reader.find_integration(environment, key).await? {
        Some(integration) => Ok(reader.functions_of_integration(integration.pk).await?),
        None => Ok(Vec::new()),
    }
}

/// The function with this endpoint, and which of its endpoints it is.
fn find<'a>(
    functions: &'a [FunctionRow],
    method: &str,
    path: &str,
) -> Option<(&'a FunctionRow, usize)> {
    functions.iter().find_map(|function| {
        let endpoints: Vec<Value> = serde_json::from_str(&function.endpoints).ok()?;
        let position = endpoints.iter().position(|endpoint| {
            endpoint["method"].as_str() == Some(method) && endpoint["path"].as_str() == Some(path)
        })?;
        Some((function, position))
    })
}

async fn list(
    app: &App,
    environment: EnvironmentPk,
    connection: ConnectionPk,
    model: String,
    query: &Query,
) -> Result<Response, ApiError> {
    let query = page_query(model, query)?;
    let page = records::list(&app.engine, environment, connection, query)
        .await
        .map_err(|error: RecordsError| ApiError::internal(&error))?;
    let mut text = b"{\"records\":[".to_vec();
    for (position, record) in page.records.iter().enumerate() {
        if position > 0 {
            text.push(b',');
        }
        text.extend_from_slice(record);
    }
    text.extend_from_slice(b"],\"next_cursor\":");
    text.extend_from_slice(json!(page.next_cursor).to_string().as_bytes());
    text.push(b'}');
    let kind = "application/json; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn page_query(model: String, query: &Query) -> Result<ListQuery, ApiError> {
    let input = query.input();
    let object = input.object();
    let cursor = object.optional("cursor").text();
    let cursor = cursor
        .matches(|text| Cursor::decode(text).is_some(), "be a cursor")
        .get();
    let limit = object.optional("limit").integer_text(1, MAX_PAGE);
    drop(object);
    input.finish()?;
    Ok(ListQuery {
        model,
        after: cursor.as_deref().and_then(Cursor::decode),
        limit: usize::try_from(limit.unwrap_or(PAGE)).unwrap_or(usize::MAX),
        ..ListQuery::default()
    })
}
