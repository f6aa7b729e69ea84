//! What of a provider's answer is passed on (auth-and-proxy.md, 10.5).

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::egress::{EgressResponse, ResponseBody};

/// Headers of an ordinary success that are passed on.
const PASSED: &[&str] = &["mcp-session-id", "x-request-id", "x-correlation-id"];

/// Types that say what they are without help.
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The provider's answer.
#[derive(Debug)]
pub struct ProxyReply {
    pub status: StatusCode,
    /// What may be passed on.
    pub headers: HeaderMap,
    pub body: ResponseBody,
}

impl ProxyReply {
    pub(super) fn of(response: EgressResponse, method: &Method, for_dry_run: bool) -> Self {
        let status = response.status;
        let headers = if !status.is_success() {
            error_headers(response.headers)
        } else if for_dry_run || is_streamed(&response) {
            all_headers(response.headers)
        } else {
            few_headers(&response.headers, status, method)
        };
        Self {
            status,
            headers,
            body: response.body,
        }
    }
}

/// A download: chunked, or with a disposition.
fn is_streamed(response: &EgressResponse) -> bool {
    let disposition = response
        .headers
        .get(header::CONTENT_DISPOSITION)
        .map(|value| value.as_bytes().to_ascii_lowercase());
    response.chunked
        || disposition
            .is_some_and(|text| text.starts_with(b"attachment") || text.starts_with(b"inline"))
}

/// All but those that speak for our own origin.
fn all_headers(mut headers: HeaderMap) -> HeaderMap {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
    headers
}

fn error_headers(headers: HeaderMap) -> HeaderMap {
    let mut headers = all_headers(headers);
    let typed = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|kind| {
            let kind = kind.to_ascii_lowercase();
            !kind.contains("charset")
                && (kind.starts_with("application/json") || kind.starts_with("text/"))
        })
        .and_then(|kind| HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok());
    if let Some(kind) = typed {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers
}

fn few_headers(from: &HeaderMap, status: StatusCode, method: &Method) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut pass = |name: HeaderName| {
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    };
    pass(header::CONTENT_TYPE);
    pass(header::CONTENT_LENGTH);
    pass(header::CONTENT_ENCODING);
    for name in PASSED {
        pass(HeaderName::from_static(name));
    }
    let has_body = status != StatusCode::NO_CONTENT && *method != Method::HEAD;
    if has_body && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, BINARY);
    }
    headers
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, StatusCode};

    use super::ProxyReply;
    use crate::egress::{EgressResponse, ResponseBody};

    fn reply(status: u16, chunked: bool, pairs: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let response = EgressResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            url: url::Url::parse("http://a.test/").unwrap(),
            chunked,
            body: ResponseBody::empty(),
        };
        let reply = ProxyReply::of(response, &Method::GET, false);
        let mut shown: Vec<String> = reply
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        shown
    }

    #[test]
    fn an_ordinary_success_keeps_few_headers() {
        let pairs = [
            ("content-type", "application/json"),
            ("x-request-id", "1"),
            ("x-other", "2"),
        ];
        assert_eq!(
            reply(201, false, &pairs),
            ["content-type: application/json", "x-request-id: 1"]
        );
        assert_eq!(
            reply(200, false, &[]),
            ["content-type: application/octet-stream"]
        );
        assert!(reply(204, false, &[]).is_empty());
    }

    #[test]
    fn downloads_and_errors_keep_all_but_ours() {
        let pairs = [("x-other", "2"), ("access-control-allow-origin", "evil")];
        assert_eq!(reply(200, true, &pairs), ["x-other: 2"]);
        let file = [
            ("content-disposition", "Attachment; filename=a"),
            ("x-other", "2"),
        ];
        assert_eq!(reply(200, false, &file).len(), 2);
        let error = [("content-type", "application/json"), ("retry-after", "1")];
        assert_eq!(
            reply(429, false, &error),
            [
                "content-type: application/json; charset=utf-8",
                "retry-after: 1"
            ]
        );
    }
}
