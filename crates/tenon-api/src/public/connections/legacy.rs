//! Older forms of importing connections and of setting their metadata (auth-and-proxy.md, 3.4).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Map, Value, json};
use tenon_core::{Secret, Timestamp, auth::AuthMode, names::ConnectionId};
use tenon_engine::connections::{self, ChangeError, MetadataChange, NewConnection};
use tenon_store::integrations::IntegrationRow;

use super::import::app_credentials;
use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    public::integrations::unknown_integration,
    query::Query,
};

/// The flat body of an old import.
type Flat = Map<String, Value>;

/// `POST /connection`: credentials lie flat in the body and are not tried out. The answer is the body with the
/// connection id.
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller<scope::CreateConnections>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Some(Value::Object(mut flat)) = body.0 else {
        return Err(missing(
            ErrorCode::MissingProviderConfig,
            "provider_config_key",
        ));
    };
    let key = text(&flat, "provider_config_key")
        .ok_or_else(|| missing(ErrorCode::MissingProviderConfig, "provider_config_key"))?;
    let found = app
        .engine
        .reader()
        .find_integration(caller.environment, &key)
        .await?;
    let integration =
        found.ok_or_else(|| unknown_integration(&key, &caller.holder.environment_name))?;
    let provider = app
        .engine
        .catalogue
        .find(&integration.provider)
        .ok_or_else(|| {
            ApiError::old(
                StatusCode::BAD_REQUEST,
                ErrorCode::UnknownProviderTemplate,
                format!(
                    "the provider `{}` is not in the catalogue",
                    integration.provider
                ),
            )
        })?;
    let id = match text(&flat, "connection_id") {
        Some(id) => ConnectionId::imported(&id).map_err(ApiError::invalid_body)?,
        None => ConnectionId::imported(&app.engine.ids.uuid4().to_string())
            .map_err(ApiError::invalid_body)?,
    };
    let now = app.engine.clock.now();
    let credentials = match provider.auth_mode {
        AuthMode::App => {
            required(&flat, "app_id", ErrorCode::MissingAppId)?;
            let installation =
                required(&flat, "installation_id", ErrorCode::MissingInstallationId)?;
            app_credentials(&app, &integration, &provider, &installation).await?
        }
        mode => credentials(mode, &flat, now)?,
    };
    let new = new_connection(
        &caller,
        &integration,
        provider.auth_mode,
        id.clone(),
        credentials,
    );
    let new = NewConnection {
        connection_config: object(&flat, "connection_config")?,
        metadata: object(&flat, "metadata")?,
        ..new
    };
    connections::import(&app.engine, &integration, &provider, new).await?;
    flat.insert("connection_id".to_owned(), id.as_str().into());
    Ok((StatusCode::CREATED, Json(Value::Object(flat))))
}

fn new_connection(
    caller: &Caller<scope::CreateConnections>,
    integration: &IntegrationRow,
    auth_mode: AuthMode,
    id: ConnectionId,
    credentials: Map<String, Value>,
) -> NewConnection {
    NewConnection {
        environment: caller.environment,
        integration: integration.pk,
        integration_key: integration.unique_key.clone(),
        provider: integration.provider.clone(),
        auth_mode,
        connection_id: Some(id),
        credentials: Secret::new(credentials),
        connection_config: None,
        metadata: None,
        tags: None,
        end_user: None,
        webhook_url_override: None,
        by_session: false,
        operation_id: None,
    }
}

/// The credentials in the flat body, in the shape clients read.
fn credentials(mode: AuthMode, flat: &Flat, now: Timestamp) -> Result<Flat, ApiError> {
    let fields = match mode {
        AuthMode::OAuth2 | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic => {
            return oauth2(flat, now);
        }
        AuthMode::OAuth2ClientCredentials => return client_credentials(flat),
        AuthMode::OAuth1 => json!({
            "oauth_token": required(flat, "oauth_token", ErrorCode::MissingOauthToken)?,
            "oauth_token_secret": required(flat, "oauth_token_secret", ErrorCode::MissingOauthTokenSecret)?,
            "raw": flat.get("raw").cloned().unwrap_or_else(|| json!({})),
        }),
        AuthMode::Basic => json!({
            "username": required(flat, "username", ErrorCode::MissingBasicUsername)?,
            "password": text(flat, "password").unwrap_or_default(),
        }),
        AuthMode::ApiKey => json!({"apiKey": required(flat, "api_key", ErrorCode::MissingApiKey)?}),
        AuthMode::Tba => return tba(flat),
        AuthMode::None => return Ok(Map::new()),
        other => {
            let message = format!("connections with auth mode `{other}` cannot be imported");
            return Err(ApiError::old(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidAuthMode,
                message,
            ));
        }
    };
    Ok(typed(mode, fields))
}

fn oauth2(flat: &Flat, now: Timestamp) -> Result<Flat, ApiError> {
    let mut fields = json!({
        "access_token": required(flat, "access_token", ErrorCode::MissingAccessToken)?,
        "raw": flat.get("raw").cloned().unwrap_or_else(|| json!({})),
    });
    if let Some(token) = text(flat, "refresh_token") {
        fields["refresh_token"] = token.into();
    }
    if let Some(expires_at) = expiry(flat, now)? {
        fields["expires_at"] = expires_at.iso_millis().into();
    }
    if let Some(config_override) = config_override(flat) {
        fields["config_override"] = config_override;
    }
    Ok(typed(AuthMode::OAuth2, fields))
}

