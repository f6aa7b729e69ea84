//! When credentials are due, and how failures are counted. Pure.

use std::time::Duration;

use tenon_core::{
    Timestamp,
    auth::{AuthMode, CredentialsJson},
    limits,
    names::ConnectionPk,
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

/// However short its life: a token must outlast the call that it is read for.
const LAST_MINUTE: Duration = Duration::from_secs(60);

/// What is signed here costs nothing: it is made anew shortly before it ends.
const SIGNED_MARGIN: Duration = Duration::from_secs(60);

/// Up to this much before the margin is a connection due, each at a time of its own.
const MARGIN_SPREAD: Duration = Duration::from_secs(3 * 60);

/// What stands before the cause when the provider was away and has refused nothing.
const OUTAGE: &str = "outage:";

/// Failing calendar days after which nothing is tried any more.
pub(super) const EXHAUSTED_AT: i64 = 4;

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
    if !issue::is_renewable(provider, mode, credentials) {
        return false;
    }
    let declared = provider.token_exchange.as_ref();
    if !forced && declared.is_some_and(|declared| declared.only_when_forced) {
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
    !was_born_expired && expires_at <= now.plus(margin(row, provider, mode, expires_at))
}

fn margin(
    row: &ConnectionRow,
    provider: &Provider,
    mode: AuthMode,
    expires_at: Timestamp,
) -> Duration {
    if !issue::asks_provider(mode) {
        return SIGNED_MARGIN;
    }
    if let Some(seconds) = provider.token_expiration_buffer {
        return Duration::from_secs(seconds);
    }
    let usual = limits::REFRESH_MARGIN + spread(row.pk, MARGIN_SPREAD);
    // A token that never lives as long as the margin would be due at every look.
    let half_a_life = row
        .last_refresh_success
        .map(|success| (expires_at.since(success) / 2).max(LAST_MINUTE));
    half_a_life.map_or(usual, |half| usual.min(half))
}

/// Where in a span a connection has its place: tokens that came in the same minute are not due in the same minute.
pub(super) fn spread(connection: ConnectionPk, span: Duration) -> Duration {
    // Fibonacci hashing: neighbours land far from each other.
    let hash = connection
        .0
        .cast_unsigned()
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        >> 48;
    span.mul_f64(hash as f64 / f64::from(1_u32 << 16))
}

/// Whether the credentials can still be used although they are due. A provider that is away says nothing about them.
pub(super) fn is_usable(row: &ConnectionRow, now: Timestamp) -> bool {
    row.auth_error.as_deref().is_none_or(is_outage)
        && row
            .credentials_expires_at
            .is_none_or(|expires_at| expires_at > now)
}

/// What a connection keeps of a failure: its cause, and whether the provider was away or has refused.
pub(super) fn stored_cause(cause: &str, is_transient: bool) -> String {
    if is_transient {
        format!("{OUTAGE}{cause}")
    } else {
        cause.to_owned()
    }
}

/// Whether a stored cause is that of a provider that was away.
pub(super) fn is_outage(stored: &str) -> bool {
    stored.starts_with(OUTAGE)
}

/// The cause alone.
pub(super) fn bare_cause(stored: &str) -> &str {
    stored.strip_prefix(OUTAGE).unwrap_or(stored)
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

/// Failing days so far, this failure included, and whether that is too many. Days on which the provider was away do
/// not count: only it can say that a grant is dead.
pub(super) fn count_failure(
    row: &ConnectionRow,
    is_transient: bool,
    now: Timestamp,
) -> (i64, bool) {
    if is_transient {
        return (row.refresh_attempts, row.refresh_exhausted);
    }
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
