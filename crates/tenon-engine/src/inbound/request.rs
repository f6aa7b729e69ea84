//! A request of a provider, as it came and as it is kept.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Headers that are ours or belong to the connection to us; names that begin like this are not passed on (webhooks.md,
/// 1.6).
const NOT_FORWARDED: &[&str] = &[
    "host",
    "authorization",
    "connection",
    "keep-alive",
    "content-length",
    "content-type",
    "content-encoding",
    "cookie",
    "set-cookie",
    "referer",
    "user-agent",
    "sec-",
    "proxy-",
    "www-authenticate",
    "server",
];

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub method: String,
    pub request: Request,
    /// The bytes that a signature is over.
    pub raw: Bytes,
}

/// What routing looks at, kept until it is done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    /// Lower-case names, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Value,
}

impl Incoming {
    /// A request with a body that was read already: JSON, the fields of a form, or a text.
    pub const fn new(
        method: String,
        headers: Vec<(String, String)>,
        query: Vec<(String, String)>,
        body: Value,
        raw: Bytes,
    ) -> Self {
        Self {
            method,
            request: Request {
                headers,
                query,
                body,
            },
            raw,
        }
    }
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The headers that the app gets along.
    pub(super) fn forwarded_headers(&self) -> Vec<(String, String)> {
        let kept = |name: &str| !NOT_FORWARDED.iter().any(|start| name.starts_with(start));
        self.headers
            .iter()
            .filter(|(name, _)| kept(name))
            .cloned()
            .collect()
    }

    /// All headers, for providers that say everything there.
    pub(super) fn headers_object(&self) -> Value {
        let secret = |name: &str| matches!(name, "authorization" | "cookie");
        let object: Map<String, Value> = self
            .headers
            .iter()
            .filter(|(name, _)| !secret(name))
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        Value::Object(object)
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn what_belongs_to_the_connection_is_not_passed_on() {
        let names = [
            "x-kept",
            "accept",
            "host",
            "authorization",
            "sec-fetch-mode",
            "cookie",
            "server-timing",
            "linear-signature",
        ];
        let request = Request {
            headers: names.map(|name| (name.to_owned(), "v".to_owned())).into(),
            ..Request::default()
        };
        let kept: Vec<String> = request
            .forwarded_headers()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(kept, ["x-kept", "accept", "linear-signature"]);
    }
}
