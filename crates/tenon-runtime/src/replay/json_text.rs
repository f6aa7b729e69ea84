//! JSON text as JavaScript's `JSON.stringify(JSON.parse(text))` would write it.

use serde_json::{Map, Value};

/// The text of a value.
pub(super) fn of(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Number(number) => text.push_str(&number_text(number.as_f64().unwrap_or(0.0))),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => write_object(text, fields),
        other => text.push_str(&other.to_string()),
    }
}

/// Keys that look like array indices come first, in numeric order.
fn write_object(text: &mut String, fields: &Map<String, Value>) {
    let mut indices: Vec<(u32, &String, &Value)> = Vec::new();
    let mut names = Vec::new();
    for (key, value) in fields {
        match index(key) {
            Some(number) => indices.push((number, key, value)),
            None => names.push((key, value)),
        }
    }
    indices.sort_by_key(|(number, ..)| *number);
    let ordered = indices.into_iter().map(|(_, key, value)| (key, value));
    text.push('{');
    for (position, (key, value)) in ordered.chain(names).enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(&Value::from(key.as_str()).to_string());
        text.push(':');
        write(text, value);
    }
    text.push('}');
}

fn index(key: &str) -> Option<u32> {
    let number: u32 = key.parse().ok()?;
    (number != u32::MAX && number.to_string() == key).then_some(number)
}

/// `String(number)`: shortest digits, plain between 1e-7 and 1e21.
fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", number.abs());
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = digits.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // Position of the decimal point, counted from the first digit.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let body = if count <= point && point <= 21 {
        format!("{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let plus = if point > 0 { "+" } else { "" };
        format!("{first}{dot}{rest}e{plus}{}", point - 1)
    };
    format!("{sign}{body}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::of;

    #[test]
    fn texts_are_those_of_javascript() {
        let cases = [
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1.5e20", "150000000000000000000"),
            ("12345678901234567890", "12345678901234567000"),
            ("1.5e-7", "1.5e-7"),
            ("0.000001", "0.000001"),
            ("-12.25", "-12.25"),
            ("5e-324", "5e-324"),
            (
                r#"{"b":1,"10":2,"9":3,"a":[true,null,"\u001f\u2028/\""]}"#,
                "{\"9\":3,\"10\":2,\"b\":1,\"a\":[true,null,\"\\u001f\u{2028}/\\\"\"]}",
            ),
        ];
        for (written, expected) in cases {
            let value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(of(&value), expected);
        }
    }
}
