//! The owner's settings against the provider's schema (auth-and-proxy.md, 3.2).

use regex::Regex;
use serde_json::{Map, Value};
use tenon_providers::{Field, FieldFormat, Fields};
use url::Url;

/// Longest value.
const MAX_CHARS: usize = 8_192;

/// What to do about fields that are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Defaults are filled in, and a required field without one is an error.
    Fill,
    /// They stay as they are.
    Leave,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("Unknown field {0}")]
    Unknown(String),
    #[error("the setting `{0}` is missing")]
    Missing(String),
    #[error("the setting `{0}` must be text of at most {MAX_CHARS} characters")]
    Text(String),
    #[error("the setting `{name}` must be one of {choices}")]
    Choice { name: String, choices: String },
    #[error("the setting `{0}` does not have the form that the provider asks for")]
    Form(String),
    #[error("the setting `{0}` must be an http or https URL")]
    Url(String),
}

/// Settings that fit the schema, defaults filled in where wanted.
pub(super) fn checked(
    fields: &Fields,
    given: Option<&Map<String, Value>>,
    missing: Missing,
) -> Result<Map<String, Value>, ConfigError> {
    let empty = Map::new();
    let given = given.unwrap_or(&empty);
    if let Some(unknown) = given
        .keys()
        .find(|name| !fields.contains_key(name.as_str()))
    {
        return Err(ConfigError::Unknown(unknown.clone()));
    }
    let mut config = Map::new();
    for (name, field) in fields {
        match given.get(name) {
            Some(value) => {
                check(name, field, value)?;
                config.insert(name.clone(), value.clone());
            }
            None if missing == Missing::Leave || !is_visible(field, &config) => {}
            None => {
                if let Some(default) = &field.default_value {
                    config.insert(name.clone(), default.as_str().into());
                } else if field.is_required() {
                    return Err(ConfigError::Missing(name.clone()));
                }
            }
        }
    }
    Ok(config)
}

fn is_visible(field: &Field, config: &Map<String, Value>) -> bool {
    field.visible_when.as_ref().is_none_or(|condition| {
        config.get(&condition.field).and_then(Value::as_str) == Some(condition.equals.as_str())
    })
}

fn check(name: &str, field: &Field, value: &Value) -> Result<(), ConfigError> {
    let text = value
        .as_str()
        .filter(|text| text.chars().count() <= MAX_CHARS)
        .ok_or_else(|| ConfigError::Text(name.to_owned()))?;
    if let Some(choices) = &field.choices
        && !choices.iter().any(|choice| choice == text)
    {
        return Err(ConfigError::Choice {
            name: name.to_owned(),
            choices: choices.join(", "),
        });
    }
    let has_form =
        |pattern: &String| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    if field
        .pattern
        .as_ref()
        .is_some_and(|pattern| !has_form(pattern))
    {
        return Err(ConfigError::Form(name.to_owned()));
    }
    let is_web =
        |text: &str| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if field.format == Some(FieldFormat::Uri) && !is_web(text) {
        return Err(ConfigError::Url(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use tenon_providers::Fields;

    use super::{ConfigError, Missing, checked};

    fn fields() -> Fields {
        serde_json::from_value(json!({
            "region": {"type": "string", "enum": ["eu", "us"], "default_value": "eu"},
            "url": {"type": "string", "format": "uri", "optional": true},
            "key": {"type": "string", "pattern": "^[a-z]+$", "optional": true},
            "only_us": {"type": "string", "visible_when": {"field": "region", "equals": "us"}},
        }))
        .unwrap()
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn defaults_are_filled_in_and_hidden_fields_are_not_missed() {
        let config = checked(&fields(), None, Missing::Fill).unwrap();
        assert_eq!(Value::Object(config), json!({"region": "eu"}));
        let us = map(&json!({"region": "us"}));
        assert_eq!(
            checked(&fields(), Some(&us), Missing::Fill),
            Err(ConfigError::Missing("only_us".to_owned()))
        );
        assert_eq!(
            Value::Object(checked(&fields(), Some(&us), Missing::Leave).unwrap()),
            json!({"region": "us"})
        );
    }

    #[test]
    fn every_rule_refuses() {
        let cases = [
            (json!({"nope": "1"}), "Unknown field nope"),
            (
                json!({"region": "mars"}),
                "the setting `region` must be one of eu, us",
            ),
            (
                json!({"region": 1}),
                "the setting `region` must be text of at most 8192 characters",
            ),
            (
                json!({"url": "ftp://x"}),
                "the setting `url` must be an http or https URL",
            ),
            (
                json!({"key": "A"}),
                "the setting `key` does not have the form that the provider asks for",
            ),
        ];
        for (given, message) in cases {
            let error = checked(&fields(), Some(&map(&given)), Missing::Leave).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
