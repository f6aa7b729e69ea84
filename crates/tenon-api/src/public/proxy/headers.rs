//! The headers that steer the proxy, and those that pass it (auth-and-proxy.md, 10.1).

use axum::http::{HeaderMap, HeaderName};
use tenon_core::limits;

use crate::{ApiError, ErrorCode, error::Issue, validate::is_web_url};

/// Only headers with this prefix reach the provider.
const PREFIX: &str = "nango-proxy-";

/// What the headers say.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) integration: String,
    pub(super) connection: String,
    pub(super) operation: Option<String>,
    pub(super) retries: u32,
    pub(super) retry_on: Vec<u16>,
    pub(super) base_url_override: Option<String>,
    pub(super) decompress: Option<bool>,
    pub(super) forward_headers_on_redirect: Option<bool>,
    pub(super) for_dry_run: bool,
    pub(super) forwarded: HeaderMap,
}

impl Headers {
    /// Reads and checks them; all issues at once.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut issues = Vec::new();
        let read = Self {
            connection: required(headers, "connection-id", &mut issues),
            integration: required(headers, "provider-config-key", &mut issues),
            operation: text(headers, "nango-activity-log-id")
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            retries: retries(headers, &mut issues),
            retry_on: retry_on(headers, &mut issues),
            base_url_override: base_url(headers, &mut issues),
            decompress: flag(headers, "decompress", &mut issues),
            forward_headers_on_redirect: flag(headers, "forward-headers-on-redirect", &mut issues),
            for_dry_run: text(headers, "nango-is-dry-run") == Some("true"),
            forwarded: forwarded(headers),
        };
        if issues.is_empty() {
            Ok(read)
        } else {
            Err(ApiError::invalid(ErrorCode::InvalidHeaders, issues))
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn issue(code: &'static str, name: &str, message: &str) -> Issue {
    Issue {
        code,
        message: message.to_owned(),
        path: vec![name.to_owned()],
    }
}

fn required(headers: &HeaderMap, name: &str, issues: &mut Vec<Issue>) -> String {
    match headers.get(name) {
        None => issues.push(issue("invalid_type", name, "this header is required")),
        Some(value) if value.is_empty() => {
            issues.push(issue("too_small", name, "must not be empty"));
        }
        Some(value) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => return text.to_owned(),
            Err(_) => issues.push(issue("invalid_type", name, "must be UTF-8")),
        },
    }
    String::new()
}

fn retries(headers: &HeaderMap, issues: &mut Vec<Issue>) -> u32 {
    let Some(given) = text(headers, "retries").map(str::trim) else {
        return 0;
    };
    if given.is_empty() {
        return 0;
    }
    match given.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => {
            (number.min(f64::from(limits::PROXY_RETRIES))) as u32
        }
        Ok(number) if number < 0.0 => {
            issues.push(issue("too_small", "retries", "must not be negative"));
            0
        }
        _ => {
            issues.push(issue("invalid_type", "retries", "must be a number"));
            0
        }
    }
}

fn retry_on(headers: &HeaderMap, issues: &mut Vec<Issue>) -> Vec<u16> {
    let Some(given) = headers.get("retry-on") else {
        return Vec::new();
    };
    let given = given.to_str().unwrap_or("?");
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !given.split(',').all(digits) {
        let message = "must be a list of statuses, for instance `404,409`";
        issues.push(issue("invalid_format", "retry-on", message));
        return Vec::new();
    }
    // A number that is no status retries nothing.
    given
        .split(',')
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn base_url(headers: &HeaderMap, issues: &mut Vec<Issue>) -> Option<String> {
    let given = headers.get("base-url-override")?.to_str().unwrap_or("?");
    if given.is_empty() {
        return None;
    }
    if !is_web_url(given) {
        issues.push(issue("invalid_union", "base-url-override", "Invalid input"));
        return None;
    }
    Some(given.to_owned())
}

fn flag(headers: &HeaderMap, name: &str, issues: &mut Vec<Issue>) -> Option<bool> {
    match headers.get(name)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => {
            issues.push(issue("invalid_value", name, "must be `true` or `false`"));
            None
        }
    }
}

/// The headers for the provider, prefix removed. The parser of the server has already refused line breaks and NUL.
fn forwarded(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(PREFIX)?;
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::Headers;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("connection-id", HeaderValue::from_static("c"));
        map.insert("provider-config-key", HeaderValue::from_static("k"));
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            map.append(name, HeaderValue::from_static(value));
        }
        map
    }

    fn refusal(pairs: &[(&'static str, &'static str)]) -> Vec<String> {
        let error = Headers::read(&headers(pairs)).unwrap_err();
        let issues = error.errors.iter();
        issues
            .map(|issue| format!("{} {}", issue.code, issue.path[0]))
            .collect()
    }

    #[test]
    fn only_prefixed_headers_pass() {
        let given = headers(&[
            ("nango-proxy-x-a", "1"),
            ("nango-proxy-x-b", "2"),
            ("x-c", "3"),
            ("cookie", "a=b"),
            ("nango-proxy-", "no name"),
        ]);
        let read = Headers::read(&given).unwrap();
        let names: Vec<&str> = read.forwarded.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-a", "x-b"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(refusal(&[("retries", "x")]), ["invalid_type retries"]);
        assert_eq!(refusal(&[("retries", "-1")]), ["too_small retries"]);
        assert_eq!(refusal(&[("retry-on", "a,b")]), ["invalid_format retry-on"]);
        assert_eq!(
            refusal(&[("base-url-override", "nope")]),
            ["invalid_union base-url-override"]
        );
        assert_eq!(
            refusal(&[("decompress", "yes")]),
            ["invalid_value decompress"]
        );
        let none = Headers::read(&HeaderMap::new()).unwrap_err();
        assert_eq!(none.errors.len(), 2);
    }

    #[test]
    fn steering_headers_are_read() {
        let given = headers(&[
            ("retries", "2"),
            ("retry-on", "404,409"),
            ("base-url-override", ""),
            ("decompress", "true"),
        ]);
        let read = Headers::read(&given).unwrap();
        assert_eq!((read.retries, read.retry_on), (2, vec![404, 409]));
        assert_eq!(
            (read.base_url_override, read.decompress),
            (None, Some(true))
        );
    }
}
