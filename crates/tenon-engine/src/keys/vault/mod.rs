//! Key services that wrap the instance key, over their HTTP APIs.

mod aws_kms;
mod call;
mod transit;

pub use aws_kms::{AwsKms, AwsKmsOptions};
pub use transit::{Transit, TransitOptions};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tenon_core::Secret;
use tenon_store::VaultError;

/// The key within an answer.
fn instance_key(base64: Option<&str>) -> Result<Secret<[u8; 32]>, VaultError> {
    base64
        .and_then(|text| BASE64_STANDARD.decode(text).ok())
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(Secret::new)
        .ok_or_else(|| VaultError("its answer holds no key of 32 bytes".to_owned()))
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
