//! When two requests count as the same (functions.md, 5.3).

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tenon_core::function::{ProxyBody, ProxyCall, ProxyParams};
use url::Url;

use super::json_text;

/// Longer data is replaced by its hash.
const DATA_UNITS: usize = 1_000;

/// Headers that say nothing about what is asked.
const IGNORED_HEADERS: [&str; 16] = [
    "authorization",
    "user-agent",
    "nango-proxy-user-agent",
    "accept-encoding",
    "retries",
    "host",
    "connection-id",
    "provider-config-key",
    "nango-is-sync",
    "nango-is-script",
    "nango-is-dry-run",
    "nango-activity-log-id",
    "content-length",
    "accept",
    "base-url-override",
    "retry-on",
];

/// The parts of a request that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Lower case.
    pub(super) method: String,
    /// Path without leading slash, percent-normalised.
    pub(super) endpoint: String,
    pub(super) params: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Option<String>,
}

impl Identity {
    /// The identity of a call.
    pub(super) fn of(call: &ProxyCall) -> Self {
        let url = url(&call.endpoint);
        let path = url.as_ref().map_or(call.endpoint.as_str(), Url::path);
        let path = path.strip_prefix("/proxy/").unwrap_or(path);
        let query = url
            .as_ref()
            .map_or_else(Vec::new, |url| url.query_pairs().into_owned().collect());
        Self {
            method: call.method.to_lowercase(),
            endpoint: path.trim_start_matches('/').to_owned(),
            params: params(query, call.params.as_ref()),
            headers: headers(&call.headers),
            data: data(&call.body),
        }
    }

    /// Hex SHA-1 of the JSON text of all parts.
    pub(super) fn hash(&self) -> String {
        let mut parts = json!({
            "method": self.method,
            "endpoint": self.endpoint,
            "params": self.params,
            "headers": self.headers,
        });
        if let Some(data) = &self.data {
            parts["data"] = json!(data);
        }
        sha1(&parts.to_string())
    }
}

/// The identity of recorded data.
pub(super) fn of_data(data: &Value) -> Option<String> {
    match data {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        Value::String(text) => Some(shortened(text.clone())),
        other => Some(shortened(json_text::of(other))),
    }
}

/// `String(value)` of a recorded parameter or header.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => json_text::of(other),
    }
}

/// Whether a content type is that of forms.
pub(super) fn is_form(content_type: &str) -> bool {
    content_type.starts_with("application/x-www-form-urlencoded")
}

/// An absolute address, or a path below some host: the host does not count.
fn url(endpoint: &str) -> Option<Url> {
    if endpoint.starts_with("http://") || endpoint.starts_with("https://") {
        return Url::parse(endpoint).ok();
    }
    let path = endpoint.trim_start_matches('/');
    Url::parse(&format!("https://host.invalid/{path}")).ok()
}

fn params(mut query: Vec<(String, String)>, given: Option<&ProxyParams>) -> Vec<(String, String)> {
    match given {
        None => {}
        Some(ProxyParams::Text(text)) => {
            let text = text.strip_prefix('?').unwrap_or(text);
            query.extend(url::form_urlencoded::parse(text.as_bytes()).into_owned());
        }
        Some(ProxyParams::Pairs(pairs)) => {
            for (key, value) in pairs {
                set(&mut query, key, value);
            }
        }
    }
    query.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    query
}

/// `URLSearchParams.set`: the first of that name gets the value, others of it go.
fn set(query: &mut Vec<(String, String)>, key: &str, value: &str) {
    let mut found = false;
    query.retain_mut(|(name, old)| {
        if name != key {
            return true;
        }
        let first = !found;
        found = true;
        value.clone_into(old);
        first
    });
    if !found {
        query.push((key.to_owned(), value.to_owned()));
    }
}

fn headers(given: &[(String, String)]) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        let name = match name.get(.."nango-proxy-".len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case("nango-proxy-") => &name[prefix.len()..],
            _ => name,
        };
        let lower = name.to_lowercase();
        let duplicate = kept.iter().any(|(known, _)| known.to_lowercase() == lower);
        if duplicate || ignored(&lower, value) {
            continue;
        }
        kept.push((name.to_owned(), value.clone()));
    }
    kept.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    kept
}

