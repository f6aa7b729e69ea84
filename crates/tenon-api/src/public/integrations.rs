//! Integrations: providers configured in the caller's environment.

mod create;
mod credentials;
mod delete;
mod get;
mod legacy;
mod list;
mod quickstart;
mod show;
mod update;

pub(crate) use legacy::unknown as unknown_integration;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use tenon_engine::integrations::IntegrationError;

use crate::{ApiError, App, ErrorCode, Issue};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/integrations", get(list::list).post(create::create))
        .route("/integrations/quickstart", post(quickstart::create))
        .route(
            "/integrations/{unique_key}",
            get(get::get).patch(update::update).delete(delete::delete),
        )
        .route("/config/{unique_key}", get(legacy::get))
}

impl From<IntegrationError> for ApiError {
    fn from(error: IntegrationError) -> Self {
        match &error {
            IntegrationError::Unknown(_) => Self::not_found(&error),
            IntegrationError::UnknownProvider(_)
            | IntegrationError::KeyTaken(_)
            | IntegrationError::InUse
            | IntegrationError::CredentialsType { .. }
            | IntegrationError::MissingCredentials(_)
            | IntegrationError::CustomNotTaken
            | IntegrationError::Config(_) => {
                Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidBody, &error)
            }
            IntegrationError::Registration(_) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::RequestTokenExternalError,
                &error,
            ),
            IntegrationError::Store(_) => Self::internal(&error),
        }
    }
}

/// What is wrong with a new integration: the reference names the field for these two.
fn refused_at_creation(error: IntegrationError) -> ApiError {
    let issue = |path: &str, message: String| {
        let issue = Issue {
            code: "invalid_string",
            message,
            path: vec![path.to_owned()],
        };
        ApiError::invalid(ErrorCode::InvalidBody, vec![issue])
    };
    match error {
        IntegrationError::UnknownProvider(_) => issue("provider", "Invalid provider".to_owned()),
        IntegrationError::KeyTaken(_) => issue("uniqueKey", error.to_string()),
        other => other.into(),
    }
}
