//! What is asked.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tenon_core::Secret;
use url::Url;

use super::{EgressError, Hosts, ResponseBody};

/// A body to send.
#[derive(Debug, Default)]
pub enum EgressBody {
    #[default]
    Empty,
    /// Kept, so that a redirect or a retry can send it again.
    Bytes(Bytes),
    /// Sent once. The length, if known, becomes `content-length`; else the body goes out chunked.
    Stream {
        length: Option<u64>,
        body: ResponseBody,
    },
}

/// What happens to headers when a redirect leaves the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcrossOrigins {
    /// Only harmless ones go on (`accept*`, `content-type`, `user-agent`, `range`, conditions).
    #[default]
    DropCredentials,
    /// All go on: the provider or the caller asked for it.
    KeepAll,
}

/// Client certificate and key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    pub certificate: String,
    pub key: Secret<String>,
}

/// Limits and manners of one request.
#[derive(Clone, Debug)]
pub struct EgressOptions {
    /// Redirects to follow; 0 returns a 3xx as it is.
    pub max_redirects: u32,
    pub across_origins: AcrossOrigins,
    /// From the start to the end of the body; `None` leaves only the limits on silence.
    pub timeout: Option<Duration>,
    /// Largest body, after decompression.
    pub max_response_bytes: Option<u64>,
    /// Decodes `gzip`, `deflate` and `br`, and removes `content-encoding`.
    pub decompress: bool,
    pub identity: Option<ClientIdentity>,
    /// Where the request and its redirects may go; nothing draws no circle closer than the guard's.
    pub hosts: Option<Hosts>,
}

impl Default for EgressOptions {
    fn default() -> Self {
        Self {
            max_redirects: 5,
            across_origins: AcrossOrigins::DropCredentials,
            timeout: Some(Duration::from_secs(30)),
            max_response_bytes: Some(10 * 1024 * 1024),
            decompress: true,
            identity: None,
            hosts: None,
        }
    }
}

/// A request to the outside.
pub struct EgressRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: EgressBody,
    pub options: EgressOptions,
}

impl EgressRequest {
    /// A request without headers and body, with the default limits: 5 redirects, 30 s, 10 MiB.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: EgressBody::Empty,
            options: EgressOptions::default(),
        }
    }

    /// Parses the URL, too.
    pub fn to(method: Method, url: &str) -> Result<Self, EgressError> {
        let url = Url::parse(url).map_err(|_| EgressError::InvalidUrl(url.to_owned()))?;
        Ok(Self::new(method, url))
    }

    /// Sets a header; refuses names and values that could split the request.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, EgressError> {
        let (name, value) = checked_header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = EgressBody::Bytes(body.into());
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn options(mut self, options: EgressOptions) -> Self {
        self.options = options;
        self
    }
}

impl fmt::Debug for EgressRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and query may hold credentials.
        write!(
            formatter,
            "{} {}://{}{}",
            self.method,
            self.url.scheme(),
            self.url.host_str().unwrap_or_default(),
            self.url.path()
        )
    }
}

/// Checks a header from a caller, a provider definition or metadata: no CR, LF, NUL, no other control character.
pub fn checked_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), EgressError> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| EgressError::InvalidHeaderName(name.escape_debug().to_string()))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| EgressError::InvalidHeaderValue(header.to_string()))?;
    Ok((header, value))
}
