//! When credentials expire, as their `expires_at` says.

use serde_json::Value;
use tenon_core::{Timestamp, auth::CredentialsJson};

use crate::auth::issue;

/// The instant in `expires_at` of credentials in the shape clients read; `None` if they never expire.
pub fn expires_at(credentials: &CredentialsJson) -> Option<Timestamp> {
    let of = |object: &CredentialsJson| {
        let text = object.get("expires_at")?.as_str()?;
        Timestamp::parse_iso(text)
    };
    let beside = credentials.get(issue::KEPT).and_then(Value::as_object);
    // Tokens that go along are renewed together: the first that ends counts.
    let others = beside
        .into_iter()
        .flat_map(|kept| kept.iter().filter(|(name, _)| *name != issue::USER))
        .filter_map(|(_, value)| of(value.as_object()?));
    others.chain(of(credentials)).min()
}
