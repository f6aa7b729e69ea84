//! Whether to try again, and when (auth-and-proxy.md, 10.4). Pure.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use regex::Regex;
use serde_json::Value;
use tenon_core::{Timestamp, function::RetryHeader, limits};
use tenon_providers::{Retry, RetryStrategy};

use crate::egress::EgressError;

/// Network failures that another attempt may not meet.
const CODES: &[&str] = &[
    "ECONNRESET",
    "ETIMEDOUT",
    "ECONNABORTED",
    "ECONNREFUSED",
    "EHOSTUNREACH",
    "EAI_AGAIN",
    "UND_ERR_SOCKET",
];

/// First wait without a hint; doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_secs(3);

/// Longest wait without a hint.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Rules of a call: the provider's, and the caller's additions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) provider: Option<&'a Retry>,
    pub(super) retry_on: &'a [u16],
    /// Functions only.
    pub(super) hints: Option<&'a RetryHeader>,
}

/// An answer with an error status.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The start of the body, if somebody reads it.
    pub(super) body: &'a [u8],
}

impl Rules<'_> {
    /// Whether the start of error bodies is needed.
    pub(super) fn read_bodies(&self) -> bool {
        self.provider.is_some_and(|retry| retry.in_body.is_some())
    }

    /// Whether a failed request may be sent again.
    pub(super) fn retries_failure(error: &EgressError) -> bool {
        CODES.contains(&error.code())
    }

    /// Whether a refused request may be sent again.
    pub(super) fn retries(&self, refusal: &Refusal<'_>) -> bool {
        let status = refusal.status.as_u16();
        let listed = match self.provider {
            Some(retry) if !retry.error_code.is_empty() => {
                retry.error_code.iter().any(|rule| covers(rule, status))
            }
            _ => status >= 500 || status == 429 || status == 401,
        };
        let exhausted = self
            .provider
            .and_then(|retry| retry.remaining.as_deref())
            .and_then(|name| header(refusal.headers, name))
            .is_some_and(|left| left == "0");
        listed || exhausted || self.retry_on.contains(&status)
    }

    /// How long to wait after attempt number `attempt` (from 0).
    pub(super) fn wait(
        &self,
        refusal: Option<&Refusal<'_>>,
        attempt: u32,
        now: Timestamp,
    ) -> Duration {
        refusal
            .and_then(|refusal| self.hint(refusal, now))
            .unwrap_or_else(|| {
                FIRST_WAIT
                    .saturating_mul(2_u32.saturating_pow(attempt))
                    .min(LONGEST_WAIT)
            })
            .min(limits::PROXY_WAIT)
    }

    fn hint(&self, refusal: &Refusal<'_>, now: Timestamp) -> Option<Duration> {
        let own = self
            .hints
            .and_then(|hints| from_headers(&hints.at, &hints.after, refusal.headers, now));
        let retry = self.provider;
        own.or_else(|| from_headers(&retry?.at, &retry?.after, refusal.headers, now))
            .or_else(|| in_body(retry?, refusal.body, now))
    }
}

/// `403`, `5xx`, `500-502`.
fn covers(rule: &str, status: u16) -> bool {
    let rule = rule.trim();
    if let Some(class) = rule.strip_suffix("xx") {
        return class.parse() == Ok(status / 100);
    }
    if let Some((from, to)) = rule.split_once('-') {
        return match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(from), Ok(to)) => (from..=to).contains(&status),
            _ => false,
        };
    }
    rule.parse() == Ok(status)
}

/// The longest wait that `at` headers give, else the longest of `after`. An instant that is over counts as absent.
fn from_headers(
    at: &[String],
    after: &[String],
    headers: &HeaderMap,
    now: Timestamp,
) -> Option<Duration> {
    let longest = |names: &[String], read: &dyn Fn(&str) -> Option<Duration>| {
        names
            .iter()
            .filter_map(|name| read(header(headers, name)?))
            .max()
    };
    longest(at, &|text| until(text, now)).or_else(|| longest(after, &|text| seconds(text, now)))
}

fn in_body(retry: &Retry, body: &[u8], now: Timestamp) -> Option<Duration> {
    let rule = retry.in_body.as_ref()?;
    let json: Value = serde_json::from_slice(body).ok()?;
    let text = match at_path(&json, &rule.path)? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let found = Regex::new(rule.pattern()).ok()?.captures(&text)?;
    let value = found.get(1).or_else(|| found.get(0))?.as_str();
    match rule.strategy {
        RetryStrategy::After => seconds(value, now),
        RetryStrategy::At => until(value, now),
    }
}

fn at_path<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(whole) = json.get(path) {
        return Some(whole);
    }
    path.split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .try_fold(json, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        })
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Seconds, or (`Retry-After` allows it) a date.
fn seconds(text: &str, now: Timestamp) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => until(text, now),
    }
}

