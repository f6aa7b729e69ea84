//! Installation tokens of apps that prove themselves with a private key (auth-and-proxy.md, 6.6).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use tenon_core::auth::CredentialsJson;
use tenon_providers::template;

use super::{Issued, Party, Vars, need, text};
use crate::auth::{
    oauth2::token,
    request::{self, TokenFailure, TokenRequest},
    sign::{jwt, key},
};

/// Lifetime of the app's own token: the longest that the provider accepts.
const JWT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The credential member that says which installation this is; kept with the credentials, never shown.
pub const INSTALLATION: &str = "installation_id";

/// Asks for an installation token. The installation comes from `given` or from the connection config.
pub(super) async fn issue(
    party: Party<'_>,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    let installation = match text(given, INSTALLATION) {
        Some(installation) => installation,
        None => need(party.connection_config, INSTALLATION)?,
    };
    let jwt = app_token(&party)?;
    let mut vars = Vars::new(&party);
    let mut config = Map::new();
    config.insert(INSTALLATION.to_owned(), installation.into());
    vars.object("connectionConfig", config);
    let template = party.provider.token_url_of("APP").unwrap_or_default();
    let url = vars
        .with(|context| template::render_url(template, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))?;
    let request = TokenRequest::post(url)
        .header("accept", "application/vnd.github.v3+json")
        .header("authorization", format!("Bearer {jwt}"))
        .header("user-agent", "Tenon")
        .header("accept-encoding", "gzip, compress, deflate, br")
        .json(&Map::new());
    let raw = request::send(party.engine, request).await?.object()?;
    let Some(access_token) = text(&raw, "token") else {
        let reason = "the provider's answer holds no token";
        return Err(TokenFailure::answered(
            "missing_access_token",
            reason,
            http::StatusCode::OK,
        ));
    };
    let expires_at = token::expires_at(party.provider, &raw, party.engine.clock.now());
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "APP".into());
    credentials.insert("access_token".to_owned(), access_token.into());
    if let Some(instant) = expires_at {
        credentials.insert("expires_at".to_owned(), instant.iso_millis().into());
    }
    credentials.insert("raw".to_owned(), Value::Object(raw));
    credentials.insert("jwtToken".to_owned(), jwt.into());
    credentials.insert(INSTALLATION.to_owned(), installation.into());
    Ok(Issued::new(credentials, expires_at))
}

/// The token with which the app itself speaks.
pub(crate) fn app_token(party: &Party<'_>) -> Result<String, TokenFailure> {
    let unusable = |reason: &str| TokenFailure::ours("invalid_private_key", reason);
    let secrets = &party.integration.secrets;
    let app_id = secrets
        .app_id
        .as_deref()
        .or(party.integration.client_id.as_deref())
        .ok_or_else(|| TokenFailure::ours("missing_app_id", "the integration has no app id"))?;
    let stored = secrets
        .private_key
        .as_ref()
        .or(secrets.client_secret.as_ref())
        .ok_or_else(|| unusable("the integration has no private key"))?
        .expose();
    let pem = if stored.contains("-----BEGIN") {
        stored.clone()
    } else {
        let bytes = STANDARD.decode(stored.trim()).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| unusable("the private key is not text"))?
    };
    let key = key::rsa_from_pem(&pem).map_err(|error| unusable(&error.to_string()))?;
    let now = party.engine.clock.now();
    let payload = json!({
        "iat": now.secs(),
        "exp": now.plus(JWT_LIFETIME).secs(),
        "iss": app_id,
    });
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    jwt::sign_rs256(&object(header), &object(payload), &key)
        .map_err(|error| unusable(&error.to_string()))
}
