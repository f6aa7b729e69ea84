//! Requests and answers.

use axum::{Router, body::Body, http};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A request to come.
pub(crate) struct Request {
    router: Router,
    builder: http::request::Builder,
    body: Bytes,
}

impl Request {
    pub(super) fn new(router: Router, method: &str, path: &str) -> Self {
        let builder = http::Request::builder().method(method).uri(path);
        Self {
            router,
            builder,
            body: Bytes::new(),
        }
    }

    /// Adds a header; `authorization` replaces the one that is there.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self
            .builder
            .headers_mut()
            .expect("method and path are well-formed");
        let name: http::HeaderName = name.parse().expect("a header name");
        headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// Another credential than the secret key.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        tenon_testkit::canaries::add_all(body);
        self.body("application/json", body.to_string())
    }

    /// Any body.
    pub(crate) fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        let mut request = self
            .header("content-type", content_type)
            .header("content-length", &length);
        request.body = body;
        request
    }

    /// Sends it with a body that streams; the answer's body is not read.
    pub(crate) async fn stream(self, body: Body) -> http::Response<Body> {
        let request = self
            .builder
            .body(body)
            .expect("method, path and headers are well-formed");
        let Ok(response) = self.router.oneshot(request).await;
        response
    }

    /// Sends it through the whole router.
    pub(crate) async fn send(self) -> Answer {
        let request = self
            .builder
            .body(Body::from(self.body))
            .expect("method, path and headers are well-formed");
        let Ok(response) = self.router.oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .expect("bodies of tests end")
            .to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

/// What came back.
pub(crate) struct Answer {
    status: http::StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header's text, empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| {
            value.to_str().expect("headers of tests are text")
        })
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.body.clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Code of the error envelope.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// `code path` of each issue in the envelope.
    pub(crate) fn issues(&self) -> Vec<String> {
        let json = self.json();
        let issues = json["error"]["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        issues
            .iter()
            .map(|issue| {
                let path = issue["path"].as_array().expect("a path is a list");
                let path: Vec<String> = path.iter().map(text).collect();
                format!("{} {}", text(&issue["code"]), path.join("."))
            })
            .collect()
    }

    /// Status, code and issues in one line: what clients branch on.
    pub(crate) fn refusal(&self) -> String {
        let mut line = format!("{} {}", self.status(), self.code());
        for issue in self.issues() {
            line.push_str(" | ");
            line.push_str(issue.trim_end());
        }
        line
    }
}
