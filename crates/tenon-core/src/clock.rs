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
        let mut text = Vec::with_capacity(32);
        self.write_iso_micros_offset(&mut text);
        String::from_utf8(text).expect("digits and signs are UTF-8")
    }

    /// Appends [`Timestamp::iso_micros_offset`]. A page of records has thousands of these, so no formatting machinery.
    pub fn write_iso_micros_offset(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.0.div_euclid(86_400_000_000));
        let micros = self.0.rem_euclid(86_400_000_000).unsigned_abs();
        let seconds = micros / 1_000_000;
        let parts = [
            (year, 4, b'-'),
            (month, 2, b'-'),
            (day, 2, b'T'),
            (seconds / 3_600, 2, b':'),
            (seconds / 60 % 60, 2, b':'),
            (seconds % 60, 2, b'.'),
            (micros % 1_000_000, 6, b'+'),
        ];
        for (value, digits, then) in parts {
            push_digits(out, value, digits);
            out.push(then);
        }
        out.pop();
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
        out.extend_from_slice(b"+00:00");
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

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar; years before 0 become 0.
fn civil(days: i64) -> (u64, u64, u64) {
    // Years begin in March, so that the leap day is the last one; eras have 400 of them.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (
        u64::try_from(year).unwrap_or(0),
        month.unsigned_abs(),
        day.unsigned_abs(),
    )
}

fn push_digits(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
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
    fn record_times_agree_with_the_calendar() {
        let mut micros: i64 = -2_208_988_800_000_000;
        while micros < 7_258_118_400_000_000 {
            let instant = Timestamp::from_micros(micros);
            let calendar = jiff::Timestamp::from_microsecond(micros).unwrap();
            let calendar = calendar.strftime("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string();
            assert_eq!(instant.iso_micros_offset(), calendar);
            micros += 86_400_000_000 * 29 + 12_345_678_900;
        }
    }

    #[test]
    fn answers_cut_to_milliseconds() {
        let instant = Timestamp::from_micros(1_735_725_600_123_999);
        assert_eq!(instant.iso_millis(), "2025-01-01T10:00:00.123Z");
        assert_eq!(instant.iso_millis_offset(), "2025-01-01T10:00:00.123+00:00");
    }
}
