//! Versions that the server counts (scheduler.md, 8).

/// The version after this one: `1` → `2`, `1.0.3` → `1.0.4`. A version that does not end in a number gets one.
pub(super) fn next(version: &str) -> String {
    let (head, last) = match version.rsplit_once('.') {
        Some((head, last)) => (Some(head), last),
        None => (None, version),
    };
    let last = match last.parse::<u64>() {
        Ok(number) => number.saturating_add(1).to_string(),
        Err(_) => return format!("{version}.1"),
    };
    head.map_or_else(|| last.clone(), |head| format!("{head}.{last}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_number_is_counted() {
        let cases = [
            ("1", "2"),
            ("9", "10"),
            ("1.0.0", "1.0.1"),
            ("0.0.9", "0.0.10"),
            ("one", "one.1"),
            ("1.x", "1.x.1"),
        ];
        for (version, next) in cases {
            assert_eq!(super::next(version), next);
        }
    }
}
