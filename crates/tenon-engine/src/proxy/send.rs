//! Requests of apps: streaming in both directions.

use http::Method;
use tenon_core::{auth::AuthMode, limits};

use super::{
    ask::{Ask, AskBody, ProxyRequest, ProxyRequestBody, ProxyTarget, takes_body},
    exchange::{self, Policy, Ready},
    reply::ProxyReply,
};
use crate::{
    Engine,
    auth::refresh::CredentialsError,
    egress::{EgressBody, EgressError},
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("`{0}` has no base URL for this connection")]
    MissingApiUrl(String),
    #[error("`{0}` is not a valid base URL")]
    InvalidBaseUrl(String),
    /// The guard refused the address, at first or on a redirect.
    #[error("the address is not allowed: {0}")]
    NotAllowed(#[source] EgressError),
    #[error("the endpoint has a query already, parameters as text cannot be added")]
    InvalidQueryParams,
    #[error("the client certificate or key of the connection cannot be used")]
    InvalidCertificate(#[source] EgressError),
    #[error("requests cannot be authorised: {0}")]
    UnsupportedAuth(&'static str),
    /// No answer, after all retries.
    #[error("{source}")]
    NoAnswer {
        method: Method,
        #[source]
        source: EgressError,
    },
    #[error("a header cannot be sent: {0}")]
    Header(#[source] EgressError),
    #[error("the body cannot be sent: {0}")]
    Body(String),
}

/// Sends a request with streaming in both directions. The status of the provider is the status of the reply.
pub async fn send(
    engine: &Engine,
    target: &ProxyTarget,
    request: ProxyRequest,
) -> Result<ProxyReply, ProxyError> {
    let mut ready = Ready::load(engine, target).await?;
    let method = request.method.clone();
    let for_dry_run = request.for_dry_run;
    // What is sent again, or signed, has to be known.
    let is_kept = request.retries > 0 || ready.connection.auth_mode == AuthMode::AwsSigV4;
    let policy = Policy {
        retries: request.retries,
        retry_on: &request.retry_on,
        hints: None,
        for_function: false,
    };
    let mut ask = Ask {
        body: replayable(&method, request.body, is_kept).await?,
        method: request.method,
        endpoint: request.endpoint,
        params: None,
        headers: request.headers,
        base_url_override: request.base_url_override,
        decompress: request.decompress,
        keep_headers: request.forward_headers_on_redirect,
        hosts: None,
        templates: Vec::new(),
    };
    let response = exchange::run(engine, target, &mut ready, &mut ask, &policy).await?;
    Ok(ProxyReply::of(response, &method, for_dry_run))
}

/// Keeps a streamed body in memory if it is needed there and not large.
async fn replayable(
    method: &Method,
    body: ProxyRequestBody,
    is_kept: bool,
) -> Result<AskBody, ProxyError> {
    if !takes_body(method) {
        return Ok(AskBody::Bytes(bytes::Bytes::new()));
    }
    match body {
        ProxyRequestBody::Json(bytes) => Ok(AskBody::Json(bytes)),
        ProxyRequestBody::Form(fields) => Ok(AskBody::Form(fields)),
        ProxyRequestBody::Raw(EgressBody::Empty) => Ok(AskBody::Bytes(bytes::Bytes::new())),
        ProxyRequestBody::Raw(EgressBody::Bytes(bytes)) => Ok(AskBody::Bytes(bytes)),
        ProxyRequestBody::Raw(EgressBody::Stream { length, body }) => {
            let too_large = length.is_some_and(|length| length > limits::PROXY_REPLAY_BYTES as u64);
            if !is_kept || too_large {
                return Ok(AskBody::Stream(Some(EgressBody::Stream { length, body })));
            }
            let (start, whole, body) = body
                .peek(limits::PROXY_REPLAY_BYTES)
                .await
                .map_err(|error| ProxyError::Body(error.to_string()))?;
            Ok(if whole {
                AskBody::Bytes(start)
            } else {
                AskBody::Stream(Some(EgressBody::Stream { length, body }))
            })
        }
    }
}
