//! Keys that a provider hands out at an address that its requests name.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tenon_core::Secret;
use tenon_providers::webhook::{FetchedKey, SignatureKey, WebhookSignature};
use tracing::warn;
use url::Url;

use super::{
    request::Request,
    source::{is_there, text},
};
use crate::{
    Engine,
    egress::{EgressOptions, EgressRequest},
};

/// Longest wait for a key: the provider waits for our answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document with a key.
const BYTES: u64 = 64 * 1024;

/// The key of the scheme that the request uses; nothing if there is none to fetch, or none to be had.
pub(super) async fn of(
    engine: &Engine,
    rule: &WebhookSignature,
    request: &Request,
) -> Option<Secret> {
    let used = rule
        .schemes
        .iter()
        .find(|scheme| is_there(&scheme.from, request, &request.body))?;
    let wanted = used.key.iter().find_map(|key| match key {
        SignatureKey::Fetched(wanted) => Some(wanted),
        _ => None,
    })?;
    let url = text(&wanted.url, request, &request.body)?;
    if let Some(known) = engine.work.webhook_key(&url, engine.clock.now()) {
        return Some(known);
    }
    let url: Url = url.parse().ok()?;
    if !wanted.trusts(&url) {
        return None;
    }
    match fetch(engine, wanted, url.clone()).await {
        Ok(key) => {
            engine
                .work
                .keep_webhook_key(url.as_str(), &key, engine.clock.now());
            Some(key)
        }
        Err(reason) => {
            warn!(%reason, "a key for the signatures of webhooks could not be fetched");
            None
        }
    }
}

async fn fetch(engine: &Engine, wanted: &FetchedKey, url: Url) -> Result<Secret, String> {
    let request = EgressRequest::new(Method::GET, url).options(EgressOptions {
        max_redirects: 0,
        timeout: Some(TIMEOUT),
        max_response_bytes: Some(BYTES),
        ..EgressOptions::default()
    });
    let response = engine
        .egress
        .send(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status;
    let body = response
        .collect(BYTES)
        .await
        .map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("the provider answered {status}"));
    }
    let document: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    document
        .get(&wanted.member)
        .and_then(Value::as_str)
        .map(|key| Secret::new(key.to_owned()))
        .ok_or_else(|| "the document holds no key".to_owned())
}
