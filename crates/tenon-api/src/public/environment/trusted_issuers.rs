//! Identity providers of the app whose tokens can be exchanged. Ours; see docs/reference/token-exchange.md.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_engine::auth::exchange::issuers::{self, IssuerError, NewIssuer};
use tenon_store::trusted_issuers::TrustedIssuerRow;

use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Longest text of a setting.
const TEXT_CHARS: usize = 2_000;

/// `GET /environment/trusted-issuers`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<scope::ReadEnvironment>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let reader = app.engine.reader();
    let rows = reader.list_trusted_issuers(caller.environment).await?;
    let shown: Vec<Value> = rows.iter().map(shown).collect();
    Ok(Json(json!({ "data": shown })))
}

/// `POST /environment/trusted-issuers`: whoever trusts an issuer gives its people their tokens, so he must be allowed to
/// read them himself.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<scope::WriteEnvironment>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let new = checked(&body)?;
    if !caller.has(scope::READ_CONNECTION_CREDENTIALS) {
        let message = format!(
            "the key that asks has not got `{}` itself",
            scope::READ_CONNECTION_CREDENTIALS
        );
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            message,
        ));
    }
    let row = issuers::trust(&app.engine, caller.environment, new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "data": shown(&row) }))))
}

/// `DELETE /environment/trusted-issuers/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller<scope::WriteEnvironment>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let unknown = || ApiError::not_found("there is no such issuer");
    let id: i64 = params.get("id").parse().map_err(|_| unknown())?;
    if !issuers::forget(&app.engine, caller.environment, id).await? {
        return Err(unknown());
    }
    Ok(Json(json!({ "success": true })))
}

fn shown(row: &TrustedIssuerRow) -> Value {
    json!({
        "id": row.pk,
        "issuer": row.issuer,
        "audience": row.audience,
        "jwks_url": row.jwks_url,
        "user_claim": row.user_claim,
        "public_clients": row.public_clients,
        "created_at": row.created_at.iso_millis(),
    })
}

fn checked(body: &JsonBody) -> Result<NewIssuer, ApiError> {
    let input = body.input();
    let object = input.object();
    let text = |name| object.required(name).text().min(1).max(TEXT_CHARS);
    let claim = object.optional("user_claim").text().min(1).max(255).get();
    let new = NewIssuer {
        issuer: text("issuer").take(),
        audience: text("audience").take(),
        jwks_url: text("jwks_url").url().take(),
        user_claim: claim.unwrap_or_else(|| "sub".to_owned()),
        public_clients: object.optional("public_clients").flag() == Some(true),
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(new)
}

impl From<IssuerError> for ApiError {
    fn from(error: IssuerError) -> Self {
        match &error {
            IssuerError::KeysUrl | IssuerError::TooMany => Self::invalid_body(&error),
            IssuerError::Known => Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, &error),
            IssuerError::Store(_) => Self::internal(&error),
        }
    }
}