/// When a flat token import expires; it must say so, or say that it never does.
fn expiry(flat: &Flat, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    if flat.get("no_expiration").and_then(Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let expires_at = flat.get("expires_at").and_then(super::import::instant);
    let expires_in = flat.get("expires_in").and_then(Value::as_f64);
    match (expires_at, expires_in) {
        (Some(instant), _) => Ok(Some(instant)),
        (None, Some(seconds)) if seconds.is_finite() && (0.0..1e11).contains(&seconds) => {
            Ok(Some(now.plus(std::time::Duration::from_secs_f64(seconds))))
        }
        _ => Err(ApiError::old(
            StatusCode::BAD_REQUEST,
            ErrorCode::MissingExpiresAt,
            "one of `expires_at`, `expires_in` and `no_expiration` must tell when the token expires",
        )),
    }
}

fn client_credentials(flat: &Flat) -> Result<Flat, ApiError> {
    let mut fields = json!({
        "token": required(flat, "access_token", ErrorCode::MissingAccessToken)?,
        "client_id": required(flat, "oauth_client_id_override", ErrorCode::MissingClientId)?,
        "client_secret": required(flat, "oauth_client_secret_override", ErrorCode::MissingClientSecret)?,
        "raw": flat.get("raw").cloned().unwrap_or_else(|| json!({})),
    });
    if let Some(expires_at) = flat.get("expires_at").and_then(super::import::instant) {
        fields["expires_at"] = expires_at.iso_millis().into();
    }
    Ok(typed(AuthMode::OAuth2ClientCredentials, fields))
}

fn tba(flat: &Flat) -> Result<Flat, ApiError> {
    let account = flat
        .get("connection_config")
        .and_then(|config| config.get("accountId"));
    if account.and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(missing(
            ErrorCode::MissingParam,
            "connection_config.accountId",
        ));
    }
    let mut fields = json!({
        "token_id": required(flat, "token_id", ErrorCode::MissingParam)?,
        "token_secret": required(flat, "token_secret", ErrorCode::MissingParam)?,
    });
    if let Some(config_override) = config_override(flat) {
        fields["config_override"] = config_override;
    }
    Ok(typed(AuthMode::Tba, fields))
}

fn config_override(flat: &Flat) -> Option<Value> {
    let (id, secret) = (
        text(flat, "oauth_client_id_override"),
        text(flat, "oauth_client_secret_override"),
    );
    (id.is_some() || secret.is_some()).then(|| json!({"client_id": id, "client_secret": secret}))
}

fn typed(mode: AuthMode, fields: Value) -> Flat {
    let mut credentials = Map::new();
    credentials.insert("type".to_owned(), mode.as_str().into());
    if let Value::Object(fields) = fields {
        credentials.extend(fields);
    }
    credentials
}

fn text(flat: &Flat, name: &str) -> Option<String> {
    let text = flat.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn required(flat: &Flat, name: &str, code: ErrorCode) -> Result<String, ApiError> {
    text(flat, name).ok_or_else(|| missing(code, name))
}

fn missing(code: ErrorCode, name: &str) -> ApiError {
    ApiError::old(
        StatusCode::BAD_REQUEST,
        code,
        format!("Missing param '{name}'."),
    )
}

fn object(flat: &Flat, name: &str) -> Result<Option<Flat>, ApiError> {
    match flat.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(ApiError::invalid_body(format!(
            "`{name}` must be an object"
        ))),
    }
}

/// `POST /connection/{connection_id}/metadata`: the body is the metadata, which it replaces.
pub(super) async fn set_metadata(
    app: State<App>,
    caller: Caller<scope::UpdateConnections>,
    uri: UriParams,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let metadata = change(
        app,
        caller,
        uri,
        query,
        headers,
        body,
        MetadataChange::Replace,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(metadata)))
}

/// `PATCH /connection/{connection_id}/metadata`: the body is merged into the metadata.
pub(super) async fn merge_metadata(
    app: State<App>,
    caller: Caller<scope::UpdateConnections>,
    uri: UriParams,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    change(
        app,
        caller,
        uri,
        query,
        headers,
        body,
        MetadataChange::Merge,
    )
    .await
    .map(Json)
}

async fn change(
    State(app): State<App>,
    caller: Caller<scope::UpdateConnections>,
    uri: UriParams,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
    kind: MetadataChange,
) -> Result<Value, ApiError> {
    let header = headers
        .get("provider-config-key")
        .and_then(|header| header.to_str().ok());
    let integration = query
        .text("provider_config_key")
        .or(header)
        .ok_or_else(|| missing(ErrorCode::MissingProviderConfig, "provider_config_key"))?;
    let id = uri.connection_id("connection_id")?.to_owned();
    let Some(Value::Object(metadata)) = body.0 else {
        return Err(ApiError::invalid_body("the metadata must be an object"));
    };
    let answer = Value::Object(metadata.clone());
    connections::change_metadata(
        &app.engine,
        caller.environment,
        integration,
        &[id],
        metadata,
        kind,
    )
    .await
    .map_err(|error| match &error {
        ChangeError::UnknownIntegration(_) | ChangeError::UnknownConnection { .. } => {
            ApiError::new(StatusCode::NOT_FOUND, ErrorCode::UnknownConnection, &error)
        }
        ChangeError::Store(_) => ApiError::internal(&error),
    })?;
    Ok(answer)
}
