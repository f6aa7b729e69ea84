//! The one outgoing HTTP client: address guard, limits, redirects.

/// Makes outgoing requests.
#[derive(Clone, Debug)]
pub struct Egress;
