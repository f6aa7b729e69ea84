//! The one outgoing HTTP client: address guard, limits, redirects (DESIGN, 6).
//!
//! Everything Tenon asks of the outside goes through [`Egress::send`]. A name is resolved once per connection, every
//! address is checked, and the socket is opened to a checked address; connections are kept alive per origin.

mod error;
mod request;
mod response;

pub use error::{EgressError, Refused};
pub use request::{AcrossOrigins, ClientIdentity, EgressBody, EgressOptions, EgressRequest};
pub use response::{EgressResponse, ResponseBody};

/// What an operator allows.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Private ranges that are open (`--allow-egress`). Link-local and metadata addresses never open.
    pub allow: Vec<ipnet::IpNet>,
    /// Opens loopback (`tenon dev`).
    pub allow_loopback: bool,
}

/// Makes outgoing requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Egress {
    _policy: EgressPolicy,
}

impl Egress {
    /// A client that keeps to this policy.
    pub fn new(policy: EgressPolicy) -> Self {
        Self { _policy: policy }
    }

    /// Sends a request, follows redirects as its options say, and returns once the head of the answer is there. Any
    /// status is an answer; an error means that there was none.
    pub async fn send(&self, _request: EgressRequest) -> Result<EgressResponse, EgressError> {
        unimplemented!()
    }

    /// Whether the guard lets this URL through now: scheme, host and every resolved address. For checks when a URL is
    /// saved; [`Egress::send`] checks again.
    pub async fn check(&self, _url: &url::Url) -> Result<(), EgressError> {
        unimplemented!()
    }
}
