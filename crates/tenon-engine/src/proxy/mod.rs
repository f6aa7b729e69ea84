//! Requests to external APIs with the credentials of a connection (auth-and-proxy.md, section 10).

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};
use tenon_core::{
    auth::CredentialsJson,
    function::{HostError, HttpReply, ProxyCall},
    names::{ConnectionId, EnvironmentPk, IntegrationKey},
};

use crate::{
    Engine,
    auth::refresh::CredentialsError,
    egress::{EgressBody, EgressError, ResponseBody},
};

/// Whose credentials are used.
#[derive(Clone, Debug)]
pub struct ProxyTarget {
    pub environment: EnvironmentPk,
    pub integration: IntegrationKey,
    pub connection: ConnectionId,
    /// Operation that the attempts are logged in; a new one if none is given.
    pub operation: Option<String>,
}

/// A request of an app, on its way through.
#[derive(Debug)]
pub struct ProxyRequest {
    pub method: Method,
    /// Path and query as the caller wrote them, without `/proxy`.
    pub endpoint: String,
    /// Headers for the provider, prefix removed.
    pub headers: HeaderMap,
    pub body: ProxyRequestBody,
    pub retries: u32,
    pub retry_on: Vec<u16>,
    pub base_url_override: Option<String>,
    pub decompress: Option<bool>,
    pub forward_headers_on_redirect: Option<bool>,
}

/// The body of such a request.
#[derive(Debug)]
pub enum ProxyRequestBody {
    /// Goes through byte for byte.
    Raw(EgressBody),
    /// A JSON object or array; templates of the provider may add to it.
    Json(bytes::Bytes),
    /// Form fields; sent as JSON unless the caller asks for a form.
    Form(Map<String, Value>),
}

/// The provider's answer.
#[derive(Debug)]
pub struct ProxyReply {
    pub status: StatusCode,
    /// What may be passed on (10.5).
    pub headers: HeaderMap,
    pub body: ResponseBody,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("`{0}` has no base URL")]
    MissingApiUrl(String),
    #[error("`{0}` is not a valid base URL")]
    InvalidBaseUrl(String),
    /// The guard refused the address, at first or on a redirect.
    #[error("the address is not allowed")]
    NotAllowed(#[source] EgressError),
    #[error("the endpoint has a query already, parameters as text cannot be added")]
    InvalidQueryParams,
    #[error("the client certificate or key of the connection cannot be used")]
    InvalidCertificate(#[source] EgressError),
    #[error("authorising requests by `{0}` is not supported")]
    UnsupportedAuth(&'static str),
    /// No answer, after all retries.
    #[error("{source}")]
    NoAnswer {
        method: Method,
        #[source]
        source: EgressError,
    },
    #[error("a header cannot be sent")]
    Header(#[source] EgressError),
    #[error("the body cannot be sent: {0}")]
    Body(String),
}

/// Sends a request with streaming in both directions. The status of the provider is the status of the reply.
pub async fn send(
    _engine: &Engine,
    _target: &ProxyTarget,
    _request: ProxyRequest,
) -> Result<ProxyReply, ProxyError> {
    unimplemented!()
}

/// `nango.proxy` of a function: the whole answer in memory, with the 401 rule of functions.md, 2.2. A status that is an
/// error is an answer too.
pub async fn call(
    _engine: &Engine,
    _target: &ProxyTarget,
    _call: ProxyCall,
) -> Result<HttpReply, HostError> {
    unimplemented!()
}

/// Credentials that are not stored yet.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub credentials: &'a CredentialsJson,
    pub connection_config: &'a Map<String, Value>,
    /// Values of the provider's `integration_config`.
    pub integration_config: &'a Map<String, Value>,
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a str>,
}

/// The provider did not accept the credentials.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct VerificationFailed {
    pub reason: String,
    /// Status of the last answer, if there was one.
    pub status: Option<u16>,
}

/// Asks the provider whether these credentials work: its `proxy.verification` endpoints in order, the first 2xx wins. A
/// provider without such endpoints accepts anything (auth-and-proxy.md, 6.3).
pub async fn verify(
    _engine: &Engine,
    _provider: &str,
    _candidate: Candidate<'_>,
) -> Result<(), VerificationFailed> {
    unimplemented!()
}
