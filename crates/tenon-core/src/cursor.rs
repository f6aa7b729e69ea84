//! Places in the stream of record changes (records.md, 3.2).
//!
//! Clients keep cursors for months, so the format is the reference's: base64 of `<last_modified_at>||<uuid>`.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use uuid::Uuid;

use crate::Timestamp;

/// Clients may have lost the padding on their way through URLs.
const CODEC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest cursor that is looked at.
pub const MAX_CURSOR_CHARS: usize = 1_000;

/// After the change of record `id` at `modified_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub modified_at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Reads what [`Cursor::encode`] wrote, and what the reference wrote.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > MAX_CURSOR_CHARS {
            return None;
        }
        let plain = String::from_utf8(CODEC.decode(text).ok()?).ok()?;
        let (modified_at, id) = plain.split_once("||")?;
        Some(Self {
            modified_at: Timestamp::parse_iso(modified_at)?,
            id: Uuid::try_parse(id).ok()?,
        })
    }

    /// The text that clients keep.
    pub fn encode(&self) -> String {
        let mut plain = Vec::with_capacity(70);
        self.modified_at.write_iso_micros_offset(&mut plain);
        plain.extend_from_slice(b"||");
        let mut id = Uuid::encode_buffer();
        plain.extend_from_slice(self.id.hyphenated().encode_lower(&mut id).as_bytes());
        CODEC.encode(plain)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use uuid::Uuid;

    use super::Cursor;
    use crate::Timestamp;

    const ID: &str = "0b4f6c1e-8a55-5d2b-9b3e-2f1a4c5d6e7f";

    #[test]
    fn a_cursor_is_time_and_id_in_base64() {
        let cursor = Cursor {
            modified_at: Timestamp::from_micros(1_735_725_600_123_450),
            id: Uuid::try_parse(ID).unwrap(),
        };
        let text = cursor.encode();
        let plain = BASE64_STANDARD.decode(&text).unwrap();
        let expected = format!("2025-01-01T10:00:00.12345+00:00||{ID}");
        assert_eq!(String::from_utf8(plain).unwrap(), expected);
        assert_eq!(Cursor::decode(&text), Some(cursor));
        assert_eq!(Cursor::decode(text.trim_end_matches('=')), Some(cursor));
    }

    #[test]
    fn cursors_of_the_reference_are_read() {
        let times = [
            ("2025-01-01T10:00:00.123456+00:00", 1_735_725_600_123_456),
            ("2025-01-01T10:00:00+00:00", 1_735_725_600_000_000),
            ("2025-01-01T12:00:00.5+02:00", 1_735_725_600_500_000),
            ("2025-01-01T10:00:00.123Z", 1_735_725_600_123_000),
        ];
        for (time, micros) in times {
            let text = BASE64_STANDARD.encode(format!("{time}||{ID}"));
            let cursor = Cursor::decode(&text).unwrap();
            assert_eq!(cursor.modified_at, Timestamp::from_micros(micros), "{time}");
        }
    }

    #[test]
    fn anything_else_is_no_cursor() {
        let long = BASE64_STANDARD.encode("x".repeat(2_000));
        let texts = [
            String::new(),
            "!!".to_owned(),
            BASE64_STANDARD.encode("2025-01-01T10:00:00Z"),
            BASE64_STANDARD.encode(format!("yesterday||{ID}")),
            BASE64_STANDARD.encode("2025-01-01T10:00:00Z||nobody"),
            BASE64_STANDARD.encode([0xff, 0xfe]),
            long,
        ];
        for text in texts {
            assert_eq!(Cursor::decode(&text), None, "{text}");
        }
    }
}
