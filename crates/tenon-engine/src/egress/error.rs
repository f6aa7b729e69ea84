//! Why a request had no answer.

use std::{error::Error, io, net::IpAddr};

use super::{
    connect::io_code,
    tls::{tls_code, tls_detail},
};

/// Why the guard refused an address. Names follow auth-and-proxy.md, section 12.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("only http and https are allowed, not `{0}`")]
    Scheme(String),
    #[error("the URL has no host")]
    NoHost,
    #[error("the host `{0}` is never allowed")]
    Host(String),
    #[error("the address {address} of `{host}` is {range}")]
    Address {
        host: String,
        address: IpAddr,
        range: &'static str,
    },
    #[error("a redirect from https to http (`{0}`)")]
    Downgrade(String),
    /// The request may go to certain hosts only.
    #[error(
        "`{0}` is no host of the connection's provider, and functions of this environment may reach no other"
    )]
    Elsewhere(String),
}

/// Why a request had no answer, or its body no end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EgressError {
    #[error("`{0}` is not a URL")]
    InvalidUrl(String),
    #[error("header name `{0}` is not allowed")]
    InvalidHeaderName(String),
    #[error("the value of header `{0}` holds a character that is not allowed")]
    InvalidHeaderValue(String),
    #[error("the request has more than {limit} headers or {bytes} header bytes")]
    HeadersTooLarge { limit: usize, bytes: usize },
    /// The address guard said no, on the first hop or on a redirect.
    #[error("refused: {reason}")]
    Refused {
        #[source]
        reason: Refused,
        /// 0 for the URL of the request, 1 to 5 for redirects.
        hop: u32,
    },
    #[error("`{host}` does not resolve: {detail}")]
    Resolve { host: String, detail: String },
    /// `code` is the name Node gives it: `ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT`, `EHOSTUNREACH`, ...
    #[error("{detail}")]
    Transport { code: &'static str, detail: String },
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(std::time::Duration),
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    #[error("a redirect with `{0}` as its target")]
    InvalidRedirect(String),
    /// A 307 or 308 wants a body again that was streamed and is gone.
    #[error("a redirect asks for the body again, but it was streamed")]
    BodyGone,
    #[error("the answer is not HTTP: {0}")]
    Protocol(String),
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    #[error("the answer inflates more than {0} times")]
    Inflates(u64),
    #[error("the body cannot be decompressed: {0}")]
    Decompress(String),
    #[error("the client certificate or its key cannot be used: {0}")]
    ClientIdentity(String),
    /// The caller's own body stream failed.
    #[error("reading the request body failed: {0}")]
    RequestBody(String),
}

impl EgressError {
    /// The code that Axios would give (auth-and-proxy.md, 10.4 and 10.5).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl(_) => "ERR_INVALID_URL",
            Self::InvalidHeaderName(_) => "ERR_INVALID_HTTP_TOKEN",
            Self::InvalidHeaderValue(_) => "ERR_INVALID_CHAR",
            Self::HeadersTooLarge { .. } | Self::Protocol(_) => "HPE_INVALID_CONSTANT",
            Self::Refused { .. } => "ERR_EGRESS_DENIED",
            Self::Resolve { .. } => "ENOTFOUND",
            Self::Transport { code, .. } => code,
            Self::Timeout(_) => "ECONNABORTED",
            Self::TooManyRedirects(_) => "ERR_FR_TOO_MANY_REDIRECTS",
            Self::InvalidRedirect(_) | Self::BodyGone => "ERR_FR_REDIRECTION_FAILURE",
            Self::TooLarge(_) => "ERR_BAD_RESPONSE",
            Self::Inflates(_) | Self::Decompress(_) => "Z_DATA_ERROR",
            Self::ClientIdentity(_) => "ERR_TLS_CERT",
            Self::RequestBody(_) => "ERR_CANCELED",
        }
    }
}

/// What the client's error was, found in its chain of sources.
pub(super) fn from_client(failure: hyper_util::client::legacy::Error) -> EgressError {
    let mut source: Option<&(dyn Error + 'static)> = failure.source();
    while let Some(error) = source {
        if let Some(ours) = error.downcast_ref::<EgressError>() {
            return ours.clone();
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            return from_hyper(hyper);
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return from_io(io);
        }
        source = error.source();
    }
    EgressError::Transport {
        code: "ECONNRESET",
        detail: failure.to_string(),
    }
}

/// What an error of the HTTP layer was.
pub(super) fn from_hyper(error: &hyper::Error) -> EgressError {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(ours) = inner.downcast_ref::<EgressError>() {
            return ours.clone();
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return from_io(io);
        }
        source = inner.source();
    }
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        return EgressError::Protocol(error.to_string());
    }
    EgressError::Transport {
        code: "ECONNRESET",
        detail: "socket hang up".to_owned(),
    }
}

fn from_io(error: &io::Error) -> EgressError {
    if let Some(inner) = error.get_ref() {
        if let Some(ours) = inner.downcast_ref::<EgressError>() {
            return ours.clone();
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return EgressError::Transport {
                code: tls_code(tls),
                detail: tls_detail(tls),
            };
        }
        // The TLS connector wraps an I/O error in another one.
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return from_io(io);
        }
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => EgressError::Transport {
            code: "ECONNRESET",
            detail: "socket hang up".to_owned(),
        },
        _ => {
            let code = io_code(error);
            EgressError::Transport {
                code,
                detail: format!("read {code}"),
            }
        }
    }
}
