//! Signatures that providers ask for: small pure functions, time and randomness as parameters.

pub mod jwt;
pub mod key;
pub mod oauth1;
pub mod wsse;

/// A key or a signature request that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the private key cannot be read: {0}")]
    Key(&'static str),
    #[error("the algorithm `{0}` is not supported")]
    Algorithm(String),
    #[error("signing failed")]
    Failed,
}
