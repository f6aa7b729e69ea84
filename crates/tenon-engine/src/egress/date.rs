//! Dates in headers.

use tenon_core::Timestamp;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if month.len() != 3 || parts.next()? != "GMT" {
        return None;
    }
    let month = MONTHS.find(month)? / 3 + 1;
    Timestamp::parse_iso(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;

    use super::http_date;

    #[test]
    fn dates_are_read() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date, Some(Timestamp::from_secs(784_111_777)));
        for text in [
            "",
            "Sun, 06 Nov 1994",
            "Sun, 06 Xxx 1994 08:49:37 GMT",
            "soon",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
