//! Goes back to an earlier deployment.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_engine::work::deploy::{self, RevertError};

use super::named;
use crate::{
    ApiError, App, UriParams,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /deployments/{id}/revert`
pub(super) async fn revert(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let deployment = named(&app, caller.environment, &params).await?;
    let deployed = deploy::revert(&app.engine, caller.environment, deployment.pk).await?;
    let functions: Vec<Value> = deployed
        .into_iter()
        .map(|one| {
            json!({
                "integration": one.integration,
                "type": one.kind,
                "name": one.name,
                "version": one.version,
            })
        })
        .collect();
    Ok(Json(json!({ "success": true, "functions": functions })))
}

impl From<RevertError> for ApiError {
    fn from(error: RevertError) -> Self {
        match error {
            RevertError::UnknownDeployment(_) => Self::not_found(error),
            RevertError::Deploy(error) => Self::from(error),
            RevertError::Store(_) => Self::internal(&error),
        }
    }
}
