//! The `credentials` of an import.

use serde_json::{Map, Value};
use tenon_core::{
    Timestamp,
    auth::{AuthMode, CredentialsJson},
};

use crate::validate::{Field, Object};

/// Longest OAuth token.
const MAX_TOKEN_CHARS: usize = 16 * 1024;

/// Credentials as they were given, checked.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) mode: AuthMode,
    fields: Map<String, Value>,
}

impl Given {
    /// Reads an object told apart by its `type`.
    pub(super) fn checked(field: Field<'_>) -> Option<Self> {
        let whole = field.clone();
        let object = field.object()?;
        let kind = object.optional("type").raw().and_then(Value::as_str);
        let mode = kind.and_then(AuthMode::parse);
        let Some(mode) = mode.filter(|mode| check(*mode, &object)) else {
            whole.issue_within("invalid_union", "type", "Invalid input");
            return None;
        };
        object.strict();
        let mut fields = object.map().cloned().unwrap_or_default();
        if let Some(instant) = fields.get("expires_at").and_then(instant) {
            fields.insert("expires_at".to_owned(), instant.iso_millis().into());
        }
        Some(Self { mode, fields })
    }

    /// The installation, where a token has to be fetched for it.
    pub(super) fn installation(&self) -> Option<&str> {
        match self.mode {
            AuthMode::App | AuthMode::Custom => self.fields.get("installation_id")?.as_str(),
            _ => None,
        }
    }

    /// The shape clients read: token kinds carry what was given as `raw`.
    pub(super) fn stored(&self) -> CredentialsJson {
        let mut credentials = self.fields.clone();
        match self.mode {
            AuthMode::None => credentials.clear(),
            AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::OAuth2ClientCredentials => {
                credentials.insert("raw".to_owned(), Value::Object(self.fields.clone()));
            }
            _ => {}
        }
        credentials
    }
}

/// Checks the members of a kind; whether credentials of this kind can be imported at all.
fn check(mode: AuthMode, object: &Object<'_>) -> bool {
    match mode {
        AuthMode::OAuth2 => {
            object
                .required("access_token")
                .text()
                .min(1)
                .max(MAX_TOKEN_CHARS)
                .take();
            object
                .optional("refresh_token")
                .text()
                .min(1)
                .max(MAX_TOKEN_CHARS)
                .take();
            date(object.optional("expires_at"));
            config_override(object);
        }
        AuthMode::OAuth2ClientCredentials => {
            object.required("token").text().min(1).max(4_096).take();
            object.required("client_id").text().min(1).max(255).take();
            object.required("client_secret").text().min(1).take();
            object.optional("client_certificate").text().take();
            object.optional("client_private_key").text().take();
            date(object.optional("expires_at"));
        }
        AuthMode::OAuth1 => {
            object
                .required("oauth_token")
                .text()
                .min(1)
                .max(MAX_TOKEN_CHARS)
                .take();
            object
                .required("oauth_token_secret")
                .text()
                .min(1)
                .max(MAX_TOKEN_CHARS)
                .take();
        }
        AuthMode::ApiKey => {
            object.required("apiKey").text().min(1).max(1_024).take();
        }
        AuthMode::Basic => {
            object.required("username").text().max(1_024).take();
            object.required("password").text().max(1_024).take();
        }
        AuthMode::Tba => {
            object.required("token_id").text().min(1).take();
            object.required("token_secret").text().min(1).take();
            config_override(object);
        }
        AuthMode::App | AuthMode::Custom => {
            object.required("app_id").text().min(1).max(255).take();
            object
                .required("installation_id")
                .text()
                .min(1)
                .max(255)
                .take();
        }
        AuthMode::None => {}
        _ => return false,
    }
    true
}

fn config_override(object: &Object<'_>) {
    if let Some(config) = object.optional("config_override").object() {
        config.optional("client_id").text().min(1).max(255).take();
        config.optional("client_secret").text().min(1).take();
        config.strict();
    }
}

/// A point in time in any form that [`instant`] reads.
fn date(field: Field<'_>) {
    if field.raw().is_some_and(|value| instant(value).is_none()) {
        field.issue(
            "invalid_type",
            "Invalid input: expected date, received Date",
        );
    }
}

/// ISO 8601 with or without a time, or milliseconds since 1970.
pub(crate) fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => number.as_i64().map(Timestamp::from_millis),
        Value::String(text) => Timestamp::parse_iso(text)
            .or_else(|| Timestamp::parse_iso(&format!("{text}T00:00:00Z"))),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
