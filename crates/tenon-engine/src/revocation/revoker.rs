//! The loop that sends revocations.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use tenon_core::{Timestamp, function::Cancel};
use tenon_providers::Revocation;
use tenon_store::{
    StoreError,
    revocations::{RevocationOutcome, RevocationRow},
};
use tracing::warn;

use super::{Prepared, Proof, enqueue::form};
use crate::{
    Engine,
    auth::oauth2::assertion::Assertion,
    egress::{EgressOptions, EgressRequest},
};

/// How often the loop looks without being woken.
const LOOK: Duration = Duration::from_secs(5);

/// Revocations of one round.
const ROUND: i64 = 100;

/// Requests at once: providers limit rates, and a kill switch may ask for thousands.
const AT_ONCE: usize = 8;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a round may take; a node that dies leaves its revocations to the others after that.
const LEASE: Duration = Duration::from_secs(600);

/// Largest answer that is read.
const BYTES: u64 = 64 * 1024;

/// Waits between attempts; behind the last one a revocation has failed. About four days in all.
const WAITS: [u64; 11] = [
    5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400, 86_400,
];

/// The loop.
pub struct Revoker {
    engine: Engine,
}

impl Revoker {
    /// A loop over this engine.
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: Cancel) {
        loop {
            let full = match self.round().await {
                Ok(sent) => i64::try_from(sent).unwrap_or(0) == ROUND,
                Err(problem) => {
                    warn!("could not send revocations: {problem}");
                    false
                }
            };
            if full && !shutdown.is_raised() {
                continue;
            }
            tokio::select! {
                () = self.engine.clock.sleep(LOOK) => {}
                () = self.engine.signals.revocations.notified() => {}
                () = shutdown.raised() => return,
            }
        }
    }

    /// Sends what is due; how many there were.
    pub async fn round(&self) -> Result<usize, StoreError> {
        let now = self.engine.clock.now();
        if !self.engine.reader().has_due_revocation(now).await? {
            return Ok(0);
        }
        let until = now.plus(LEASE);
        let claimed = self
            .engine
            .store
            .write(move |tx| async move { tx.claim_revocations(now, until, ROUND).await })
            .await?;
        let count = claimed.len();
        let mut attempts = stream::iter(claimed)
            .map(|(row, request)| self.attempt(row, request))
            .buffer_unordered(AT_ONCE);
        while let Some(ended) = attempts.next().await {
            ended?;
        }
        Ok(count)
    }

    async fn attempt(&self, row: RevocationRow, request: bytes::Bytes) -> Result<(), StoreError> {
        let prepared: Option<Prepared> = serde_json::from_slice(&request).ok();
        let answer = match prepared {
            Some(prepared) => self.send(prepared).await,
            None => Err(("the stored request makes no sense".to_owned(), false)),
        };
        let provider = self.engine.catalogue.find(&row.provider);
        let revocation = provider.and_then(|provider| self.engine.catalogue.revocation(&provider));
        let outcome = judge(revocation.as_deref(), &row, answer, self.engine.clock.now());
        let now = self.engine.clock.now();
        self.engine
            .store
            .write(move |tx| async move {
                tx.end_revocation_attempt(&row, &outcome, now).await?;
                Ok(())
            })
            .await
    }

    fn proven(&self, proof: &Proof) -> Result<String, (String, bool)> {
        let assertion = Assertion {
            client_id: &proof.client_id,
            key: &proof.key,
            audience: &proof.audience,
            now: self.engine.clock.now(),
            id: self.engine.ids.uuid4(),
        };
        let mut params = Map::new();
        let added = assertion.add_to(&mut params);
        added.map_err(|failure| (failure.reason, false))?;
        Ok(form(&params))
    }

    /// Status and body, or why there is none and whether another try may help.
    async fn send(&self, prepared: Prepared) -> Result<(StatusCode, Value), (String, bool)> {
        let never = |what: &str| (what.to_owned(), false);
        let method = Method::from_bytes(prepared.method.as_bytes())
            .map_err(|_| never("the method makes no sense"))?;
        let mut request = EgressRequest::to(method, &prepared.url)
            .map_err(|_| never("the address of the revocation makes no URL"))?
            .options(EgressOptions {
                // A redirect would carry the token to wherever it points.
                max_redirects: 0,
                timeout: Some(TIMEOUT),
                max_response_bytes: Some(BYTES),
                ..EgressOptions::default()
            });
        for (name, value) in &prepared.headers {
            request = request
                .header(name, value)
                .map_err(|_| never("a header makes no sense"))?;
        }
        if let Some(mut body) = prepared.body {
            if let Some(proof) = &prepared.proof {
                body = format!("{body}&{}", self.proven(proof)?);
            }
            request = request.body(body);
        }
        let sent = self.engine.egress.send(request).await;
        let response = sent.map_err(|error| (error.code().to_owned(), true))?;
        let status = response.status;
        let body = response.collect(BYTES).await.unwrap_or_default();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

fn judge(
    revocation: Option<&Revocation>,
    row: &RevocationRow,
    answer: Result<(StatusCode, Value), (String, bool)>,
    now: Timestamp,
) -> RevocationOutcome {
    let attempts = usize::try_from(row.attempts - 1).unwrap_or(0);
    let wait = WAITS.get(attempts).copied();
    let next_at = now.plus(Duration::from_secs(wait.unwrap_or_default()));
    let outcome = |state, status: Option<StatusCode>, error| RevocationOutcome {
        state,
        status: status.map(|status| i64::from(status.as_u16())),
        error,
        next_at,
    };
    let later = |status, error| {
        let state = wait.is_none().then_some("failed");
        outcome(state, status, Some(error))
    };
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err((why, true)) => return later(None, why),
        Err((why, false)) => return outcome(Some("failed"), None, Some(why)),
    };
    let said = |path: &str| body.pointer(&format!("/{}", path.replace('.', "/")));
    if let Some(gone) = revocation.and_then(|rules| rules.gone_when.as_ref()) {
        let text = said(&gone.path).and_then(Value::as_str);
        if let Some(text) = text.filter(|text| gone.one_of.iter().any(|known| known == text)) {
            return outcome(Some("gone"), Some(status), Some(text.to_owned()));
        }
    }
    if status.is_success() {
        let wanted = revocation.and_then(|rules| rules.success.as_ref());
        return match wanted {
            Some(wanted) if said(&wanted.path) != Some(&wanted.equals) => {
                later(Some(status), error_of(&body))
            }
            Some(_) | None => outcome(Some("revoked"), Some(status), None),
        };
    }
    if revocation.is_some_and(|rules| rules.gone.contains(&status.as_u16())) {
        return outcome(Some("gone"), Some(status), None);
    }
    later(Some(status), error_of(&body))
}

/// The error code of an answer; its text stays out, since nobody knows what a provider repeats there.
fn error_of(body: &Value) -> String {
    let code = body.get("error").and_then(Value::as_str);
    let code = code.filter(|code| {
        code.len() <= 64
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    code.unwrap_or("refused").to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::WAITS;

    #[test]
    fn a_provider_may_be_away_for_some_days() {
        let all = Duration::from_secs(WAITS.iter().sum());
        assert!(all > Duration::from_secs(3 * 86_400), "{all:?}");
        assert!(WAITS.is_sorted());
    }
}
