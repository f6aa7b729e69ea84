//! Objects, lists and scalars.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::text::Text;
use crate::{ApiError, ErrorCode, Issue};

/// A value to check, and the issues found so far.
#[derive(Debug)]
pub struct Input<'a> {
    code: ErrorCode,
    value: Option<&'a Value>,
    issues: RefCell<Vec<Issue>>,
}

impl<'a> Input<'a> {
    /// Checks that end in a 400 with this code.
    pub const fn new(code: ErrorCode, value: Option<&'a Value>) -> Self {
        Self {
            code,
            value,
            issues: RefCell::new(Vec::new()),
        }
    }

    /// The whole value as a field without name.
    pub fn root(&self) -> Field<'_> {
        Field {
            input: self,
            value: self.value,
            path: Vec::new(),
            wanted: true,
        }
    }

    /// The whole value, which must be an object.
    pub fn object(&self) -> Object<'_> {
        self.root().object_or_empty()
    }

    /// Adds an issue.
    pub fn issue(&self, code: &'static str, path: Vec<String>, message: impl Into<String>) {
        self.issues.borrow_mut().push(Issue {
            code,
            message: message.into(),
            path,
        });
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.issues.borrow().is_empty()
    }

    /// 400 with all issues, if there are any.
    pub fn finish(self) -> Result<(), ApiError> {
        let issues = self.issues.into_inner();
        if issues.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(self.code, issues))
        }
    }
}

/// A member of an object, an item of a list, or the whole input.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) value: Option<&'a Value>,
    pub(super) path: Vec<String>,
    /// Whether its absence is an issue.
    wanted: bool,
}

impl<'a> Field<'a> {
    /// Whether there is a value.
    pub const fn is_given(&self) -> bool {
        self.value.is_some()
    }

