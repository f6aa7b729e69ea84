//! Code exchange and refresh, and reading what comes back (auth-and-proxy.md, 6.1 and 7).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::{Map, Value};
use tenon_core::{Timestamp, auth::CredentialsJson};
use tenon_providers::{
    AuthorizationMethod, BodyFormat, DeviceAuthorizationMethod, Provider, TokenRequestAuthMethod,
    template::{self, Context},
};
use url::{Url, form_urlencoded};

use super::{Client, assertion::Assertion, expiry};
use crate::auth::request::{TokenFailure, TokenRequest, error_of};

/// Who we say we are.
const USER_AGENT: &str = "Tenon";

/// A code to exchange.
#[derive(Clone, Debug)]
pub struct CodeExchange<'a> {
    pub code: &'a str,
    pub redirect_uri: &'a str,
    pub code_verifier: Option<&'a str>,
}

/// Builds the request that turns a code into a token.
pub fn code_exchange(
    provider: &Provider,
    client: &Client,
    exchange: &CodeExchange<'_>,
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let mut params = Map::new();
    params.insert("grant_type".to_owned(), "authorization_code".into());
    params.insert("code".to_owned(), exchange.code.into());
    params.insert("redirect_uri".to_owned(), exchange.redirect_uri.into());
    params.extend(template::render_map(&provider.token_params, context));
    if let Some(verifier) = exchange.code_verifier {
        params.insert("code_verifier".to_owned(), verifier.into());
    }
    request(provider, client, params, context)
}

/// Where tokens are renewed: at an address of its own, if the provider has one.
pub fn refresh_url(provider: &Provider) -> &str {
    let own = provider.refresh_url.as_deref();
    own.or_else(|| provider.token_url()).unwrap_or_default()
}

/// Builds the request that turns a refresh token into a new token. `grant_type` is ours unless the provider declares
/// refresh params: a provider's token params say `authorization_code`.
pub fn refresh(
    provider: &Provider,
    client: &Client,
    refresh_token: &str,
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let mut params = Map::new();
    params.insert("grant_type".to_owned(), "refresh_token".into());
    params.insert("refresh_token".to_owned(), refresh_token.into());
    match &provider.refresh_params {
        Some(declared) => params.extend(template::render_map(declared, context)),
        None => {
            let mut fallback = template::render_map(&provider.token_params, context);
            fallback.remove("grant_type");
            params.extend(fallback);
        }
    }
    request_to(refresh_url(provider), provider, client, params, context)
}

/// The grant of RFC 8628.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Builds the request for a code that a person types on another device (RFC 8628, 3.1).
pub fn device_code(
    provider: &Provider,
    client: &Client,
    scopes: &[String],
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let mut params = Map::new();
    if !scopes.is_empty() {
        let scopes = scopes.join(provider.scope_separator());
        params.insert("scope".to_owned(), scopes.into());
    }
    params.extend(template::render_map(
        &provider.device_authorization_params,
        context,
    ));
    let url = provider.device_authorization_url.as_deref();
    let url = url.unwrap_or_default();
    if provider.device_authorization_method == DeviceAuthorizationMethod::None {
        let id = client.id.clone();
        let public = Client { id, secret: None };
        return request_to(url, provider, &public, params, context);
    }
    request_to(url, provider, client, params, context)
}

/// Builds the request that asks whether the person has agreed (RFC 8628, 3.4).
pub fn device_token(
    provider: &Provider,
    client: &Client,
    device_code: &str,
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let mut params = template::render_map(&provider.token_params, context);
    params.insert("grant_type".to_owned(), DEVICE_GRANT.into());
    params.insert("device_code".to_owned(), device_code.into());
    request(provider, client, params, context)
}

fn request(
    provider: &Provider,
    client: &Client,
    params: Map<String, Value>,
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let template = provider.token_url().unwrap_or_default();
    request_to(template, provider, client, params, context)
}

fn request_to(
    template: &str,
    provider: &Provider,
    client: &Client,
    mut params: Map<String, Value>,
    context: &Context<'_>,
) -> Result<TokenRequest, TokenFailure> {
    let mut request = TokenRequest::post(render_token_url(template, context)?);
    for (name, value) in &provider.token_headers {
        request = request.header(name, template::render(value, context));
    }
    request = request
        .default_header("accept", "application/json")
        .default_header("user-agent", USER_AGENT);
    let secret = client
        .secret
        .as_ref()
        .map(|secret| secret.expose().as_str());
    let proves = provider.token_request_auth_method == Some(TokenRequestAuthMethod::PrivateKeyJwt);
    if provider.authorization_method == AuthorizationMethod::Header && !proves {
        let pair = format!(
            "{}:{}",
            form_encode(&client.id),
            form_encode(secret.unwrap_or_default())
        );
        request = request.header("authorization", basic(&pair));
    } else {
        params.insert("client_id".to_owned(), client.id.as_str().into());
        if let Some(secret) = secret.filter(|_| !proves) {
            params.insert("client_secret".to_owned(), secret.into());
        }
    }
    if let Some(key) = secret.filter(|_| proves) {
        let audience = render_token_url(provider.token_url().unwrap_or_default(), context)?;
        let assertion = Assertion {
            client_id: &client.id,
            key,
            audience: audience.as_str(),
            now: context.now,
            id: context.random,
        };
        assertion.add_to(&mut params)?;
    }
    if provider.token_request_auth_method == Some(TokenRequestAuthMethod::Basic) {
        let pair = format!("{}:{}", client.id, secret.unwrap_or_default());
        request = request.header("authorization", basic(&pair));
    }
    Ok(match provider.body_format {
        Some(BodyFormat::Json) => request.json(&params),
        _ => request.form(&params),
    })
}

