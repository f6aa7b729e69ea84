//! The demo's app: where its webhooks arrive, and whether their signature is right.

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tenon_core::Timestamp;

use super::Helpdesk;

pub(super) const PATH: &str = "/app/webhooks";

/// Largest webhook that the demo reads.
const BODY_BYTES: usize = 64 * 1024;

/// How many webhooks it remembers.
const KEPT: usize = 50;

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Timestamp,
    pub body: Value,
    /// Whether `X-Nango-Hmac-Sha256` fits the body.
    pub signed: bool,
}

pub(super) fn routes() -> Router<Helpdesk> {
    Router::new()
        .route(PATH, post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
}

async fn receive(State(helpdesk): State<Helpdesk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(parsed) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let at = helpdesk.0.clock.now();
    let mut state = helpdesk.0.state.lock();
    let signed = state
        .signing_key
        .as_ref()
        .zip(headers.get("x-nango-hmac-sha256"))
        .and_then(|(key, given)| Some((key, hex::decode(given.as_bytes()).ok()?)))
        .is_some_and(|(key, given)| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
            hmac::verify(&key, &body, &given).is_ok()
        });
    if !signed {
        return StatusCode::UNAUTHORIZED;
    }
    state.received.push_front(Received {
        at,
        body: parsed,
        signed,
    });
    state.received.truncate(KEPT);
    StatusCode::OK
}