    /// The value, unchecked.
    pub const fn raw(&self) -> Option<&'a Value> {
        self.value
    }

    /// Adds an issue about this field.
    pub fn issue(&self, code: &'static str, message: impl Into<String>) {
        self.input.issue(code, self.path.clone(), message);
    }

    /// Adds an issue about something within this field.
    pub fn issue_within(&self, code: &'static str, name: &str, message: impl Into<String>) {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        self.input.issue(code, path, message);
    }

    /// A text.
    pub fn text(self) -> Text<'a> {
        let value = match self.value {
            None => {
                self.missing("string");
                None
            }
            Some(Value::String(text)) => Some(text.as_str()),
            Some(other) => {
                self.wrong_type("string", other);
                None
            }
        };
        Text::new(self, value)
    }

    /// `true` or `false`.
    pub fn flag(self) -> Option<bool> {
        match self.value {
            None => self.missing("boolean"),
            Some(Value::Bool(flag)) => return Some(*flag),
            Some(other) => self.wrong_type("boolean", other),
        }
        None
    }

    /// `true` or `false` as text, as queries have them.
    pub fn flag_text(self) -> Option<bool> {
        match self.value {
            None => self.missing("string"),
            Some(Value::String(text)) if text == "true" => return Some(true),
            Some(Value::String(text)) if text == "false" => return Some(false),
            Some(_) => self.issue(
                "invalid_value",
                "Invalid option: expected one of \"true\"|\"false\"",
            ),
        }
        None
    }

    /// A whole number from a JSON body.
    pub fn integer(self, min: i64, max: i64) -> Option<i64> {
        match self.value {
            None => {
                self.missing("number");
                None
            }
            Some(Value::Number(number)) => {
                self.ranged(number.as_f64().unwrap_or(f64::NAN), min, max)
            }
            Some(other) => {
                self.wrong_type("number", other);
                None
            }
        }
    }

    /// A whole number as text, as queries have them; read the way JavaScript's `Number` does.
    pub fn integer_text(self, min: i64, max: i64) -> Option<i64> {
        let Some(value) = self.value else {
            self.missing("number");
            return None;
        };
        let number = match value {
            Value::String(text) if text.trim().is_empty() => 0.0,
            Value::String(text) => text.trim().parse::<f64>().unwrap_or(f64::NAN),
            Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => f64::NAN,
        };
        self.ranged(number, min, max)
    }

    /// One of the given texts.
    pub fn one_of(self, options: &[&'static str]) -> Option<&'static str> {
        let Some(value) = self.value else {
            if self.wanted {
                self.no_option(options);
            }
            return None;
        };
        let found = options
            .iter()
            .find(|option| value.as_str() == Some(option))
            .copied();
        if found.is_none() {
            self.no_option(options);
        }
        found
    }

    /// An object, if one is given.
    pub fn object(self) -> Option<Object<'a>> {
        match self.value {
            None => {
                self.missing("object");
                None
            }
            Some(Value::Object(map)) => Some(Object::new(self, Some(map))),
            Some(other) => {
                self.wrong_type("object", other);
                None
            }
        }
    }

    /// An object whose members are free.
    pub fn any_object(self) -> Option<&'a Map<String, Value>> {
        self.object().and_then(|object| object.map)
    }

    fn object_or_empty(self) -> Object<'a> {
        let whole = self.clone();
        self.object().unwrap_or_else(|| Object::new(whole, None))
    }

    /// A list of at most `max` items.
    pub fn items(self, max: usize) -> Option<Items<'a>> {
        match self.value {
            None => {
                self.missing("array");
                None
            }
            Some(Value::Array(items)) => {
                if items.len() > max {
                    self.issue(
                        "too_big",
                        format!("Too big: expected array to have <={max} items"),
                    );
                }
                Some(Items { field: self, items })
            }
            Some(other) => {
                self.wrong_type("array", other);
                None
            }
        }
    }

    fn ranged(&self, number: f64, min: i64, max: i64) -> Option<i64> {
        if number.is_nan() {
            self.issue(
                "invalid_type",
                "Invalid input: expected number, received NaN",
            );
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        let (low, high) = (min as f64, max as f64);
        if number.fract() != 0.0 {
            self.issue(
                "invalid_type",
                "Invalid input: expected int, received number",
            );
        } else if number < low {
            self.issue(
                "too_small",
                format!("Too small: expected number to be >={min}"),
            );
        } else if number > high {
            self.issue("too_big", format!("Too big: expected number to be <={max}"));
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within an i64 range"
            )]
            return Some(number as i64);
        }
        None
    }

    fn missing(&self, expected: &str) {
        if self.wanted {
            self.issue(
                "invalid_type",
                format!("Invalid input: expected {expected}, received undefined"),
            );
        }
    }

    fn wrong_type(&self, expected: &str, value: &Value) {
        let received = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.issue(
            "invalid_type",
            format!("Invalid input: expected {expected}, received {received}"),
        );
    }

    fn no_option(&self, options: &[&str]) {
        let list: Vec<String> = options
            .iter()
            .map(|option| format!("\"{option}\""))
            .collect();
        let message = match list.as_slice() {
            [one] => format!("Invalid input: expected {one}"),
            _ => format!("Invalid option: expected one of {}", list.join("|")),
        };
        self.issue("invalid_value", message);
    }
}

