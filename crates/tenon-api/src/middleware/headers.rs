//! Headers that every answer carries (auth-and-proxy.md, 12).

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

const SECURITY: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=5184000; includeSubDomains",
    ),
    (header::REFERRER_POLICY, "strict-origin"),
];

/// Marks an answer that a provider gave: it keeps its type as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxied;

/// Adds the security headers where an answer does not bring its own, and spells the charset of our JSON as the
/// reference does. What the proxy passes on keeps its type.
pub(crate) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let proxied = response.extensions().get::<Proxied>().is_some();
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // Which methods a path takes is not told: a wrong one is a page that does not exist.
    if !proxied {
        headers.remove(header::ALLOW);
    }
    let plain_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if plain_json && !proxied {
        let spelled = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, spelled);
    }
    response
}
