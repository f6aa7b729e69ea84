//! The formats that zod writes into schemas.

use std::net::{Ipv4Addr, Ipv6Addr};

use tenon_core::Timestamp;
use url::Url;

/// Whether a text has the format; one that is not known here is not looked at.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => Timestamp::parse_iso(text).is_some(),
        "date" => text.len() == 10 && Timestamp::parse_iso(&format!("{text}T00:00:00Z")).is_some(),
        "email" => is_email(text),
        "uri" => Url::parse(text).is_ok(),
        "uuid" | "guid" => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        _ => true,
    }
}

/// Generous: something on both sides of one `@`, and a dot behind it.
fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return false;
    };
    !name.is_empty()
        && !text.contains(char::is_whitespace)
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}
