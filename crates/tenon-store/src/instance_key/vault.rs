//! Key services that wrap the instance key, so that it stands nowhere in clear outside this process.

use async_trait::async_trait;
use tenon_core::Secret;

/// A key service outside this process (a cloud's KMS, a vault). It is asked once per start and once per rotation.
#[async_trait]
pub trait KeyVault: Send + Sync + 'static {
    /// Where the key is, for messages: no secrets.
    fn place(&self) -> String;

    /// Wraps an instance key.
    async fn wrap(&self, key: &Secret<[u8; 32]>) -> Result<Vec<u8>, VaultError>;

    /// Unwraps what [`KeyVault::wrap`] gave, under whichever version of the service's key wrapped it.
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Secret<[u8; 32]>, VaultError>;
}

/// Why a key service gave no key. Holds no secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);
