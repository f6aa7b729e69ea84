//! `nango.proxy` of functions: the whole answer in memory.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};
use tenon_core::{
    function::{Hold, HostError, HostErrorKind, HttpReply, ProxyBody, ProxyCall},
    limits,
};
use tenon_providers::template::Context;

use super::{
    ask::{Ask, AskBody, ProxyTarget},
    auth::Auth,
    exchange::{self, Policy, Ready},
    send::ProxyError,
    url as address,
};
use crate::{
    Engine,
    auth::refresh::CredentialsError,
    egress::{Budget, EgressError, EgressResponse, Hosts, Tab, checked_header},
};

/// `nango.proxy` of a function: the whole answer in memory, with the 401 rule of functions.md, 2.2. A status that is an
/// error is an answer too.
pub async fn call(
    engine: &Engine,
    target: &ProxyTarget,
    call: ProxyCall,
) -> Result<HttpReply, HostError> {
    call_within(engine, target, call, &Bounds::default()).await
}

/// The same within what the function may do.
pub async fn call_within(
    engine: &Engine,
    target: &ProxyTarget,
    call: ProxyCall,
    bounds: &Bounds,
) -> Result<HttpReply, HostError> {
    let (mut ask, retry_on, hints, retries) = asked(call, bounds).map_err(refused)?;
    let policy = Policy {
        retries,
        retry_on: &retry_on,
        hints: hints.as_ref(),
        for_function: true,
    };
    let mut ready = Ready::load(engine, target).await.map_err(refused)?;
    let response = exchange::run(engine, target, &mut ready, &mut ask, &policy)
        .await
        .map_err(refused)?;
    let tab = bounds.replies.as_ref().map(Budget::tab);
    let mut reply = collected(response, tab).await.map_err(|error| {
        refused(ProxyError::NoAnswer {
            method: ask.method.clone(),
            source: error,
        })
    })?;
    if bounds.secrets_hidden {
        // Keys that the provider wants in the address would come back with it.
        reply.url = hidden(&reply.url, ready.connection.credentials.expose());
    }
    Ok(reply)
}

/// Hosts that functions of this connection may reach.
pub async fn hosts(
    engine: &Engine,
    target: &ProxyTarget,
    besides: &[String],
) -> Result<Hosts, HostError> {
    let ready = Ready::load(engine, target).await.map_err(refused)?;
    let auth = Auth::of(&ready.connection, &ready.integration_config);
    let scope = auth.scope();
    let context = Context::new(&scope, engine.clock.now(), engine.ids.uuid4());
    Ok(address::hosts(&ready.provider, &auth, &context, besides))
}

/// What a function may do with a connection, and how much of its answers is kept for it.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Hosts that are open besides the provider's own; nothing leaves all open.
    pub hosts: Option<Vec<String>>,
    /// Whether credentials are kept out of what the function gets to see.
    pub secrets_hidden: bool,
    /// What its answers are paid from while they are in memory.
    pub replies: Option<Budget>,
}

/// Shortest credential that is looked for in an address: shorter ones stand in every second one by chance.
const SHORTEST_SECRET: usize = 4;

/// An address without the credentials that may stand in it.
fn hidden(url: &str, credentials: &Map<String, Value>) -> String {
    let mut secrets = Vec::new();
    texts(&Value::Object(credentials.clone()), &mut secrets);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut url = url.to_owned();
    for secret in secrets {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let percent =
            percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC);
        for form in [secret.clone(), encoded, percent.to_string()] {
            url = url.replace(&form, "***");
        }
    }
    url
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_SECRET => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            let secret = |name: &&String| !matches!(name.as_str(), "type" | "expires_at");
            for name in members.keys().filter(secret) {
                texts(&members[name], found);
            }
        }
        _ => {}
    }
}

type Asked = (
    Ask,
    Vec<u16>,
    Option<tenon_core::function::RetryHeader>,
    u32,
);

fn asked(call: ProxyCall, bounds: &Bounds) -> Result<Asked, ProxyError> {
    let method = Method::from_bytes(call.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| ProxyError::Body(format!("`{}` is not a method", call.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        let (name, value) = checked_header(name, value).map_err(ProxyError::Header)?;
        headers.append(name, value);
    }
    let body = match call.body {
        ProxyBody::Empty => AskBody::Bytes(Bytes::new()),
        ProxyBody::Json(json) => AskBody::Json(json),
        ProxyBody::Text(text) => AskBody::Bytes(Bytes::from(text)),
        ProxyBody::Bytes(bytes) => AskBody::Bytes(bytes),
        ProxyBody::Form(pairs) => {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&pairs)
                .finish();
            let kind = http::HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.entry(http::header::CONTENT_TYPE).or_insert(kind);
            AskBody::Bytes(Bytes::from(form))
        }
    };
    let ask = Ask {
        method,
        endpoint: call.endpoint,
        params: call.params,
        headers,
        body,
        base_url_override: call.base_url_override,
        decompress: call.decompress,
        keep_headers: call.forward_headers_on_redirect,
        hosts: bounds.hosts.clone(),
        templates: Vec::new(),
    };
    Ok((ask, call.retry_on, call.retry_header, call.retries))
}

async fn collected(
    response: EgressResponse,
    mut tab: Option<Tab>,
) -> Result<HttpReply, EgressError> {
    let status = response.status;
    let headers = response
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect();
    let url = response.url.to_string();
    let body = response
        .collect_on(limits::PROXY_REPLY_BYTES, tab.as_mut())
        .await?;
    Ok(HttpReply {
        status: status.as_u16(),
        status_text: reason(status),
        headers,
        body,
        url,
        hold: tab.map(Hold::on).unwrap_or_default(),
    })
}

fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().to_owned()
}

/// What the function's `nango.proxy` throws.
fn refused(error: ProxyError) -> HostError {
    let (code, kind) = match &error {
        ProxyError::NoAnswer { source, .. } => (source.code(), HostErrorKind::Http),
        ProxyError::Header(source) => (source.code(), HostErrorKind::Http),
        ProxyError::NotAllowed(_) => ("base_url_override_not_allowed", HostErrorKind::Sdk),
        ProxyError::MissingApiUrl(_) => ("missing_api_url", HostErrorKind::Sdk),
        ProxyError::InvalidBaseUrl(_) => ("ERR_INVALID_URL", HostErrorKind::Http),
        ProxyError::InvalidQueryParams => ("invalid_query_params", HostErrorKind::Sdk),
        ProxyError::InvalidCertificate(_) => {
            ("invalid_certificate_or_key_format", HostErrorKind::Sdk)
        }
        ProxyError::UnsupportedAuth(_) => ("unsupported_auth", HostErrorKind::Sdk),
        ProxyError::Body(_) => ("ERR_BAD_REQUEST", HostErrorKind::Http),
        ProxyError::Credentials(source) => (credentials_code(source), HostErrorKind::Sdk),
    };
    HostError {
        code: code.to_owned(),
        message: error.to_string(),
        response: None,
        kind,
    }
}

/// Code of a failure to get credentials.
pub(super) const fn credentials_code(error: &CredentialsError) -> &'static str {
    match error {
        CredentialsError::UnknownIntegration(_) => "unknown_provider_config",
        CredentialsError::UnknownConnection { .. } => "unknown_connection",
        CredentialsError::UnknownProvider(_) => "unknown_provider",
        CredentialsError::Refresh { source, .. } => source.wire().1,
        CredentialsError::Store(_) => "server_error",
    }
}
