//! What is to be asked of a provider, before it is a request.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use tenon_core::{
    function::ProxyParams,
    names::{ConnectionId, EnvironmentPk, IntegrationKey},
};

use crate::egress::EgressBody;

/// Whose credentials are used.
#[derive(Clone, Debug)]
pub struct ProxyTarget {
    pub environment: EnvironmentPk,
    pub integration: IntegrationKey,
    pub connection: ConnectionId,
    /// Operation that the attempts are logged in; one of the connection's own if none is given.
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
    /// Passes on all headers of an ordinary success, too: a dry run sees what the deployed function will see.
    pub for_dry_run: bool,
}

/// The body of such a request.
#[derive(Debug)]
pub enum ProxyRequestBody {
    /// Goes through byte for byte.
    Raw(EgressBody),
    /// A JSON object or array; templates of the provider may add to it.
    Json(Bytes),
    /// Form fields; sent as JSON unless the caller asks for a form.
    Form(Map<String, Value>),
}

/// A request that can be built again for every attempt.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) endpoint: String,
    pub(super) params: Option<ProxyParams>,
    pub(super) headers: HeaderMap,
    pub(super) body: AskBody,
    pub(super) base_url_override: Option<String>,
    pub(super) decompress: Option<bool>,
    pub(super) keep_headers: Option<bool>,
    /// Hosts that are open besides the provider's own; nothing leaves all open.
    pub(super) hosts: Option<Vec<String>>,
    /// Headers that win over all others, as templates that see the request itself.
    pub(super) templates: Vec<(String, String)>,
}

/// A body that can be sent again, or a stream that cannot.
pub(super) enum AskBody {
    Bytes(Bytes),
    Json(Bytes),
    Form(Map<String, Value>),
    /// Taken by the first attempt.
    Stream(Option<EgressBody>),
}

/// Whether a method has a body on its way through (10.1).
pub(super) fn takes_body(method: &Method) -> bool {
    matches!(
        *method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    )
}
