//! When a token ends, as providers say it (auth-and-proxy.md, 6.1).

use std::time::Duration;

use serde_json::Value;
use tenon_core::Timestamp;

/// Above this, a number is milliseconds: as seconds it would be the year 5138.
const MILLIS_FROM: f64 = 1e11;

/// Longest lifetime that is believed; more counts as 99 years.
const LONGEST: Duration = Duration::from_secs(99 * 365 * 24 * 3600);

/// An instant: epoch seconds or milliseconds (number or digits), ISO 8601, or `D:HH:MM` from now.
pub fn instant(value: &Value, now: Timestamp) -> Option<Timestamp> {
    match value {
        Value::Number(number) => epoch(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(number) = text.parse::<f64>() {
                return epoch(number);
            }
            days_hours_minutes(text)
                .map(|lifetime| now.plus(lifetime))
                .or_else(|| calendar(text))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A lifetime in seconds, as a number or as digits; also a duration text such as `1h`, `30m`, `D:HH:MM`.
pub fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            Err(_) => return duration_text(text.trim()),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    from_seconds(seconds)
}

/// The lifetime of a count of seconds; negative ones are none at all.
pub fn from_seconds(seconds: f64) -> Option<Duration> {
    if !seconds.is_finite() {
        return None;
    }
    Some(Duration::from_secs_f64(
        seconds.clamp(0.0, LONGEST.as_secs_f64()),
    ))
}

fn epoch(number: f64) -> Option<Timestamp> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let millis = if number >= MILLIS_FROM {
        number
    } else {
        number * 1_000.0
    };
    // The cast saturates.
    Some(Timestamp::from_millis(millis as i64))
}

fn days_hours_minutes(text: &str) -> Option<Duration> {
    let parts: Vec<&str> = text.split(':').collect();
    let [days, hours, minutes] = parts.as_slice() else {
        return None;
    };
    let number = |text: &str| text.parse::<u32>().ok().map(u64::from);
    let (days, hours, minutes) = (number(days)?, number(hours)?, number(minutes)?);
    Some(Duration::from_secs(days * 86_400 + hours * 3_600 + minutes * 60).min(LONGEST))
}

fn duration_text(text: &str) -> Option<Duration> {
    if let Some(duration) = days_hours_minutes(text) {
        return Some(duration);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (count, unit) = text.split_at(digits);
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    from_seconds(count.parse::<f64>().ok()? * seconds)
}

/// ISO 8601; without an offset it is UTC, a bare date is its midnight.
fn calendar(text: &str) -> Option<Timestamp> {
    let zoned = || Timestamp::parse_iso(text);
    let spaced = || Timestamp::parse_iso(&text.replacen(' ', "T", 1));
    let utc = || Timestamp::parse_iso(&format!("{}Z", text.replacen(' ', "T", 1)));
    let date = || Timestamp::parse_iso(&format!("{text}T00:00:00Z"));
    zoned().or_else(spaced).or_else(utc).or_else(date)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tenon_core::Timestamp;

    use super::{instant, lifetime};

    #[test]
    fn instants_in_every_writing() {
        let now = Timestamp::from_secs(1_000);
        let at = Timestamp::from_secs(1_767_323_045);
        for value in [
            json!(1_767_323_045),
            json!(1_767_323_045_000_i64),
            json!("1767323045"),
            json!("1767323045000"),
            json!("2026-01-02T03:04:05Z"),
            json!("2026-01-02T04:04:05+01:00"),
            json!("2026-01-02T03:04:05"),
            json!("2026-01-02 03:04:05"),
        ] {
            assert_eq!(instant(&value, now), Some(at), "{value}");
        }
        assert_eq!(
            instant(&json!("1:02:03"), now),
            Some(now.plus(Duration::from_secs(93_780)))
        );
        for value in [
            json!("tomorrow"),
            json!(null),
            json!(true),
            json!([1]),
            json!("NaN"),
            json!(-5),
        ] {
            assert_eq!(instant(&value, now), None, "{value}");
        }
    }

    #[test]
    fn lifetimes_in_every_writing() {
        for (value, seconds) in [
            (json!(3600), 3600),
            (json!("3600"), 3600),
            (json!(0), 0),
            (json!(-1), 0),
            (json!("1h"), 3600),
            (json!("30 minutes"), 1800),
            (json!("0:01:00"), 3600),
            (json!(1e300), 99 * 365 * 86_400),
        ] {
            assert_eq!(
                lifetime(&value),
                Some(Duration::from_secs(seconds)),
                "{value}"
            );
        }
        for value in [json!("soon"), json!(null), json!({})] {
            assert_eq!(lifetime(&value), None, "{value}");
        }
    }
}
