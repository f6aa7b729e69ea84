//! Deployments of the past: list, look at, compare, go back.

mod diff;
mod get;
mod list;
mod revert;
mod show;

use axum::{
    Router,
    routing::{get, post},
};
use tenon_core::names::EnvironmentPk;
use tenon_store::work::deployments::DeploymentRow;

use crate::{ApiError, App, UriParams};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/deployments", get(list::list))
        .route("/deployments/{id}", get(get::get))
        .route("/deployments/{id}/diff", get(diff::diff))
        .route("/deployments/{id}/revert", post(revert::revert))
}

/// The deployment that a path names.
async fn named(
    app: &App,
    environment: EnvironmentPk,
    params: &UriParams,
) -> Result<DeploymentRow, ApiError> {
    found(app, environment, params.get("id")).await
}

/// The deployment with this id.
async fn found(app: &App, environment: EnvironmentPk, id: &str) -> Result<DeploymentRow, ApiError> {
    let unknown = || ApiError::not_found(format!("no deployment `{id}`"));
    let pk: i64 = id.parse().map_err(|_| unknown())?;
    let reader = app.engine.reader();
    let found = reader.find_deployment(environment, pk).await?;
    found.ok_or_else(unknown)
}
