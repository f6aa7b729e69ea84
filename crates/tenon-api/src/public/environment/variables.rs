//! Variables that functions of the environment read.

use axum::{Json, extract::State};
use serde::Serialize;
use tenon_core::Secret;
use tenon_engine::{audit::SecretOf, environments};

use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// A variable on the wire.
#[derive(Debug, Serialize)]
pub(super) struct Variable {
    name: String,
    value: String,
}

/// `GET /environment-variables`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadVariables>,
    query: Query,
) -> Result<Json<Vec<Variable>>, ApiError> {
    query.none()?;
    let variables = app
        .engine
        .reader()
        .list_variables(caller.environment)
        .await?;
    caller.read(&app, SecretOf::Variables);
    Ok(Json(variables.into_iter().map(Variable::from).collect()))
}

/// `PUT /environment-variables`: replaces all variables by the given list, which it returns.
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller<scope::WriteVariables>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Vec<Variable>>, ApiError> {
    query.none()?;
    let variables = checked(&body)?;
    environments::set_variables(&app.engine, caller.environment, variables.clone()).await?;
    Ok(Json(variables.into_iter().map(Variable::from).collect()))
}

impl From<(String, Secret)> for Variable {
    fn from((name, value): (String, Secret)) -> Self {
        Self {
            name,
            value: value.into_exposed(),
        }
    }
}

fn checked(body: &JsonBody) -> Result<Vec<(String, Secret)>, ApiError> {
    let input = body.input();
    let mut variables: Vec<(String, Secret)> = Vec::new();
    if let Some(items) = input.root().items(1_000) {
        for item in items.fields() {
            let repeated = item.clone();
            let Some(object) = item.object() else {
                continue;
            };
            let name = object.required("name").text().min(1).max(255).take();
            let value = object.required("value").text().take();
            object.strict();
            if variables.iter().any(|(other, _)| *other == name) {
                repeated.issue_within(
                    "custom",
                    "name",
                    format!("the variable `{name}` is given twice"),
                );
            }
            variables.push((name, Secret::new(value)));
        }
    }
    input.finish()?;
    Ok(variables)
}
