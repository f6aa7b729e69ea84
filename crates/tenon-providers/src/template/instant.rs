//! `now`, `now:FORMAT`, `now+7:days:FORMAT`; always UTC.

use jiff::{Span, ToSpan, Zoned, tz::TimeZone};
use tenon_core::Timestamp;

/// What stands behind the word `now` in a placeholder; `None` if it makes no sense.
pub(super) fn now(rest: &str, now: Timestamp) -> Option<String> {
    let (shift, format) = if rest.is_empty() {
        (Span::new(), None)
    } else if let Some(format) = rest.strip_prefix(':') {
        (Span::new(), Some(format))
    } else {
        shifted(rest)?
    };
    let instant = jiff::Timestamp::from_microsecond(now.micros())
        .ok()?
        .to_zoned(TimeZone::UTC)
        .checked_add(shift)
        .ok()?;
    Some(match format {
        Some(format) => formatted(&instant, format),
        None => Timestamp::from_micros(instant.timestamp().as_microsecond()).iso_millis(),
    })
}

/// Reads `+7:days` and, if there is one, the format behind it.
fn shifted(rest: &str) -> Option<(Span, Option<&str>)> {
    let mut parts = rest.splitn(3, ':');
    let count: i32 = parts.next()?.parse().ok()?;
    let unit = parts.next()?;
    let span = match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => count.seconds(),
        "minute" => count.minutes(),
        "hour" => count.hours(),
        "day" => count.days(),
        "week" => count.weeks(),
        "month" => count.months(),
        "year" => count.years(),
        _ => return None,
    };
    Some((span, parts.next()))
}

const TOKENS: [&str; 26] = [
    "YYYY", "YY", "MMMM", "MMM", "MM", "M", "DD", "D", "dddd", "ddd", "dd", "d", "HH", "H", "hh",
    "h", "mm", "m", "SSS", "ss", "s", "ZZ", "Z", "A", "a", "X",
];

/// Writes an instant the way the format says: `YYYY-MM-DD`, `X` (seconds), `x` (milliseconds), `[text]` as it is.
fn formatted(instant: &Zoned, format: &str) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((literal, behind)) =
            rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            text.push_str(literal);
            rest = behind;
        } else if let Some(token) = TOKENS.iter().find(|token| rest.starts_with(**token)) {
            text.push_str(&written(instant, token));
            rest = &rest[token.len()..];
        } else {
            if first == 'x' {
                text.push_str(&instant.timestamp().as_millisecond().to_string());
            } else {
                text.push(first);
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    text
}

fn written(instant: &Zoned, token: &str) -> String {
    let twelve = |hour: i8| if hour % 12 == 0 { 12 } else { hour % 12 };
    match token {
        "YYYY" => format!("{:04}", instant.year()),
        "YY" => format!("{:02}", instant.year() % 100),
        "MMMM" => instant.strftime("%B").to_string(),
        "MMM" => instant.strftime("%b").to_string(),
        "MM" => format!("{:02}", instant.month()),
        "M" => instant.month().to_string(),
        "DD" => format!("{:02}", instant.day()),
        "D" => instant.day().to_string(),
        "dddd" => instant.strftime("%A").to_string(),
        "ddd" => instant.strftime("%a").to_string(),
        "dd" => instant.strftime("%a").to_string().chars().take(2).collect(),
        "d" => instant.weekday().to_sunday_zero_offset().to_string(),
        "HH" => format!("{:02}", instant.hour()),
        "H" => instant.hour().to_string(),
        "hh" => format!("{:02}", twelve(instant.hour())),
        "h" => twelve(instant.hour()).to_string(),
        "mm" => format!("{:02}", instant.minute()),
        "m" => instant.minute().to_string(),
        "SSS" => format!("{:03}", instant.millisecond()),
        "ss" => format!("{:02}", instant.second()),
        "s" => instant.second().to_string(),
        "ZZ" => "+0000".to_owned(),
        "Z" => "+00:00".to_owned(),
        "A" => (if instant.hour() < 12 { "AM" } else { "PM" }).to_owned(),
        "a" => (if instant.hour() < 12 { "am" } else { "pm" }).to_owned(),
        _ => instant.timestamp().as_second().to_string(),
    }
}
