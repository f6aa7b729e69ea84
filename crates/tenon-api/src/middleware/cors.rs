//! Which other origins may read answers (auth-and-proxy.md, 1.1).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{App, error::SameOriginOnly};

const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Accept, Origin, X-Requested-With, \
    Nango-Activity-Log-Id, Nango-Is-Dry-Run, Nango-Is-Sync, Provider-Config-Key, Connection-Id, Sentry-Trace, Baggage";

const EXPOSED_HEADERS: &str = "Authorization, Etag, Content-Type, Content-Length, X-Nango-Signature, \
    X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

/// Only the Connect UI sends this, and it sends cookies.
const TELEMETRY: &str = "/connect/telemetry";

/// What is to be done about other origins with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origins {
    Unmarked,
    Marked,
    Telemetry,
}

impl Origins {
    pub(super) fn of(request: &Request) -> Self {
        match request.uri().path() {
            "/health" | "/ready" => Self::Unmarked,
            TELEMETRY => Self::Telemetry,
            _ => Self::Marked,
        }
    }

    /// The answer to a preflight, if this is one.
    pub(super) fn preflight(self, app: &App, request: &Request) -> Option<Response> {
        if self == Self::Unmarked || request.method() != Method::OPTIONS {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        mark(response.headers_mut(), app, self == Self::Telemetry);
        preflight(response.headers_mut(), self == Self::Telemetry);
        Some(response)
    }

    /// Marks an answer.
    pub(super) fn mark(self, app: &App, response: &mut Response) {
        if self != Self::Unmarked && response.extensions().get::<SameOriginOnly>().is_none() {
            mark(response.headers_mut(), app, self == Self::Telemetry);
        }
    }
}

fn mark(headers: &mut HeaderMap, app: &App, telemetry: bool) {
    if !telemetry {
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(
            headers,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            EXPOSED_HEADERS,
        );
        return;
    }
    let origin = url::Url::parse(&app.engine.settings.connect_url)
        .ok()
        .and_then(|url| HeaderValue::from_str(&url.origin().ascii_serialization()).ok());
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    set(headers, header::VARY, "Origin");
    set(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    set(
        headers,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "content-type",
    );
}

fn preflight(headers: &mut HeaderMap, telemetry: bool) {
    let (allowed, methods, age) = if telemetry {
        ("Authorization, Content-type", "POST", "36000")
    } else {
        (ALLOWED_HEADERS, METHODS, "600")
    };
    set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    set(headers, header::ACCESS_CONTROL_MAX_AGE, age);
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