fn ignored(name: &str, value: &str) -> bool {
    IGNORED_HEADERS.contains(&name)
        || name == "forward-headers-on-redirect"
        || (name == "content-type"
            && (value == "application/json" || value == "undefined" || is_form(value)))
}

fn data(body: &ProxyBody) -> Option<String> {
    match body {
        ProxyBody::Empty => None,
        ProxyBody::Text(text) if text.is_empty() => None,
        ProxyBody::Text(text) => Some(shortened(text.clone())),
        ProxyBody::Bytes(bytes) => Some(shortened(BASE64.encode(bytes))),
        // Objects without own fields in the eyes of `JSON.stringify`.
        ProxyBody::Form(_) => Some("{}".to_owned()),
        ProxyBody::Json(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            let falsy = matches!(text.as_str(), "" | "null" | "false" | "0" | "\"\"");
            (!falsy).then(|| shortened(text))
        }
    }
}

fn shortened(text: String) -> String {
    if text.encode_utf16().count() > DATA_UNITS {
        format!("sha1:{}", sha1(&text))
    } else {
        text
    }
}

fn sha1(text: &str) -> String {
    hex::encode(digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        text.as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use tenon_core::function::{ProxyBody, ProxyCall, ProxyParams};

    use super::Identity;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn endpoint_and_query_are_normalised() {
        for (endpoint, path) in [
            ("/v1/a b/ü", "v1/a%20b/%C3%BC"),
            ("v1/x", "v1/x"),
            ("https://example.com/v1/x?z=1", "v1/x"),
            ("/proxy/v1/x", "v1/x"),
            ("/a/../b", "b"),
        ] {
            let call = ProxyCall {
                endpoint: endpoint.to_owned(),
                ..ProxyCall::default()
            };
            assert_eq!(Identity::of(&call).endpoint, path);
        }
        let call = ProxyCall {
            endpoint: "/x?b=1&a=2&b=3".to_owned(),
            params: Some(ProxyParams::Pairs(pairs(&[("b", "9"), ("0", "1,2")]))),
            ..ProxyCall::default()
        };
        assert_eq!(
            Identity::of(&call).params,
            pairs(&[("0", "1,2"), ("a", "2"), ("b", "9")])
        );
        let call = ProxyCall {
            endpoint: "/x?b=1".to_owned(),
            params: Some(ProxyParams::Text("?b=2&a=%20".to_owned())),
            ..ProxyCall::default()
        };
        assert_eq!(
            Identity::of(&call).params,
            pairs(&[("a", " "), ("b", "1"), ("b", "2")])
        );
    }

    #[test]
    fn technical_headers_do_not_count() {
        let call = ProxyCall {
            headers: pairs(&[
                ("Nango-Proxy-X-Version", "1"),
                ("x-version", "2"),
                ("Authorization", "secret"),
                ("Content-Type", "application/json"),
                ("B", "2"),
                ("a", "1"),
            ]),
            ..ProxyCall::default()
        };
        assert_eq!(
            Identity::of(&call).headers,
            pairs(&[("B", "2"), ("X-Version", "1"), ("a", "1")])
        );
    }

    #[test]
    fn long_data_is_hashed_and_nothing_is_nothing() {
        let data = |body| {
            let call = ProxyCall {
                body,
                ..ProxyCall::default()
            };
            Identity::of(&call).data
        };
        assert_eq!(data(ProxyBody::Text(String::new())), None);
        assert_eq!(data(ProxyBody::Json("0".into())), None);
        assert_eq!(data(ProxyBody::Json("{}".into())).as_deref(), Some("{}"));
        assert_eq!(data(ProxyBody::Bytes("hi".into())).as_deref(), Some("aGk="));
        assert_eq!(
            data(ProxyBody::Text("x".repeat(1_000))),
            Some("x".repeat(1_000))
        );
        // sha1 of 1001 times "x", computed elsewhere.
        assert!(
            data(ProxyBody::Text("x".repeat(1_001)))
                .unwrap()
                .starts_with("sha1:")
        );
    }
}