/// Time until an instant in the future: epoch in seconds or milliseconds, or a date.
fn until(text: &str, now: Timestamp) -> Option<Duration> {
    let at = match text.parse::<f64>() {
        // Seconds reach this number in the year 5138.
        Ok(number) if number < 1e11 => Timestamp::from_micros((number * 1e6) as i64),
        Ok(number) => Timestamp::from_micros((number * 1e3) as i64),
        Err(_) => Timestamp::parse_iso(text).or_else(|| crate::egress::http_date(text))?,
    };
    Some(at.since(now)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;
    use tenon_core::{Timestamp, function::RetryHeader};
    use tenon_providers::Retry;

    use super::{Refusal, Rules, covers};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn retry(value: serde_json::Value) -> Retry {
        serde_json::from_value(value).unwrap()
    }

    fn wait(retry: &Retry, headers: &HeaderMap, body: &[u8]) -> Duration {
        let rules = Rules {
            provider: Some(retry),
            retry_on: &[],
            hints: None,
        };
        let refusal = Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers,
            body,
        };
        rules.wait(Some(&refusal), 1, NOW)
    }

    #[test]
    fn rules_of_statuses() {
        for (rule, status, covered) in [
            ("403", 403, true),
            ("5xx", 503, true),
            ("5xx", 403, false),
            ("500-502", 502, true),
            ("500-502", 503, false),
            ("nonsense", 500, false),
        ] {
            assert_eq!(covers(rule, status), covered, "{rule} {status}");
        }
    }

    #[test]
    fn a_providers_list_replaces_the_usual_statuses() {
        let own = retry(json!({"error_code": ["418"], "remaining": "x-left"}));
        let none = headers(&[]);
        let empty = headers(&[("x-left", "0")]);
        let cases = [
            (None, 500, &none, true),
            (None, 429, &none, true),
            (None, 401, &none, true),
            (None, 404, &none, false),
            (Some(&own), 500, &none, false),
            (Some(&own), 418, &none, true),
            (Some(&own), 403, &empty, true),
            (Some(&own), 409, &none, true),
        ];
        for (provider, status, headers, retried) in cases {
            let rules = Rules {
                provider,
                retry_on: if status == 409 { &[409] } else { &[] },
                hints: None,
            };
            let refusal = Refusal {
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                body: b"",
            };
            assert_eq!(rules.retries(&refusal), retried, "{status}");
        }
    }

    #[test]
    fn the_providers_hint_decides_the_wait() {
        let after = retry(json!({"after": ["retry-after", "x-more"]}));
        let at = retry(json!({"at": "x-reset", "after": "retry-after"}));
        let seconds = Duration::from_secs;
        let cases = [
            (&after, headers(&[("retry-after", "7")]), seconds(7)),
            (
                &after,
                headers(&[("retry-after", "7"), ("x-more", "9.5")]),
                Duration::from_millis(9_500),
            ),
            (&after, headers(&[]), seconds(6)),
            (&after, headers(&[("retry-after", "soon")]), seconds(6)),
            (&after, headers(&[("retry-after", "-5")]), seconds(6)),
            (
                &at,
                headers(&[("x-reset", "1800000020"), ("retry-after", "7")]),
                seconds(20),
            ),
            (&at, headers(&[("x-reset", "1800000020000")]), seconds(20)),
            (
                &at,
                headers(&[("x-reset", "2027-01-15T08:00:30Z")]),
                seconds(30),
            ),
            (
                &at,
                headers(&[("x-reset", "1700000000"), ("retry-after", "7")]),
                seconds(7),
            ),
        ];
        for (retry, headers, wanted) in cases {
            assert_eq!(wait(retry, &headers, b""), wanted, "{headers:?}");
        }
    }

    #[test]
    fn a_wait_can_stand_in_the_body() {
        let rule = retry(
            json!({"in_body": {"path": "error.details[0].text", "value": "/retry in (\\d+)s/", "strategy": "after"}}),
        );
        let body = br#"{"error":{"details":[{"text":"please retry in 12s, thanks"}]}}"#;
        assert_eq!(wait(&rule, &headers(&[]), body), Duration::from_secs(12));
        assert_eq!(
            wait(&rule, &headers(&[]), b"<html>"),
            Duration::from_secs(6)
        );
    }

    #[test]
    fn the_callers_hint_comes_first_and_waits_are_bounded() {
        let provider = retry(json!({"after": "retry-after"}));
        let hints = RetryHeader {
            at: Vec::new(),
            after: vec!["x-own".to_owned()],
        };
        let rules = Rules {
            provider: Some(&provider),
            retry_on: &[],
            hints: Some(&hints),
        };
        let headers = headers(&[("x-own", "2"), ("retry-after", "9")]);
        let refusal = Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: &headers,
            body: b"",
        };
        assert_eq!(rules.wait(Some(&refusal), 0, NOW), Duration::from_secs(2));
        assert_eq!(rules.wait(None, 0, NOW), Duration::from_secs(3));
        assert_eq!(rules.wait(None, 40, NOW), Duration::from_secs(600));
    }
}
