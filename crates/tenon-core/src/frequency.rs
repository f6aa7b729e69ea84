//! How often a sync runs: the texts that functions and apps write (scheduler.md, 2).

use std::{fmt, time::Duration};

/// Shortest allowed time between two starts.
pub const SHORTEST: Duration = Duration::from_secs(30);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A text that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frequency {
    interval: Duration,
    /// `2 hours`, `90m`, `1d`: without `every`, as answers show an override.
    short: String,
}

/// Why a text is no frequency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrequencyError {
    /// Not of the form at all.
    #[error("`{0}` is not a frequency like `every hour` or `every 30 minutes`")]
    Form(String),
    /// Of the form, but without a meaning: `every minute` has no number.
    #[error("`{0}` does not say how many")]
    NoAmount(String),
    /// Below [`SHORTEST`].
    #[error("`{0}` is shorter than 30 seconds")]
    TooShort(String),
    /// Beyond what a schedule can hold.
    #[error("`{0}` is longer than ten years")]
    TooLong(String),
}

impl Frequency {
    /// Reads `every 30 minutes`, `6h`, `half day`, ...
    pub fn parse(text: &str) -> Result<Self, FrequencyError> {
        Self::read(text, Fixed::Anywhere)
    }

    /// Reads an override of one connection: the words without a number (`day`, `half hour`) count only behind `every`.
    pub fn parse_override(text: &str) -> Result<Self, FrequencyError> {
        Self::read(text, Fixed::BehindEvery)
    }

    fn read(text: &str, fixed: Fixed) -> Result<Self, FrequencyError> {
        let (every, rest) = text
            .strip_prefix("every ")
            .map_or((false, text), |rest| (true, rest));
        let words_count = every || fixed == Fixed::Anywhere;
        if let Some((interval, short)) = fixed_meaning(rest) {
            if !words_count {
                return Err(FrequencyError::NoAmount(text.to_owned()));
            }
            return Ok(Self {
                interval,
                short: short.to_owned(),
            });
        }
        let (amount, unit) = split(rest).ok_or_else(|| FrequencyError::Form(text.to_owned()))?;
        let seconds_per_unit =
            unit_seconds(unit).ok_or_else(|| FrequencyError::Form(text.to_owned()))?;
        if amount.is_empty() {
            return Err(FrequencyError::NoAmount(text.to_owned()));
        }
        let seconds = amount
            .parse::<u64>()
            .ok()
            .and_then(|amount| amount.checked_mul(seconds_per_unit))
            .filter(|seconds| *seconds <= 3_653 * DAY)
            .ok_or_else(|| FrequencyError::TooLong(text.to_owned()))?;
        let interval = Duration::from_secs(seconds);
        if interval < SHORTEST {
            return Err(FrequencyError::TooShort(text.to_owned()));
        }
        Ok(Self {
            interval,
            short: rest.to_owned(),
        })
    }

    /// Time between two starts.
    pub const fn interval(&self) -> Duration {
        self.interval
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.short)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fixed {
    Anywhere,
    BehindEvery,
}

fn fixed_meaning(text: &str) -> Option<(Duration, &'static str)> {
    let (seconds, short) = match text {
        "quarter hour" => (15 * MINUTE, "15m"),
        "half hour" => (30 * MINUTE, "30m"),
        "hour" => (HOUR, "1h"),
        "half day" => (12 * HOUR, "12h"),
        "day" => (DAY, "1d"),
        "week" => (7 * DAY, "1w"),
        "month" => (30 * DAY, "30d"),
        _ => return None,
    };
    Some((Duration::from_secs(seconds), short))
}

/// `30 minutes` → (`30`, `minutes`): digits, at most one space, a unit.
fn split(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, rest) = text.split_at(digits);
    let unit = rest
        .strip_prefix(|c: char| c.is_ascii_whitespace())
        .unwrap_or(rest);
    (!unit.is_empty()).then_some((amount, unit))
}

fn unit_seconds(unit: &str) -> Option<u64> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(MINUTE),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(HOUR),
        "d" | "day" | "days" => Some(DAY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Frequency, FrequencyError};

    #[test]
    fn texts_mean_seconds() {
        let cases = [
            ("every hour", 3_600, "1h"),
            ("every 5 minutes", 300, "5 minutes"),
            ("every 1h", 3_600, "1h"),
            ("30 minutes", 1_800, "30 minutes"),
            ("90m", 5_400, "90m"),
            ("6min", 360, "6min"),
            ("half hour", 1_800, "30m"),
            ("every quarter hour", 900, "15m"),
            ("every half day", 43_200, "12h"),
            ("week", 604_800, "1w"),
            ("every month", 2_592_000, "30d"),
            ("every 30 seconds", 30, "30 seconds"),
        ];
        for (text, seconds, short) in cases {
            let frequency = Frequency::parse(text).unwrap();
            assert_eq!(frequency.interval().as_secs(), seconds, "{text}");
            assert_eq!(frequency.to_string(), short, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "sometimes",
            "every",
            "every ",
            "every 3 weeks",
            "1.5h",
            "5  m",
            "-5m",
            "5m ",
            "Every hour",
        ] {
            assert!(
                matches!(Frequency::parse(text), Err(FrequencyError::Form(_))),
                "{text}"
            );
        }
        for text in ["every minute", "minutes", "every h", "s"] {
            assert!(
                matches!(Frequency::parse(text), Err(FrequencyError::NoAmount(_))),
                "{text}"
            );
        }
        for text in ["every 1 second", "29s", "every 0 hours"] {
            assert!(
                matches!(Frequency::parse(text), Err(FrequencyError::TooShort(_))),
                "{text}"
            );
        }
        for text in ["99999999999999999999d", "4000 days"] {
            assert!(
                matches!(Frequency::parse(text), Err(FrequencyError::TooLong(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn an_override_needs_every_before_bare_words() {
        assert!(Frequency::parse_override("half hour").is_err());
        assert!(Frequency::parse_override("week").is_err());
        let shown = |text| Frequency::parse_override(text).unwrap().to_string();
        assert_eq!(shown("every week"), "1w");
        assert_eq!(shown("every 2 hours"), "2 hours");
        assert_eq!(shown("90m"), "90m");
    }
}
