//! OAuth 2.0 towards providers: the authorization URL, token requests and what comes back.

pub mod authorize;
pub mod expiry;
pub mod pkce;
pub mod token;

/// The app that we are at the provider.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// Public clients have none.
    pub secret: Option<tenon_core::Secret>,
}
