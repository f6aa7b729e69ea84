//! Requests per minute and environment (auth-and-proxy.md, 1.4). Off unless the operator sets a number.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tenon_core::names::EnvironmentPk;

use crate::{ApiError, App, ErrorCode, caller};

const WINDOW_S: i64 = 60;

/// Points that a request of nobody we know costs.
const STRANGER_POINTS: u32 = 10;

static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Points spent in the current minute. Each node counts for itself.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limit: Option<u32>,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    minute: i64,
    spent: HashMap<Bucket, u32>,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Environment(EnvironmentPk),
    Strangers,
    /// Webhooks of one integration, which may exist or not.
    Inbound(u16),
}

impl Bucket {
    /// Who sends to these names shares a bucket with few others: there are only so many, whatever strangers invent.
    pub(crate) fn inbound(environment: &str, integration: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (environment, integration).hash(&mut hasher);
        Self::Inbound(hasher.finish() as u16)
    }
}

/// What is left after a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    limit: u32,
    remaining: u32,
    reset_s: i64,
    pub(crate) refused: bool,
}

impl Balance {
    /// Seconds until the next minute begins.
    pub(crate) fn reset_in_s(&self, now_s: i64) -> u64 {
        u64::try_from(self.reset_s - now_s)
            .unwrap_or_default()
            .max(1)
    }
}

impl RateLimiter {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            window: Mutex::default(),
        }
    }

    /// Takes the points of a request.
    pub(crate) fn spend(&self, limit: u32, bucket: Bucket, now_s: i64) -> Balance {
        let minute = now_s.div_euclid(WINDOW_S);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.minute != minute {
            window.minute = minute;
            window.spent.clear();
        }
        let points = match bucket {
            Bucket::Environment(_) | Bucket::Inbound(_) => 1,
            Bucket::Strangers => STRANGER_POINTS,
        };
        let spent = window.spent.entry(bucket).or_default();
        *spent = spent.saturating_add(points);
        Balance {
            limit,
            remaining: limit.saturating_sub(*spent),
            reset_s: (minute + 1) * WINDOW_S,
            refused: *spent > limit,
        }
    }
}

/// Counts a request, where requests are counted.
pub(super) async fn count(app: &App, path: &str, headers: &HeaderMap) -> Option<Balance> {
    let limit = app.limiter.limit?;
    // Webhooks of providers have a limit of their own.
    if matches!(path, "/health" | "/ready") || path.starts_with("/webhook/") {
        return None;
    }
    let bucket = match caller::environment_of(app, headers).await {
        Some(environment) => Bucket::Environment(environment),
        None => Bucket::Strangers,
    };
    let now_s = app.engine.clock.now().secs();
    Some(app.limiter.spend(limit, bucket, now_s))
}

/// The answer to a request that is too much.
pub(super) fn refusal(app: &App, request: &Request, balance: &Balance) -> Response {
    let wait_s = balance.reset_s - app.engine.clock.now().secs();
    let error = ApiError::bare(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequest)
        .member("method", json!(request.method().as_str()))
        .member("path", json!(request.uri().path()));
    let mut response = error.into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(wait_s.max(1)));
    response
}

pub(crate) fn tell(headers: &mut HeaderMap, balance: &Balance) {
    headers.insert(LIMIT.clone(), HeaderValue::from(balance.limit));
    headers.insert(REMAINING.clone(), HeaderValue::from(balance.remaining));
    headers.insert(RESET.clone(), HeaderValue::from(balance.reset_s));
}

#[cfg(test)]
mod tests {
    use tenon_core::names::EnvironmentPk;

    use super::{Bucket, RateLimiter};

    #[test]
    fn a_minute_holds_so_many_requests() {
        let limiter = RateLimiter::new(Some(3));
        let spend = |now_s| limiter.spend(3, Bucket::Environment(EnvironmentPk(1)), now_s);
        assert_eq!(spend(61).remaining, 2);
        assert_eq!(spend(62).remaining, 1);
        assert!(!spend(63).refused);
        let over = spend(64);
        assert!(over.refused);
        assert_eq!(over.reset_s, 120);
        assert!(!spend(120).refused, "a new minute begins");
    }

    #[test]
    fn environments_do_not_pay_for_each_other() {
        let limiter = RateLimiter::new(Some(1));
        assert!(
            !limiter
                .spend(1, Bucket::Environment(EnvironmentPk(1)), 0)
                .refused
        );
        assert!(
            !limiter
                .spend(1, Bucket::Environment(EnvironmentPk(2)), 0)
                .refused
        );
        assert!(
            limiter
                .spend(1, Bucket::Environment(EnvironmentPk(1)), 0)
                .refused
        );
        assert!(
            limiter.spend(1, Bucket::Strangers, 0).refused,
            "strangers pay ten points"
        );
    }
}
