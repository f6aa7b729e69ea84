//! Who may start flows in browsers with the public key, and where providers send them back.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tenon_core::Secret;
use tenon_engine::{
    audit::SecretOf,
    environments::{self, PublicAccessPatch, PublicKeyAuth},
};
use tenon_store::environments::EnvironmentRow;

use crate::{
    ApiError, App,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Shortest key of an HMAC that is worth the name.
const MIN_KEY_CHARS: usize = 16;

/// `GET /environment/public-access`
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller<scope::ReadEnvironment>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let found = app
        .engine
        .reader()
        .find_environment(caller.environment)
        .await?;
    let environment = found.ok_or_else(|| ApiError::internal_text("a key without environment"))?;
    caller.read(&app, SecretOf::HmacKey);
    Ok(Json(shown(&environment)))
}

/// `PATCH /environment/public-access`: what is not given stays.
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller<scope::WriteEnvironment>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let patch = checked(&body)?;
    let environment =
        environments::patch_public_access(&app.engine, caller.environment, patch).await?;
    Ok(Json(shown(&environment)))
}

fn shown(environment: &EnvironmentRow) -> Value {
    json!({"data": {
        "public_key": environment.public_key,
        "public_key_auth": environment.public_key_auth,
        "hmac_key": environment.hmac_key.as_ref().map(Secret::expose),
        "callback_url": environment.callback_url,
    }})
}

fn checked(body: &JsonBody) -> Result<PublicAccessPatch, ApiError> {
    let input = body.input();
    let object = input.object();
    let auth = object
        .optional("public_key_auth")
        .one_of(&["open", "hmac", "off"]);
    let hmac_key = object
        .optional("hmac_key")
        .text()
        .min(MIN_KEY_CHARS)
        .max(255)
        .get();
    let callback_url = object
        .optional("callback_url")
        .text()
        .max(2_048)
        .web_url_or_empty()
        .get();
    object.strict();
    drop(object);
    input.finish()?;
    Ok(PublicAccessPatch {
        auth: auth.map(PublicKeyAuth::parse),
        hmac_key: hmac_key.map(Secret::new),
        callback_url: callback_url.map(|url| Some(url).filter(|url| !url.is_empty())),
    })
}
