//! Filling a template that becomes a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::{Context, choose, fill, unresolved};

/// What stays as it is inside a value: what JavaScript's `encodeURIComponent` leaves.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Why a template makes no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// These paths have no value.
    #[error("no value for {}", list(.0))]
    Unresolved(Vec<String>),
    /// The filled text is no absolute URL.
    #[error("`{0}` is no absolute URL")]
    NotAUrl(String),
}

fn list(paths: &[String]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    quoted.join(", ")
}

/// Fills a URL template; values are percent-encoded, so that they cannot leave their place.
///
/// Where a value *is* the host, or the whole URL, and encoding it made it no URL (`https%3A%2F%2F…`), it is taken as it
/// was given. A value that is only a part of a host never is: `evil.example/` must not cut off `.zendesk.com`.
pub fn render_url(template: &str, context: &Context<'_>) -> Result<Url, UrlError> {
    let side = resolved(template, context)?;
    let text = fill(side, context, |value| {
        utf8_percent_encode(value, COMPONENT).to_string()
    });
    if let Ok(url) = Url::parse(&text) {
        return Ok(url);
    }
    let decoded = percent_decode_str(&text).decode_utf8_lossy();
    match Url::parse(&decoded) {
        Ok(url) if value_is_host(side) && url.has_host() => Ok(url),
        _ => Err(UrlError::NotAUrl(text)),
    }
}

/// Fills a URL template without encoding, for providers that say so (`authorization_url_skip_encode: [base_url]`).
pub fn render_url_raw(template: &str, context: &Context<'_>) -> Result<Url, UrlError> {
    let text = fill(resolved(template, context)?, context, str::to_owned);
    Url::parse(&text).map_err(|_| UrlError::NotAUrl(text))
}

/// The side of the template that is filled, if it can be.
fn resolved<'t>(template: &'t str, context: &Context<'_>) -> Result<&'t str, UrlError> {
    let missing = unresolved(template, context);
    if missing.is_empty() {
        Ok(choose(template, context))
    } else {
        Err(UrlError::Unresolved(missing))
    }
}

/// Whether the host is exactly one placeholder: `${url}/path`, `https://${hostname}/path`.
fn value_is_host(template: &str) -> bool {
    let behind_scheme = template
        .split_once("://")
        .map_or(template, |(_, rest)| rest);
    let Some(rest) = behind_scheme.strip_prefix("${") else {
        return false;
    };
    match rest.split_once('}') {
        Some((_, behind)) => behind.is_empty() || behind.starts_with(['/', '?', ':']),
        None => false,
    }
}
