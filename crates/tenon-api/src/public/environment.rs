//! The environment of the caller: settings, variables, signing key.

mod api_keys;
mod connect_ui;
mod create;
mod get;
mod patch;
mod public_access;
mod rotate_signing_key;
mod trusted_issuers;
mod variables;

use axum::{
    Router,
    http::StatusCode,
    routing::{delete, get, post},
};
use tenon_engine::environments::EnvironmentError;

use crate::{ApiError, App, ErrorCode};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/environment", get(get::get).patch(patch::patch))
        .route(
            "/environment/api-keys",
            get(api_keys::list).post(api_keys::create),
        )
        .route(
            "/environment/connect-ui",
            get(connect_ui::get).patch(connect_ui::patch),
        )
        .route("/environments", post(create::create))
        .route(
            "/environment/public-access",
            get(public_access::get).patch(public_access::patch),
        )
        .route("/environment/api-keys/{id}", delete(api_keys::delete))
        .route(
            "/environment/trusted-issuers",
            get(trusted_issuers::list).post(trusted_issuers::create),
        )
        .route(
            "/environment/trusted-issuers/{id}",
            delete(trusted_issuers::delete),
        )
        .route(
            "/environment/webhook-signing-key/rotate",
            post(rotate_signing_key::rotate),
        )
        .route(
            "/environment-variables",
            get(variables::list).put(variables::replace),
        )
}

impl From<EnvironmentError> for ApiError {
    fn from(error: EnvironmentError) -> Self {
        match &error {
            EnvironmentError::Name(_) | EnvironmentError::TooManyVariables => {
                Self::invalid_body(&error)
            }
            EnvironmentError::Unknown => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::UnknownEnvironment, &error)
            }
            EnvironmentError::Store(_) => Self::internal(&error),
        }
    }
}
