//! Calls of our own public API, inside the process: pages show exactly what a client would get.

use axum::{
    body::Body,
    http::{Method, Request},
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tenon_core::{Secret, Timestamp};
use tower::ServiceExt as _;

use crate::{App, router};

/// Largest answer that a page shows.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// Whom a call is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) integration: String,
    pub(crate) connection_id: String,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) at: Timestamp,
    pub(crate) millis: u128,
}

impl Called {
    /// Whether it worked.
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Calls with one key of an environment.
pub(crate) struct Api<'a> {
    pub(crate) app: &'a App,
    pub(crate) key: &'a Secret,
}

impl Api<'_> {
    pub(crate) async fn get(&self, path: &str, target: Option<&Target>) -> Called {
        self.send(Method::GET, path, target, None).await
    }

    pub(crate) async fn post(&self, path: &str, target: Option<&Target>, body: &Value) -> Called {
        self.send(Method::POST, path, target, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        target: Option<&Target>,
        body: Option<&Value>,
    ) -> Called {
        let clock = &self.app.engine.clock;
        let (at, started) = (clock.now(), clock.monotonic());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key.expose()));
        if let Some(target) = target {
            request = request
                .header("connection-id", &target.connection_id)
                .header("provider-config-key", &target.integration);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (status, body) = match request.body(body) {
            Ok(request) => self.answer(request).await,
            Err(problem) => (0, Value::String(problem.to_string())),
        };
        let millis = clock.monotonic().saturating_sub(started).as_millis();
        Called {
            status,
            body,
            at,
            millis,
        }
    }

    async fn answer(&self, request: Request<Body>) -> (u16, Value) {
        let Ok(response) = router::router(self.app.clone()).oneshot(request).await;
        let status = response.status().as_u16();
        let body = http_body_util::Limited::new(response.into_body(), BODY_BYTES);
        let body = match body.collect().await {
            Ok(collected) => serde_json::from_slice(&collected.to_bytes()).unwrap_or(Value::Null),
            Err(_) => Value::Null,
        };
        (status, body)
    }
}
