//! Secret keys of the environment.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::environments::{self, KeyForm};
use tenon_store::environments::ApiKeyRow;

use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Most scopes of a key.
const MAX_SCOPES: usize = 100;

/// `GET /environment/api-keys`: without the keys themselves.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::CreateKeys>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let keys = app
        .engine
        .reader()
        .list_api_keys(caller.environment)
        .await?;
    let shown: Vec<Value> = keys.iter().map(shown).collect();
    Ok(Json(json!({"data": shown})))
}

/// `POST /environment/api-keys`: the only answer that shows the key. Nobody can give what they do not have.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::CreateKeys>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let Wanted {
        name,
        scopes,
        is_prefixed,
    } = checked(&body)?;
    if let Some(scope) = scopes.iter().find(|scope| !caller.has(scope)) {
        let message = format!("the key that asks has not got `{scope}` itself");
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            message,
        ));
    }
    let form = if is_prefixed {
        KeyForm::Prefixed(&caller.holder.environment_name)
    } else {
        KeyForm::Uuid
    };
    let row =
        environments::create_key(&app.engine, caller.environment, &name, &scopes, form).await?;
    let mut data = shown(&row);
    data["key"] = row.key.expose().as_str().into();
    Ok((StatusCode::CREATED, Json(json!({"data": data}))))
}

/// `DELETE /environment/api-keys/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::DeleteKeys>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let unknown = || ApiError::not_found("there is no such key");
    let id: i64 = params.get("id").parse().map_err(|_| unknown())?;
    if !environments::delete_key(&app.engine, caller.environment, id).await? {
        return Err(unknown());
    }
    app.keys.clear();
    Ok(Json(json!({"success": true})))
}

fn shown(row: &ApiKeyRow) -> Value {
    let scopes: Value = serde_json::from_str(&row.scopes).unwrap_or_default();
    json!({"id": row.pk, "name": row.name, "scopes": scopes})
}

/// What the body asks for.
struct Wanted {
    name: String,
    scopes: Vec<String>,
    is_prefixed: bool,
}

fn checked(body: &JsonBody) -> Result<Wanted, ApiError> {
    let input = body.input();
    let object = input.object();
    let name = object.required("name").text().min(1).max(255).take();
    let scopes = object.required("scopes").items(MAX_SCOPES);
    let scopes = scopes.map_or_else(Vec::new, |items| items.texts(|text| text.min(1).max(255)));
    let form = object.optional("format").one_of(&["uuid", "prefixed"]);
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Wanted {
        name,
        scopes,
        is_prefixed: form == Some("prefixed"),
    })
}
