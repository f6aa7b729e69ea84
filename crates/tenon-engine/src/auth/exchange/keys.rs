//! Key sets of issuers: fetched through egress, kept for a while, asked for again when a token names a new key.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::jwk::Jwk;
use crate::{
    Engine,
    egress::{EgressOptions, EgressRequest},
};

/// How long a set is believed without another look.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// How long it is believed while its issuer cannot be reached.
const STALE: Duration = Duration::from_secs(3600);

/// A set is fetched at most this often, whatever tokens say about their keys.
const PAUSE: Duration = Duration::from_secs(30);

/// Longest wait for a set, and its largest size: somebody waits for the token.
const TIMEOUT: Duration = Duration::from_secs(5);
const BYTES: u64 = 256 * 1024;

/// Sets that are remembered.
const MOST: usize = 1_000;

/// The key sets that this node has seen, by address.
#[derive(Clone, Default)]
pub(crate) struct KeySets(Arc<Lock<HashMap<String, Arc<Mutex<KeySet>>>>>);

impl fmt::Debug for KeySets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeySets")
    }
}

#[derive(Default)]
struct KeySet {
    keys: Arc<Vec<Jwk>>,
    /// By the monotonic clock.
    fetched: Option<Duration>,
    tried: Option<Duration>,
}

impl KeySets {
    fn of(&self, url: &str) -> Arc<Mutex<KeySet>> {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MOST && !sets.contains_key(url) {
            sets.clear();
        }
        Arc::clone(sets.entry(url.to_owned()).or_default())
    }
}

/// The keys at an address, in which the one that is looked for is likely to be. One request at a time and address.
pub(super) async fn find(
    engine: &Engine,
    url: &str,
    key_id: Option<&str>,
) -> Result<Arc<Vec<Jwk>>, String> {
    let set = engine.refreshes.key_sets.of(url);
    let mut set = set.lock().await;
    let now = engine.clock.monotonic();
    let within = |at: Option<Duration>, limit| at.is_some_and(|at| now.saturating_sub(at) < limit);
    let has_key = key_id.is_none_or(|id| set.keys.iter().any(|key| key.id.as_deref() == Some(id)));
    let is_good = within(set.fetched, FRESH) && has_key;
    if !is_good && !within(set.tried, PAUSE) {
        set.tried = Some(now);
        match fetch(engine, url).await {
            Ok(keys) => {
                set.keys = Arc::new(keys);
                set.fetched = Some(now);
            }
            Err(reason) => {
                tracing::warn!(%reason, "the keys of a trusted issuer could not be fetched");
            }
        }
    }
    if within(set.fetched, STALE) {
        return Ok(Arc::clone(&set.keys));
    }
    Err("the keys of the issuer cannot be had at the moment".to_owned())
}

async fn fetch(engine: &Engine, url: &str) -> Result<Vec<Jwk>, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let options = EgressOptions {
        max_redirects: 0,
        timeout: Some(TIMEOUT),
        max_response_bytes: Some(BYTES),
        ..EgressOptions::default()
    };
    let request = EgressRequest::new(Method::GET, url).options(options);
    let response = engine.egress.send(request).await;
    let response = response.map_err(|error| error.to_string())?;
    let status = response.status;
    let body = response.collect(BYTES).await;
    let body = body.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("the issuer answered {status}"));
    }
    let document: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Jwk::all(&document).ok_or_else(|| "the document holds no keys".to_owned())
}
