//! One deployment, with the functions that were active when it was through.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_store::work::functions::FunctionRow;

use super::{
    named,
    show::{Shown, Version},
};
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// A deployment and its functions.
#[derive(Debug, Serialize)]
pub(super) struct One {
    #[serde(flatten)]
    deployment: Shown,
    functions: Vec<Function>,
}

#[derive(Debug, Serialize)]
struct Function {
    integration: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(flatten)]
    version: Version,
}

impl From<FunctionRow> for Function {
    fn from(row: FunctionRow) -> Self {
        Self {
            version: Version::from(&row),
            integration: row.integration_key,
            kind: row.kind,
            name: row.name,
        }
    }
}

/// `GET /deployments/{id}`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ListFunctions>,
    params: UriParams,
    query: Query,
) -> Result<Json<One>, ApiError> {
    query.none()?;
    let deployment = named(&app, caller.environment, &params).await?;
    let functions = app
        .engine
        .reader()
        .functions_of_deployment(caller.environment, deployment.pk)
        .await?;
    Ok(Json(One {
        deployment: Shown::from(deployment),
        functions: functions.into_iter().map(Function::from).collect(),
    }))
}
