//! Deploying functions: what the command line sends (cli.md, 4).

mod apply;
pub(crate) mod body;
mod cli_version;
mod confirm;
mod environments;
mod telemetry;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;
use tenon_engine::work::deploy::DeployError;

use crate::{ApiError, App, ErrorCode, Issue};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sync/deploy", post(apply::apply))
        .route("/sync/deploy/confirmation", post(confirm::confirm))
        .route("/cli/telemetry", post(telemetry::take))
        .route("/api/v1/environments", get(environments::list))
}

impl From<DeployError> for ApiError {
    fn from(error: DeployError) -> Self {
        let at = |index: usize, field: &str, message: String| {
            let index = index.to_string();
            let issue = Issue::custom(&["flowConfigs", &index, field], message);
            Self::invalid(ErrorCode::InvalidBody, vec![issue])
        };
        match &error {
            DeployError::UnknownIntegration(key) => {
                Self::bad_request(ErrorCode::UnknownProviderConfig, &error)
                    .payload(json!({ "providerConfigKey": key }))
            }
            DeployError::Twice { index, .. } => at(*index, "syncName", error.to_string()),
            DeployError::Frequency { index, source, .. } => {
                at(*index, "runs", format!("{error}: {source}"))
            }
            DeployError::Unsafe { .. } => {
                Self::bad_request(ErrorCode::DeployScriptSecurityRejected, &error)
            }
            DeployError::Concurrent => Self::new(
                StatusCode::CONFLICT,
                ErrorCode::ConcurrentDeployment,
                &error,
            ),
            DeployError::Store(_) => Self::internal(&error),
        }
    }
}
