//! Values on the command line: JSON as it stands, or the name of a file behind `@`.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use tenon_core::Timestamp;

pub(super) fn json(given: Option<&str>, flag: &str) -> anyhow::Result<Option<Value>> {
    let Some(given) = given else {
        return Ok(None);
    };
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("{flag}: `{path}` cannot be read"))?,
        None => given.to_owned(),
    };
    let value = serde_json::from_str(&text).with_context(|| {
        format!("{flag} is not JSON\nhint: quote it for the shell, or put it into a file and write {flag} @FILE")
    })?;
    Ok(Some(value))
}

pub(super) fn object(
    given: Option<&str>,
    flag: &str,
) -> anyhow::Result<Option<Map<String, Value>>> {
    match json(given, flag)? {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => bail!("{flag} must be a JSON object"),
    }
}

/// `2026-01-02`, `2026-01-02T03:04:05Z`, `2026-01-02 03:04`, or milliseconds since 1970; without a zone it is UTC.
pub(super) fn date(given: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = given.map(str::trim) else {
        return Ok(None);
    };
    if let Ok(millis) = text.parse::<i64>()
        && text.len() > 4
    {
        return Ok(Some(Timestamp::from_millis(millis)));
    }
    let joined = text.replacen(' ', "T", 1);
    let completed = match joined.len() {
        4 => format!("{joined}-01-01T00:00:00Z"),
        7 => format!("{joined}-01T00:00:00Z"),
        10 => format!("{joined}T00:00:00Z"),
        16 => format!("{joined}:00Z"),
        _ => format!("{joined}Z"),
    };
    let found = [joined, completed]
        .iter()
        .find_map(|text| Timestamp::parse_iso(text));
    match found {
        Some(date) => Ok(Some(date)),
        None => bail!("`{text}` is not a date like 2026-01-02 or 2026-01-02T03:04:05Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::{date, json, object};

    #[test]
    fn dates_come_in_many_forms() {
        for (text, expected) in [
            ("2026-01-02", "2026-01-02T00:00:00.000Z"),
            ("2026-01-02 03:04", "2026-01-02T03:04:00.000Z"),
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T03:04:05.5+01:00", "2026-01-02T02:04:05.500Z"),
            ("1767312000000", "2026-01-02T00:00:00.000Z"),
            ("2026", "2026-01-01T00:00:00.000Z"),
        ] {
            let found = date(Some(text)).unwrap().unwrap();
            assert_eq!(found.iso_millis(), expected, "{text}");
        }
        assert!(date(Some("yesterday")).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused_with_advice() {
        let error = json(Some("{a:1}"), "--input").unwrap_err();
        assert!(
            error.to_string().starts_with("--input is not JSON"),
            "{error}"
        );
        assert!(json(Some("@/nowhere"), "--input").is_err());
        assert!(object(Some("[1]"), "--metadata").is_err());
    }
}