/// An object whose members are checked one by one.
#[derive(Debug)]
pub struct Object<'a> {
    field: Field<'a>,
    map: Option<&'a Map<String, Value>>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Object<'a> {
    const fn new(field: Field<'a>, map: Option<&'a Map<String, Value>>) -> Self {
        Self {
            field,
            map,
            known: RefCell::new(Vec::new()),
        }
    }

    /// A member that must be there.
    pub fn required(&self, name: &'static str) -> Field<'a> {
        // An object that is none has been reported already: its members are not missing on top.
        self.member(name, self.map.is_some())
    }

    /// A member that may be absent; `null` is not absent.
    pub fn optional(&self, name: &'static str) -> Field<'a> {
        self.member(name, false)
    }

    /// A member that may be absent or `null`.
    pub fn nullable(&self, name: &'static str) -> Field<'a> {
        let field = self.member(name, false);
        Field {
            value: field.value.filter(|value| !value.is_null()),
            ..field
        }
    }

    /// All members with names of the caller's choice.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + '_ {
        self.map.into_iter().flatten().map(|(name, value)| {
            let mut path = self.field.path.clone();
            path.push(name.clone());
            let field = Field {
                input: self.field.input,
                value: Some(value),
                path,
                wanted: true,
            };
            (name.as_str(), field)
        })
    }

    /// The object as it came.
    pub const fn map(&self) -> Option<&'a Map<String, Value>> {
        self.map
    }

    /// The object as a field, to add issues about it.
    pub const fn field(&self) -> &Field<'a> {
        &self.field
    }

    /// Reports members that nobody asked for. Comes last.
    pub fn strict(&self) {
        let known = self.known.borrow();
        let unknown: Vec<String> = self
            .map
            .into_iter()
            .flat_map(Map::keys)
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| format!("\"{name}\""))
            .collect();
        if unknown.is_empty() {
            return;
        }
        let plural = if unknown.len() == 1 { "" } else { "s" };
        let message = format!("Unrecognized key{plural}: {}", unknown.join(", "));
        self.field.issue("unrecognized_keys", message);
    }

    fn member(&self, name: &'static str, wanted: bool) -> Field<'a> {
        self.known.borrow_mut().push(name);
        let mut path = self.field.path.clone();
        path.push(name.to_owned());
        Field {
            input: self.field.input,
            value: self.map.and_then(|map| map.get(name)),
            path,
            wanted,
        }
    }
}

/// The items of a list.
#[derive(Debug)]
pub struct Items<'a> {
    field: Field<'a>,
    items: &'a [Value],
}

impl<'a> Items<'a> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Each item as a field.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + '_ {
        self.items.iter().enumerate().map(|(index, value)| {
            let mut path = self.field.path.clone();
            path.push(index.to_string());
            Field {
                input: self.field.input,
                value: Some(value),
                path,
                wanted: true,
            }
        })
    }

    /// Each item as a checked text.
    pub fn texts(&self, check: impl Fn(Text<'a>) -> Text<'a>) -> Vec<String> {
        self.fields()
            .map(|field| check(field.text()).take())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Input;
    use crate::ErrorCode;

    fn issues(value: &Value, check: impl Fn(&Input<'_>)) -> Vec<String> {
        let input = Input::new(ErrorCode::InvalidBody, Some(value));
        check(&input);
        let Err(error) = input.finish() else {
            return Vec::new();
        };
        error
            .errors
            .iter()
            .map(|issue| format!("{} {}", issue.code, issue.path.join(".")))
            .collect()
    }

    #[test]
    fn all_issues_are_found_in_order() {
        let check = |input: &Input<'_>| {
            let object = input.object();
            object.required("provider").text().take();
            object.optional("name").text().min(1).max(3).take();
            object.optional("n").integer_text(1, 10);
            object.strict();
        };
        let cases = [
            (json!([1]), vec!["invalid_type "]),
            (json!({}), vec!["invalid_type provider"]),
            (
                json!({"provider": "a", "name": null}),
                vec!["invalid_type name"],
            ),
            (
                json!({"provider": 1, "name": ""}),
                vec!["invalid_type provider", "too_small name"],
            ),
            (
                json!({"provider": "a", "x": 1, "y": 2}),
                vec!["unrecognized_keys "],
            ),
            (json!({"provider": "a", "n": "x"}), vec!["invalid_type n"]),
            (json!({"provider": "a", "n": "11"}), vec!["too_big n"]),
            (json!({"provider": "a", "n": "1.5"}), vec!["invalid_type n"]),
            (json!({"provider": "a", "n": "7", "name": "abc"}), vec![]),
        ];
        for (value, expected) in cases {
            assert_eq!(issues(&value, check), expected, "{value}");
        }
    }

    #[test]
    fn a_missing_body_is_one_issue() {
        let input = Input::new(ErrorCode::InvalidBody, None);
        input.object().required("a").text().take();
        let error = input.finish().expect_err("nothing was sent");
        assert_eq!(error.errors.len(), 1);
        assert!(error.errors[0].path.is_empty());
    }
}
