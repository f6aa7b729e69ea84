//! What `format` means, for the formats that schemas of functions use.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;
use uuid::Uuid;

use crate::Timestamp;

/// Whether a text is of a format; unknown formats fit.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => Timestamp::parse_iso(&text.to_uppercase()).is_some(),
        "date" => is_date(text),
        "email" => is_email(text),
        "uri" | "url" => Url::parse(text).is_ok(),
        "uuid" => text.len() == 36 && Uuid::try_parse(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        _ => true,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == "2026-01-02".len() && Timestamp::parse_iso(&format!("{text}T00:00:00Z")).is_some()
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    plain(local) && plain(domain) && domain.contains('.') && !domain.starts_with('.')
}
