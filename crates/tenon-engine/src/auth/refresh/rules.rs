//! When credentials are due, and how failures are counted. Pure.

use std::time::Duration;

use tenon_core::{
    Timestamp,
    auth::{AuthMode, CredentialsJson},
    limits,
};
use tenon_providers::Provider;
use tenon_store::connections::ConnectionRow;

use crate::auth::issue;

/// Pause after a failure (auth-and-proxy.md, 7).
pub(super) const BACK_OFF: Duration = Duration::from_secs(30);

/// A forced read this soon after a success takes its result (DESIGN, 6).
pub(super) const JUST_NOW: Duration = Duration::from_secs(2);

/// A token that was expired when it came is used this long before another one is asked for.
const BORN_EXPIRED_PAUSE: Duration = Duration::from_secs(30);

/// What is signed here costs nothing: it is made anew shortly before it ends.
const SIGNED_MARGIN: Duration = Duration::from_secs(60);

/// Failing calendar days after which nothing is tried any more.
const EXHAUSTED_AT: i64 = 4;

/// Cause of the state in which only a new authorization helps.
pub(super) const OUTCOME_LOST: &str = "refresh_outcome_lost";

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whether new credentials are to be asked for.
pub(super) fn is_due(
    row: &ConnectionRow,
    credentials: &CredentialsJson,
    provider: &Provider,
    mode: AuthMode,
    forced: bool,
    now: Timestamp,
) -> bool {
    if !issue::is_renewable(mode, credentials) {
        return false;
    }
    let last_success = row.last_refresh_success;
    if forced {
        return last_success.is_none_or(|success| now.since(success) > JUST_NOW);
    }
    let Some(expires_at) = row.credentials_expires_at else {
        return false;
    };
    let was_born_expired = last_success
        .is_some_and(|success| expires_at <= success && now.since(success) < BORN_EXPIRED_PAUSE);
    !was_born_expired && expires_at <= now.plus(margin(provider, mode))
}

fn margin(provider: &Provider, mode: AuthMode) -> Duration {
    if !issue::asks_provider(mode) {
        return SIGNED_MARGIN;
    }
    provider
        .token_expiration_buffer
        .map_or(limits::REFRESH_MARGIN, Duration::from_secs)
}

/// Whether the credentials can still be used although they are due.
pub(super) fn is_usable(row: &ConnectionRow, now: Timestamp) -> bool {
    row.auth_error.is_none()
        && row
            .credentials_expires_at
            .is_none_or(|expires_at| expires_at > now)
}

/// What remains of the pause after a failure.
pub(super) fn pause(
    row: &ConnectionRow,
    cool_until: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    let after_failure = row
        .last_refresh_failure
        .map(|failure| failure.plus(BACK_OFF));
    let ends = after_failure.max(cool_until)?;
    (ends > now).then(|| ends.since(now))
}

/// Failing days so far, this failure included, and whether that is too many.
pub(super) fn count_failure(row: &ConnectionRow, now: Timestamp) -> (i64, bool) {
    let day = |instant: Timestamp| instant.micros().div_euclid(MICROS_PER_DAY);
    let is_new_day = row
        .last_refresh_failure
        .is_none_or(|failure| day(failure) < day(now));
    let attempts = match row.refresh_attempts {
        0 => 1,
        attempts if is_new_day => attempts + 1,
        attempts => attempts,
    };
    (attempts, attempts >= EXHAUSTED_AT)
}

#[cfg(test)]
mod tests;
