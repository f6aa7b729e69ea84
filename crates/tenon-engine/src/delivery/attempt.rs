//! One request to one endpoint.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tenon_core::{Secret, delivery, limits};
use tenon_store::delivery::{ClaimedDelivery, Finished, Outcome};
use url::Url;

use super::sign::Signing;
use crate::{
    Engine,
    egress::{EgressError, EgressOptions, EgressRequest},
};

/// What this server calls itself.
const USER_AGENT: &str = concat!("tenon/", env!("CARGO_PKG_VERSION"));

/// Where a batch goes.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) url: String,
    pub(super) signing_key: Secret,
}

/// Sends a delivery once; says what is to become of it.
pub(super) async fn attempt(
    engine: &Engine,
    destination: &Destination,
    delivery: &ClaimedDelivery,
) -> Finished {
    let at = engine.clock.now();
    let started = engine.clock.monotonic();
    let answer = match engine.reader().open_delivery(delivery).await {
        Ok((body, headers)) => send(engine, destination, delivery, body, headers).await,
        Err(error) => Err(format!("the stored body cannot be read: {error}")),
    };
    let duration = engine.clock.monotonic().saturating_sub(started);
    let (status, error) = match answer {
        Ok(status) => (
            Some(i64::from(status)),
            (!(200..300).contains(&status)).then(|| format!("the endpoint answered {status}")),
        ),
        Err(error) => (None, Some(error)),
    };
    let outcome = judge(engine, delivery, error.is_none());
    let counted = !matches!(outcome, Outcome::Release(_));
    Finished {
        delivery: delivery.pk,
        fence: delivery.fence,
        attempts: delivery.attempts + i64::from(counted),
        outcome,
        attempt: engine.ids.int(),
        at,
        duration_us: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        status,
        error,
    }
}

/// A delivery that goes back unsent.
pub(super) fn unsent(engine: &Engine, delivery: &ClaimedDelivery) -> Finished {
    let now = engine.clock.now();
    Finished {
        delivery: delivery.pk,
        fence: delivery.fence,
        attempts: delivery.attempts,
        outcome: Outcome::Release(delivery.probe_due.unwrap_or(now)),
        attempt: 0,
        at: now,
        duration_us: 0,
        status: None,
        error: None,
    }
}

fn judge(engine: &Engine, delivery: &ClaimedDelivery, delivered: bool) -> Outcome {
    if delivered {
        return Outcome::Delivered;
    }
    if let Some(due) = delivery.probe_due {
        return Outcome::Release(due);
    }
    match delivery::wait(delivery.attempts + 1, spread(engine)) {
        Some(wait) => Outcome::Retry(engine.clock.now().plus(wait)),
        None => Outcome::Failed,
    }
}

/// A number from 0 to 1.
fn spread(engine: &Engine) -> f64 {
    let mut bytes = [0; 2];
    engine.random.fill(&mut bytes);
    f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX)
}

/// The status of the answer. A redirect is an answer like any other: it is not followed.
async fn send(
    engine: &Engine,
    destination: &Destination,
    delivery: &ClaimedDelivery,
    body: Bytes,
    extra: Option<Bytes>,
) -> Result<u16, String> {
    let request = build(engine, destination, delivery, body, extra).map_err(said)?;
    let response = engine.egress.send(request).await.map_err(said)?;
    let status = response.status.as_u16();
    // Read so that the connection can be used again; what is in it does not matter.
    let _ = response.collect(limits::DELIVERY_ANSWER_BYTES).await;
    Ok(status)
}

fn build(
    engine: &Engine,
    destination: &Destination,
    delivery: &ClaimedDelivery,
    body: Bytes,
    extra: Option<Bytes>,
) -> Result<EgressRequest, EgressError> {
    let url = Url::parse(&destination.url)
        .map_err(|_| EgressError::InvalidUrl(destination.url.clone()))?;
    let mut request = EgressRequest::new(Method::POST, url).options(EgressOptions {
        max_redirects: 0,
        timeout: Some(limits::DELIVERY_TIMEOUT),
        max_response_bytes: Some(limits::DELIVERY_ANSWER_BYTES),
        decompress: false,
        ..EgressOptions::default()
    });
    let extra: Vec<(String, String)> = extra
        .and_then(|headers| serde_json::from_slice(&headers).ok())
        .unwrap_or_default();
    for (name, value) in &extra {
        // A header that a provider sent and that cannot be sent on is no reason to keep the event back.
        if let Ok((name, value)) = crate::egress::checked_header(name, value) {
            request.headers.append(name, value);
        }
    }
    let signing = Signing {
        key: destination.signing_key.expose(),
        id: &delivery.webhook_id,
        at: engine.clock.now(),
        body: &body,
    };
    request = request
        .header("content-type", "application/json")?
        .header("accept", "application/json, text/plain, */*")?
        .header("accept-encoding", "identity")?
        .header("user-agent", USER_AGENT)?;
    for (name, value) in signing.headers() {
        request = request.header(name, &value)?;
    }
    Ok(request.body(body))
}

fn said(error: EgressError) -> String {
    match error {
        EgressError::Refused { reason, .. } => {
            format!("not sent, the URL is not allowed: {reason}")
        }
        other => other.to_string(),
    }
}

/// Time that must be left of a lease before a request begins.
pub(super) const MARGIN: Duration = Duration::from_secs(25);
