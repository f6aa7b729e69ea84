//! How the credentials of a connection are doing, and why, in words that an app can act on. Pure.

use tenon_core::Timestamp;
use tenon_store::connections::ConnectionRow;

use super::rules;

/// What an app can do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// Nothing.
    Healthy,
    /// Nothing: the credentials work, but the last try to renew them did not.
    Degraded,
    /// Wait: there are no credentials to use, and they are asked for again.
    Failing,
    /// Ask the person to connect again: nothing is tried any more, unless a read forces it.
    Reconnect,
}

impl HealthState {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Reconnect => "reconnect",
        }
    }
}

/// Why a connection is not healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthReason {
    /// The provider is away, ill or busy: it has said nothing about the grant.
    ProviderUnavailable,
    /// The provider answered, and not with credentials.
    RefreshRefused,
    /// It did so on four days.
    RefreshExhausted,
    /// The provider may have rotated the refresh token, and nobody lived to store the new one.
    RefreshOutcomeLost,
    /// A function of the integration did not accept the connection.
    RejectedByFunction,
}

impl HealthReason {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderUnavailable => "provider_unavailable",
            Self::RefreshRefused => "refresh_refused",
            Self::RefreshExhausted => "refresh_exhausted",
            Self::RefreshOutcomeLost => "refresh_outcome_lost",
            Self::RejectedByFunction => "rejected_by_function",
        }
    }
}

/// How a connection is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: HealthState,
    /// `None`: it is healthy.
    pub reason: Option<HealthReason>,
    /// In one word: `invalid_grant`, `http_503`, ...
    pub cause: Option<String>,
    /// The operation that tells more.
    pub log_id: Option<String>,
    pub last_success: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    /// When somebody who needs the credentials may ask the provider again.
    pub next_attempt: Option<Timestamp>,
    /// Absent: never considered expired.
    pub expires_at: Option<Timestamp>,
}

impl Health {
    /// From the row; `cool_until` is what the provider asked for, if it did.
    pub fn of(row: &ConnectionRow, cool_until: Option<Timestamp>) -> Self {
        let (state, reason) = diagnosis(row);
        let is_retried = matches!(state, HealthState::Degraded | HealthState::Failing);
        let after_failure = row
            .last_refresh_failure
            .map(|failure| failure.plus(rules::BACK_OFF));
        let cause = row.auth_error.as_deref().map(rules::bare_cause);
        Self {
            state,
            reason,
            cause: cause.map(str::to_owned),
            log_id: row.auth_error_log_id.clone(),
            last_success: row.last_refresh_success,
            last_failure: row.last_refresh_failure,
            next_attempt: after_failure.max(cool_until).filter(|_| is_retried),
            expires_at: row.credentials_expires_at,
        }
    }
}

fn diagnosis(row: &ConnectionRow) -> (HealthState, Option<HealthReason>) {
    use HealthReason as Reason;
    let (state, reason) = match row.auth_error.as_deref() {
        Some(rules::OUTCOME_LOST) => (HealthState::Reconnect, Reason::RefreshOutcomeLost),
        Some(_) if row.refresh_exhausted && row.refresh_attempts >= rules::EXHAUSTED_AT => {
            (HealthState::Reconnect, Reason::RefreshExhausted)
        }
        Some(_) if row.refresh_exhausted => (HealthState::Reconnect, Reason::RejectedByFunction),
        Some(cause) if rules::is_outage(cause) => {
            (HealthState::Failing, Reason::ProviderUnavailable)
        }
        Some(_) => (HealthState::Failing, Reason::RefreshRefused),
        None if row.last_refresh_failure.is_some() => {
            (HealthState::Degraded, Reason::ProviderUnavailable)
        }
        None => return (HealthState::Healthy, None),
    };
    (state, Some(reason))
}
