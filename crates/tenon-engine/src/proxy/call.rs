//! `nango.proxy` of functions: the whole answer in memory.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tenon_core::{
    function::{HostError, HostErrorKind, HttpReply, ProxyBody, ProxyCall},
    limits,
};

use super::{
    ask::{Ask, AskBody, ProxyTarget},
    exchange::{self, Policy, Ready},
    send::ProxyError,
};
use crate::{
    Engine,
    auth::refresh::CredentialsError,
    egress::{EgressError, EgressResponse, checked_header},
};

/// `nango.proxy` of a function: the whole answer in memory, with the 401 rule of functions.md, 2.2. A status that is an
/// error is an answer too.
pub async fn call(
    engine: &Engine,
    target: &ProxyTarget,
    call: ProxyCall,
) -> Result<HttpReply, HostError> {
    let (mut ask, retry_on, hints, retries) = asked(call).map_err(refused)?;
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
    collected(response).await.map_err(|error| {
        refused(ProxyError::NoAnswer {
            method: ask.method.clone(),
            source: error,
        })
    })
}

type Asked = (
    Ask,
    Vec<u16>,
    Option<tenon_core::function::RetryHeader>,
    u32,
);

fn asked(call: ProxyCall) -> Result<Asked, ProxyError> {
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
    };
    Ok((ask, call.retry_on, call.retry_header, call.retries))
}

async fn collected(response: EgressResponse) -> Result<HttpReply, EgressError> {
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
    let body = response.collect(limits::PROXY_REPLY_BYTES).await?;
    Ok(HttpReply {
        status: status.as_u16(),
        status_text: reason(status),
        headers,
        body,
        url,
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
