//! Creates and deletes variants of a sync.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::names::EnvironmentPk;
use tenon_engine::work::variants::{self, Variant, VariantError};

use super::success;
use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    names::{connection_id, integration_key, script_name},
    query::Query,
};

/// `POST /sync/{name}/variant/{variant}`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::CreateVariants>,
    params: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let variant = checked(caller.environment, &params, &body)?;
    let (name, label) = (variant.sync.clone(), variant.variant.clone());
    let id = variants::create(&app.engine, variant).await?;
    Ok(Json(json!({ "id": id, "name": name, "variant": label })))
}

/// `DELETE /sync/{name}/variant/{variant}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::DeleteVariants>,
    params: UriParams,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let variant = checked(caller.environment, &params, &body)?;
    variants::delete(&app.engine, variant).await?;
    Ok(success())
}

fn checked(
    environment: EnvironmentPk,
    params: &UriParams,
    body: &JsonBody,
) -> Result<Variant, ApiError> {
    let input = body.input();
    let object = input.object();
    let integration = super::selection::integration(&object);
    let connection = object.required("connection_id");
    let connection = connection.text().min(1).connection_id().take();
    object.strict();
    drop(object);
    input.finish()?;
    let input = params.input();
    let object = input.object();
    let sync = script_name(object.required("name").text()).take();
    let variant = script_name(object.required("variant").text()).take();
    drop(object);
    input.finish()?;
    Ok(Variant {
        environment,
        integration: integration_key(&integration)?,
        connection: connection_id(&connection)?,
        sync,
        variant,
    })
}

impl From<VariantError> for ApiError {
    fn from(error: VariantError) -> Self {
        let bad = |code| Self::bare(StatusCode::BAD_REQUEST, code);
        match &error {
            VariantError::Base => Self::bad_request(ErrorCode::InvalidVariant, &error),
            VariantError::UnknownConnection => bad(ErrorCode::UnknownConnection),
            VariantError::UnknownSync => bad(ErrorCode::UnknownSync),
            VariantError::Exists => bad(ErrorCode::SyncVariantAlreadyExists),
            VariantError::TooMany => Self::bad_request(ErrorCode::ResourceCapped, &error),
            VariantError::Unknown => Self::bare(StatusCode::NOT_FOUND, ErrorCode::NotFound),
            VariantError::Store(_) => Self::internal(&error),
        }
    }
}
