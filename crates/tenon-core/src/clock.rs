//! Instants and the source of time.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01 UTC. The unit of every stored time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, cut down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, cut down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant plus a duration; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// This instant minus a duration; saturates.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-01-02T03:04:05.678Z`: the form of dates in most answers.
    pub fn iso_millis(self) -> String {
        self.formatted("%Y-%m-%dT%H:%M:%S%.3fZ", self.millis() * 1_000)
    }

    /// `2026-01-02T03:04:05.678+00:00`: the form of dates in connection answers (auth-and-proxy.md, 3.3).
    pub fn iso_millis_offset(self) -> String {
        self.formatted("%Y-%m-%dT%H:%M:%S%.3f+00:00", self.millis() * 1_000)
    }

    /// `2026-01-02T03:04:05.678901+00:00`: the form of record times; trailing zeros of the fraction are dropped and a
    /// whole second has no fraction at all (records.md, 3.1).
    pub fn iso_micros_offset(self) -> String {
        let text = self.formatted("%Y-%m-%dT%H:%M:%S%.6f", self.0);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        format!("{short}+00:00")
    }

    /// Reads an ISO 8601 instant with `Z` or a numeric offset.
    pub fn parse_iso(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|instant| Self(instant.as_microsecond()))
    }

    fn formatted(self, format: &str, micros: i64) -> String {
        let instant =
            jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        instant.strftime(format).to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.iso_millis())
    }
}

/// The source of time. Loops wait with [`Clock::sleep`], so that a test clock moves them.
pub trait Clock: Send + Sync + 'static {
    /// The current instant. May jump when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point; never goes back. For leases and deadlines.
    fn monotonic(&self) -> Duration;

    /// Ends after `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A clock that rooms share.
pub type SharedClock = Arc<dyn Clock>;

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn record_times_drop_trailing_zeros() {
        let cases = [
            (1_735_725_600_123_456, "2025-01-01T10:00:00.123456+00:00"),
            (1_735_725_600_120_000, "2025-01-01T10:00:00.12+00:00"),
            (1_735_725_600_000_000, "2025-01-01T10:00:00+00:00"),
        ];
        for (micros, text) in cases {
            assert_eq!(Timestamp::from_micros(micros).iso_micros_offset(), text);
            assert_eq!(
                Timestamp::parse_iso(text),
                Some(Timestamp::from_micros(micros))
            );
        }
    }

    #[test]
    fn answers_cut_to_milliseconds() {
        let instant = Timestamp::from_micros(1_735_725_600_123_999);
        assert_eq!(instant.iso_millis(), "2025-01-01T10:00:00.123Z");
        assert_eq!(instant.iso_millis_offset(), "2025-01-01T10:00:00.123+00:00");
    }
}