fn render_token_url(template: &str, context: &Context<'_>) -> Result<Url, TokenFailure> {
    template::render_url(template, context)
        .map_err(|error| TokenFailure::ours("token_url", format!("the token URL has {error}")))
}

/// `Basic` and the base64 of a pair.
pub fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn form_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A token as read from an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// Absent: never considered expired.
    pub expires_at: Option<Timestamp>,
    /// The whole answer.
    pub raw: Map<String, Value>,
}

/// Reads an answer. Providers report errors with status 200, too.
pub fn read(
    provider: &Provider,
    mut raw: Map<String, Value>,
    now: Timestamp,
) -> Result<Token, TokenFailure> {
    let at_top = text(&raw, "access_token").is_some();
    let object = if at_top {
        Some(&raw)
    } else {
        let path = provider.alternate_access_token_response_path.as_deref();
        path.and_then(|path| raw.get(path))
            .and_then(Value::as_object)
    };
    let Some((object, access_token)) =
        object.and_then(|object| Some((object, text(object, "access_token")?)))
    else {
        return Err(without_token(raw));
    };
    let token = Token {
        access_token,
        refresh_token: text(object, "refresh_token"),
        expires_at: expires_at(provider, object, now),
        raw: Map::new(),
    };
    // As the library of the reference does; clients read it.
    let says_how_long = at_top && raw.contains_key("expires_in") && !raw.contains_key("expires_at");
    if let Some(instant) = token.expires_at.filter(|_| says_how_long) {
        raw.insert("expires_at".to_owned(), instant.iso_millis().into());
    }
    Ok(Token { raw, ..token })
}

fn without_token(raw: Map<String, Value>) -> TokenFailure {
    let (cause, said) = error_of(&Value::Object(raw));
    let said = match (&cause, said) {
        (_, Some(said)) => format!(": {said}"),
        (Some(cause), None) => format!(": {cause}"),
        (None, None) => String::new(),
    };
    let reason = format!("the provider's answer holds no access token{said}");
    let cause = cause.unwrap_or_else(|| "missing_access_token".to_owned());
    TokenFailure::answered(&cause, reason, StatusCode::OK)
}

/// `expires_at` wins over `expires_in`.
pub fn expires_at(
    provider: &Provider,
    object: &Map<String, Value>,
    now: Timestamp,
) -> Option<Timestamp> {
    if let Some(instant) = object
        .get("expires_at")
        .and_then(|value| expiry::instant(value, now))
    {
        return Some(instant);
    }
    let lifetime = expiry::lifetime(object.get("expires_in")?)?;
    if provider.expires_in_unit.as_deref() == Some("milliseconds") {
        return Some(now.plus(lifetime / 1_000));
    }
    Some(now.plus(lifetime))
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

impl Token {
    /// The credentials that clients read. A refresh keeps what the answer does not repeat: refresh token and the
    /// client that the connection brought along.
    pub fn into_credentials(self, before: Option<&CredentialsJson>) -> CredentialsJson {
        let kept = |name: &str| before.and_then(|before| before.get(name)).cloned();
        let mut credentials = CredentialsJson::new();
        credentials.insert("type".to_owned(), "OAUTH2".into());
        credentials.insert("access_token".to_owned(), self.access_token.into());
        let refresh_token = self.refresh_token.map(Value::from);
        if let Some(refresh_token) = refresh_token.or_else(|| kept("refresh_token")) {
            credentials.insert("refresh_token".to_owned(), refresh_token);
        }
        if let Some(instant) = self.expires_at {
            credentials.insert("expires_at".to_owned(), instant.iso_millis().into());
        }
        credentials.insert("raw".to_owned(), Value::Object(self.raw));
        if let Some(config_override) = kept("config_override") {
            credentials.insert("config_override".to_owned(), config_override);
        }
        credentials
    }
}

/// Texts and booleans of an answer that the provider wants kept, under their dotted names as they are.
pub fn metadata(paths: &[String], answer: &Map<String, Value>) -> Map<String, Value> {
    let kept = paths.iter().filter_map(|path| {
        let value = at(answer, path)?;
        (value.is_string() || value.is_boolean()).then(|| (path.clone(), value.clone()))
    });
    kept.collect()
}

/// The value at a dotted path; a member with the whole path as its name is the fallback.
pub fn at<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut steps = path.split('.');
    let first = object.get(steps.next()?);
    let nested = steps.fold(first, |value, step| match value? {
        Value::Object(object) => object.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    nested.or_else(|| object.get(path))
}

#[cfg(test)]
mod tests;
