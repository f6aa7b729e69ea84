//! OAuth 2.0 client credentials of the end user (auth-and-proxy.md, 6.2).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{Secret, Timestamp, auth::CredentialsJson};
use tenon_providers::{BodyFormat, Provider, TokenRequestAuthMethod, template};

use super::{Issued, Party, Vars, need, text};
use crate::{
    auth::{
        oauth2::{assertion::Assertion, authorize, token},
        request::{self, TokenFailure, TokenRequest, form},
    },
    egress::ClientIdentity,
};

/// Lifetime of a token whose provider does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(55 * 60);

/// Asks for a token. `given` is what the person entered, or what is stored.
pub(super) async fn issue(
    party: Party<'_>,
    given: &Map<String, Value>,
) -> Result<Issued, TokenFailure> {
    let vars = Vars::new(&party);
    let request = request(&party, given, &vars)?;
    let raw = request::send(party.engine, request).await?.object()?;
    let now = party.engine.clock.now();
    let Some(token) = find_token(&raw) else {
        let (cause, said) = request::error_of(&Value::Object(raw));
        let said = said
            .or_else(|| cause.clone())
            .unwrap_or_else(|| "nothing more".to_owned());
        return Err(TokenFailure::answered(
            cause.as_deref().unwrap_or("missing_access_token"),
            format!("the provider's answer holds no token: {said}"),
            http::StatusCode::OK,
        ));
    };
    let expires_at = expires_at(party.provider, &raw, now);
    let metadata = token::metadata(&party.provider.token_response_metadata, &raw);
    let mut credentials = CredentialsJson::new();
    credentials.insert("type".to_owned(), "OAUTH2_CC".into());
    credentials.insert("token".to_owned(), token.into());
    for name in [
        "client_id",
        "client_secret",
        "client_certificate",
        "client_private_key",
    ] {
        if let Some(value) = given.get(name) {
            credentials.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(instant) = expires_at {
        credentials.insert("expires_at".to_owned(), instant.iso_millis().into());
    }
    credentials.insert("raw".to_owned(), Value::Object(raw));
    Ok(Issued {
        credentials,
        expires_at,
        connection_config: metadata,
    })
}

fn find_token(raw: &Map<String, Value>) -> Option<String> {
    let nested = raw.get("data").and_then(Value::as_object);
    let found = text(raw, "access_token")
        .or_else(|| text(nested?, "token"))
        .or_else(|| text(raw, "jwt"));
    found.map(str::to_owned)
}

fn expires_at(provider: &Provider, raw: &Map<String, Value>, now: Timestamp) -> Option<Timestamp> {
    if let Some(instant) = token::expires_at(provider, raw, now) {
        return Some(instant);
    }
    match provider.token_expires_in_ms {
        Some(0) => None,
        Some(lifetime_ms) => Some(now.plus(Duration::from_millis(lifetime_ms))),
        None => Some(now.plus(DEFAULT_LIFETIME)),
    }
}

fn request(
    party: &Party<'_>,
    given: &Map<String, Value>,
    vars: &Vars,
) -> Result<TokenRequest, TokenFailure> {
    let provider = party.provider;
    let template = provider.token_url().unwrap_or_default();
    let url = vars
        .with(|context| template::render_url(template, context))
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))?;
    let mut params = Map::new();
    let mut request = TokenRequest::post(url);
    for (name, value) in &provider.token_headers {
        if let Some(value) = vars.fill_text(value) {
            request = request.header(name, value);
        }
    }
    let client_id = text(given, "client_id");
    let secret = text(given, "client_secret").unwrap_or_default();
    let missing = || TokenFailure::ours("missing_client_id", "a client id is needed");
    match provider.token_request_auth_method {
        None => {
            params.insert(
                "client_id".to_owned(),
                client_id.ok_or_else(missing)?.into(),
            );
            params.insert("client_secret".to_owned(), secret.into());
        }
        Some(TokenRequestAuthMethod::Basic) => {
            let pair = format!("{}:{secret}", client_id.ok_or_else(missing)?);
            request = request.header("authorization", token::basic(&pair));
        }
        Some(TokenRequestAuthMethod::Custom) => {
            params.insert("username".to_owned(), client_id.ok_or_else(missing)?.into());
            params.insert("password".to_owned(), secret.into());
        }
        Some(TokenRequestAuthMethod::PrivateKeyJwt) => {
            let assertion = Assertion {
                client_id: need(given, "client_id")?,
                key: need(given, "client_private_key")?,
                audience: request.url.as_str(),
                now: vars.now,
                id: party.engine.ids.uuid4(),
            };
            assertion.add_to(&mut params)?;
        }
    }
    params.extend(vars.fill(&provider.token_params));
    if let Some(scope) = scope(party) {
        params.insert("scope".to_owned(), scope.into());
    }
    let more = party.connection_config.get("authorization_params");
    if let Some(more) = more.and_then(Value::as_object) {
        params.extend(more.clone());
    }
    // What the reference's client sends; firewalls of some providers look at it.
    request = request
        .default_header("accept", "*/*")
        .default_header("accept-language", "*")
        .default_header("sec-fetch-mode", "cors")
        .default_header("user-agent", "Tenon")
        .default_header("accept-encoding", "gzip, deflate");
    request.identity = identity(given);
    Ok(match provider.body_format {
        Some(BodyFormat::Json) => request.json(&params),
        Some(BodyFormat::Query) => {
            let query = match request.url.query() {
                Some(query) => format!("{query}&{}", form(&params)),
                None => form(&params),
            };
            request.url.set_query(Some(&query));
            request
        }
        _ => request.form(&params),
    })
}

/// The end user's scopes, else those of the integration.
fn scope(party: &Party<'_>) -> Option<String> {
    let own = text(party.connection_config, "oauth_scopes").map(str::to_owned);
    own.or_else(|| {
        let scopes = authorize::scopes(party.integration.scopes.as_deref());
        (!scopes.is_empty()).then(|| scopes.join(party.provider.scope_separator()))
    })
}

fn identity(given: &Map<String, Value>) -> Option<ClientIdentity> {
    Some(ClientIdentity {
        certificate: text(given, "client_certificate")?.to_owned(),
        key: Secret::new(text(given, "client_private_key")?.to_owned()),
    })
}
