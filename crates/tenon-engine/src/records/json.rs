//! JSON texts of records: splicing in what is not stored, merging, looking for a date.

use bytes::Bytes;
use serde_json::{Map, Value};
use tenon_core::{Timestamp, cursor::Cursor};
use tenon_store::records::RecordRow;

/// A record as readers see it: the stored text between `id` and `_nango_metadata`, which are not part of it. Nothing
/// is parsed (records.md, 3.1).
pub(super) fn with_metadata(record: &RecordRow, payload: Option<&Bytes>) -> Bytes {
    let members = payload.map_or(&b""[..], |payload| members(payload));
    let mut out = Vec::with_capacity(members.len() + record.external_id.len() + 330);
    out.extend_from_slice(b"{\"id\":");
    push_text(&mut out, &record.external_id);
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members);
    }
    out.extend_from_slice(b",\"_nango_metadata\":{\"first_seen_at\":");
    push_time(&mut out, Some(record.created_at));
    out.extend_from_slice(b",\"last_modified_at\":");
    push_time(&mut out, Some(record.updated_at));
    out.extend_from_slice(b",\"last_action\":\"");
    out.extend_from_slice(last_action(record).as_bytes());
    out.extend_from_slice(b"\",\"deleted_at\":");
    push_time(&mut out, record.deleted_at);
    out.extend_from_slice(b",\"pruned_at\":");
    push_time(&mut out, record.pruned_at);
    out.extend_from_slice(b",\"cursor\":\"");
    out.extend_from_slice(cursor_of(record).encode().as_bytes());
    out.extend_from_slice(b"\"}}");
    Bytes::from(out)
}

/// The place of a record in the stream of changes.
pub(super) const fn cursor_of(record: &RecordRow) -> Cursor {
    Cursor {
        modified_at: record.updated_at,
        id: record.id,
    }
}

fn last_action(record: &RecordRow) -> &'static str {
    if record.deleted_at.is_some() {
        "DELETED"
    } else if record.created_at == record.updated_at {
        "ADDED"
    } else {
        "UPDATED"
    }
}

/// What stands between the braces of an object.
fn members(object: &[u8]) -> &[u8] {
    object
        .trim_ascii()
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"))
        .unwrap_or_default()
        .trim_ascii()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text is JSON and a vector takes it");
}

fn push_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    let Some(time) = time else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    time.write_iso_micros_offset(out);
    out.push(b'"');
}

/// The stored record with the members of `partial` over it: objects member by member, everything else replaced
/// (records.md, 2.2). `None` if one of them is no object.
pub(super) fn merge(stored: Option<&Bytes>, partial: &[u8]) -> Option<Bytes> {
    let mut merged: Map<String, Value> = match stored {
        Some(stored) => serde_json::from_slice(stored).ok()?,
        None => Map::new(),
    };
    merge_into(&mut merged, serde_json::from_slice(partial).ok()?);
    Some(Bytes::from(serde_json::to_vec(&merged).ok()?))
}

fn merge_into(target: &mut Map<String, Value>, partial: Map<String, Value>) {
    for (key, value) in partial {
        match (target.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge_into(inner, value),
            (Some(slot), value) => *slot = value,
            (None, value) => {
                target.insert(key, value);
            }
        }
    }
}

/// `deletedAt` of a record to delete: an ISO date, or milliseconds.
pub(super) fn deleted_at(record: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Dated {
        #[serde(rename = "deletedAt")]
        deleted_at: Option<Value>,
    }
    if !record.windows(11).any(|window| window == b"\"deletedAt\"") {
        return None;
    }
    match serde_json::from_slice::<Dated>(record).ok()?.deleted_at? {
        Value::String(text) => Timestamp::parse_iso(&text),
        Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tenon_core::Timestamp;
    use tenon_store::records::RecordRow;
    use uuid::Uuid;

    use super::{deleted_at, merge, with_metadata};

    fn row() -> RecordRow {
        RecordRow {
            external_id: "a\"é".to_owned(),
            id: Uuid::from_u128(7),
            payload: None,
            created_at: Timestamp::from_micros(1_735_725_600_000_000),
            updated_at: Timestamp::from_micros(1_735_725_600_123_450),
            deleted_at: None,
            pruned_at: None,
        }
    }

    #[test]
    fn id_and_metadata_are_spliced_in() {
        let cases = [
            (Some("{}"), "{\"id\":\"a\\\"é\",\"_nango"),
            (None, "{\"id\":\"a\\\"é\",\"_nango"),
            (
                Some(r#"{"n":1.50,"o":{}}"#),
                r#"{"id":"a\"é","n":1.50,"o":{},"_nango"#,
            ),
        ];
        for (payload, start) in cases {
            let payload = payload.map(|text| Bytes::from_static(text.as_bytes()));
            let text = with_metadata(&row(), payload.as_ref());
            let text = std::str::from_utf8(&text).unwrap();
            assert!(text.starts_with(start), "{text}");
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let metadata = &value["_nango_metadata"];
            assert_eq!(metadata["first_seen_at"], "2025-01-01T10:00:00+00:00");
            assert_eq!(
                metadata["last_modified_at"],
                "2025-01-01T10:00:00.12345+00:00"
            );
            assert_eq!(metadata["last_action"], "UPDATED");
            assert!(metadata["deleted_at"].is_null());
        }
    }

    #[test]
    fn the_last_action_follows_from_the_times() {
        let mut record = row();
        record.created_at = record.updated_at;
        let text = with_metadata(&record, None);
        assert!(String::from_utf8_lossy(&text).contains(r#""last_action":"ADDED""#));
        record.deleted_at = Some(record.updated_at);
        let text = with_metadata(&record, None);
        assert!(String::from_utf8_lossy(&text).contains(r#""last_action":"DELETED""#));
    }

    #[test]
    fn objects_merge_and_arrays_are_replaced() {
        let stored = Bytes::from_static(br#"{"n":1,"nested":{"x":1,"y":[1,2]},"gone":1}"#);
        let partial = br#"{"nested":{"y":[9],"z":1},"gone":null,"new":2}"#;
        let merged = merge(Some(&stored), partial).unwrap();
        assert_eq!(
            merged,
            r#"{"n":1,"nested":{"x":1,"y":[9],"z":1},"gone":null,"new":2}"#
        );
        assert_eq!(merge(None, b"{\"a\":1}").unwrap(), r#"{"a":1}"#);
        assert!(merge(None, b"[1]").is_none());
    }

    #[test]
    fn a_record_may_say_when_it_was_deleted() {
        let second = Some(Timestamp::from_secs(1));
        let cases = [
            (r#"{"deletedAt":"1970-01-01T00:00:01Z"}"#, second),
            (r#"{"deletedAt":1000}"#, second),
            (r#"{"deletedAt":"soon"}"#, None),
            (r#"{"deletedAt":null}"#, None),
            (r#"{"n":{"deletedAt":1000}}"#, None),
            ("{}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(deleted_at(text.as_bytes()), expected, "{text}");
        }
    }
}
