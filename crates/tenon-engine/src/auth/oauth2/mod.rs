//! OAuth 2.0 towards providers: the authorization URL, token requests and what comes back.

pub mod assertion;
pub mod authorize;
pub mod expiry;
pub mod pkce;
pub mod token;

/// The app that we are at the provider.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// Public clients have none. Where a provider asks for `private_key_jwt` it is the private key.
    pub secret: Option<tenon_core::Secret>,
}
