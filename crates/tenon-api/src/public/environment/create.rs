//! Makes an environment.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::environments;

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// `POST /environments`: the answer shows its first keys.
pub(super) async fn create(
    State(app): State<App>,
    _caller: Caller<scope::CreateEnvironments>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let name = checked(&body)?;
    if app
        .engine
        .reader()
        .find_environment_named(&name)
        .await?
        .is_some()
    {
        let message = format!("there is an environment `{name}` already");
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            message,
        ));
    }
    let environment = environments::ensure(&app.engine, &name).await?;
    let key = environments::secret_key(&app.engine, environment.pk).await?;
    let data = json!({
        "name": environment.name,
        "uuid": environment.uuid,
        "public_key": environment.public_key,
        "secret_key": key.map(|key| key.into_exposed()),
    });
    Ok((StatusCode::CREATED, Json(json!({"data": data}))))
}

fn checked(body: &JsonBody) -> Result<String, ApiError> {
    let input = body.input();
    let object = input.object();
    let name = object.required("name").text().min(1).max(255).take();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(name)
}
