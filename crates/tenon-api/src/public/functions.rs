//! Functions: list, look at, read the code, delete; compile, try out and deploy from source (cli.md, 4.1).

mod code;
mod compile;
mod config;
mod delete;
mod deployments;
mod dryruns;
mod get;
mod list;
mod show;

use axum::{
    Router,
    routing::{get, post},
};
use tenon_core::names::EnvironmentPk;
use tenon_store::work::functions::FunctionRow;

use crate::{ApiError, App, ErrorCode, query::Query, validate::Object};

/// What functions are called on the wire.
const TYPES: &[&str] = &["sync", "action", "on-event"];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/integrations/{unique_key}/functions", get(list::list))
        .route(
            "/integrations/{unique_key}/functions/{name}",
            get(get::get).delete(delete::delete),
        )
        .route(
            "/integrations/{unique_key}/functions/{name}/code",
            get(code::code),
        )
        .route("/scripts/config", get(config::config))
        .route("/functions/compile", post(compile::compile))
        .route("/functions/dryruns", post(dryruns::begin))
        .route("/functions/dryruns/{id}", get(dryruns::look))
        .route("/functions/deployments", post(deployments::begin))
        .route("/functions/deployments/{id}", get(deployments::look))
}

/// All functions of an integration; 404 if there is no such integration.
async fn of_integration(
    app: &App,
    environment: EnvironmentPk,
    key: &str,
) -> Result<Vec<FunctionRow>, ApiError> {
    let reader = app.engine.reader();
    let integration = reader
        .find_integration(environment, key)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("no integration `{key}`")))?;
    Ok(reader.functions_of_integration(integration.pk).await?)
}

/// The function of that name; its type tells apart what shares a name.
fn one(
    functions: Vec<FunctionRow>,
    name: &str,
    kind: Option<&str>,
) -> Result<FunctionRow, ApiError> {
    let mut named: Vec<FunctionRow> = functions
        .into_iter()
        .filter(|function| function.name == name)
        .filter(|function| kind.is_none_or(|kind| kind == function.kind))
        .collect();
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(ApiError::not_found(format!("no function `{name}` there"))),
        (Some(function), true) => Ok(function),
        (Some(_), false) => Err(ApiError::new(
            axum::http::StatusCode::CONFLICT,
            ErrorCode::AmbiguousFunction,
            format!("there are several functions `{name}`; say which with `type`"),
        )),
    }
}

fn kind(object: &Object<'_>) -> Option<&'static str> {
    object.optional("type").one_of(TYPES)
}

/// `?type=`, which must be there: a deletion never guesses.
fn the_kind(query: &Query) -> Result<&'static str, ApiError> {
    if let Some(kind) = only_kind(query)? {
        return Ok(kind);
    }
    let input = query.input();
    input.issue(
        "invalid_value",
        vec!["type".to_owned()],
        "must be one of sync, action, on-event",
    );
    Err(input.finish().expect_err("an issue was just added"))
}

/// `?type=` and nothing else.
fn only_kind(query: &Query) -> Result<Option<&'static str>, ApiError> {
    let input = query.input();
    let object = input.object();
    let kind = kind(&object);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(kind)
}
