//! When credentials expire, as their `expires_at` says.

use serde_json::Value;
use tenon_core::{Timestamp, auth::CredentialsJson};

/// The instant in `expires_at` of credentials in the shape clients read; `None` if they never expire.
pub fn expires_at(credentials: &CredentialsJson) -> Option<Timestamp> {
    credentials
        .get("expires_at")
        .and_then(Value::as_str)
        .and_then(Timestamp::parse_iso)
}
