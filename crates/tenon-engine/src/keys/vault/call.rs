//! One call of a key service.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tenon_store::VaultError;
use url::Url;

use crate::egress::{Egress, EgressOptions, EgressPolicy, EgressRequest, Hosts};

/// How long a key service may take: a start waits for it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Largest answer.
const BYTES: u64 = 64 * 1024;

/// Tries, for answers that say "later" and for none at all: key services limit rates, and start when we do.
const TRIES: u32 = 3;

/// Pause before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(300);

/// Calls one host, which the operator has named: it may be private or on loopback, but nothing else may be reached.
pub(super) struct Service {
    egress: Egress,
    pub(super) url: Url,
}

impl Service {
    pub(super) fn new(url: Url) -> Self {
        let everywhere = ["0.0.0.0/0", "::/0"].iter();
        let policy = EgressPolicy {
            allow: everywhere.filter_map(|net| net.parse().ok()).collect(),
            allow_loopback: true,
        };
        Self {
            egress: Egress::new(policy),
            url,
        }
    }

    /// Posts JSON and reads JSON. `headers` are made anew for each try, since signatures hold the time.
    pub(super) async fn post(
        &self,
        url: &Url,
        body: &Value,
        headers: impl Fn(&[u8]) -> Vec<(&'static str, String)>,
    ) -> Result<Value, VaultError> {
        let body = body.to_string().into_bytes();
        let mut pause = PAUSE;
        for attempt in 1.. {
            let (problem, worth_another) = match self.try_once(url, &body, headers(&body)).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if attempt == TRIES || !worth_another {
                return Err(VaultError(problem));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(VaultError("it was not asked".to_owned()))
    }

    async fn try_once(
        &self,
        url: &Url,
        body: &[u8],
        headers: Vec<(&'static str, String)>,
    ) -> Result<Value, (String, bool)> {
        let mut hosts = Hosts::default();
        hosts.add(&self.url);
        let mut request = EgressRequest::new(Method::POST, url.clone()).options(EgressOptions {
            max_redirects: 0,
            timeout: Some(TIMEOUT),
            max_response_bytes: Some(BYTES),
            hosts: Some(hosts),
            ..EgressOptions::default()
        });
        for (name, value) in headers {
            request = request
                .header(name, &value)
                .map_err(|error| (error.to_string(), false))?;
        }
        let sent = self.egress.send(request.body(body.to_vec())).await;
        let response = sent.map_err(|error| (error.to_string(), true))?;
        let status = response.status;
        let answer = response
            .collect(BYTES)
            .await
            .map_err(|error| (error.to_string(), true))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let reason = reason(&answer);
        let later =
            status.is_server_error() || status.as_u16() == 429 || reason.contains("Throttling");
        Err((format!("it answered {status}: {reason}"), later))
    }
}

/// What an error answer says of itself: AWS names a type and a message, Vault lists errors.
fn reason(answer: &Value) -> String {
    let kind = answer["__type"].as_str().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let message = answer["message"]
        .as_str()
        .or_else(|| answer["Message"].as_str());
    let errors: Vec<&str> = answer["errors"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let parts = [kind, message.unwrap_or_default(), &errors.join(", ")];
    let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if said.is_empty() {
        "no reason given".to_owned()
    } else {
        said.join(": ")
    }
}
