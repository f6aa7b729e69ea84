//! JSON bytes that a receiver can check: keys sorted at every level.

use serde_json::{Map, Value};

/// The bytes of a webhook body (webhooks.md, 1.2).
///
/// Keys come in the order in which JavaScript keeps them once they are sorted: whole numbers first, by size, then the
/// rest by UTF-16. So `JSON.stringify(JSON.parse(body))` gives the same bytes, which the older of the two signatures is
/// checked over. Whole floats are written without a fraction for the same reason.
pub fn sorted(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e21 => {
                out.push_str(&format!("{float:.0}").replace("-0", "0"));
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn write_object(object: &Map<String, Value>, out: &mut String) {
    let mut entries: Vec<(&String, &Value)> = object.iter().collect();
    entries.sort_by(|(left, _), (right, _)| match (index(left), index(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => left.encode_utf16().cmp(right.encode_utf16()),
    });
    out.push('{');
    for (position, (key, value)) in entries.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

/// A key that JavaScript treats as an index.
fn index(key: &str) -> Option<u32> {
    let number: u32 = key.parse().ok()?;
    (number < u32::MAX && number.to_string() == key).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sorted;

    #[test]
    fn keys_are_sorted_at_every_level() {
        let body = json!({"b": {"z": 1, "a": [{"y": null, "x": true}]}, "a": "é\n\"", "B": 1.0, "10": 1, "9": 2, "01": 3, "-0": -0.0});
        assert_eq!(
            sorted(&body),
            r#"{"9":2,"10":1,"-0":0,"01":3,"B":1,"a":"é\n\"","b":{"a":[{"x":true,"y":null}],"z":1}}"#
        );
    }

    #[test]
    fn order_is_that_of_utf_16() {
        // U+FF5E sorts before U+1F600 by code point, behind it by UTF-16.
        let body = json!({"\u{ff5e}": 1, "\u{1f600}": 2});
        assert_eq!(sorted(&body), "{\"\u{1f600}\":2,\"\u{ff5e}\":1}");
    }
}
