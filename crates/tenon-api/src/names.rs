//! Names of functions and keys of connections in requests.

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use tenon_core::names::{ConnectionId, IntegrationKey};

use crate::{ApiError, ErrorCode, validate::Text};

/// Longest name of a function or a variant.
const NAME_CHARS: usize = 255;

/// Name of a function or a variant.
pub(crate) fn script_name(text: Text<'_>) -> Text<'_> {
    text.matches(is_script_name, "hold only letters, digits, `_` and `-`")
        .max(NAME_CHARS)
}

fn is_script_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.chars().all(allowed)
}

/// Headers as an object, for the checks of [`crate::validate`]; only the named ones, the first value of each.
pub(crate) fn headers_object(headers: &HeaderMap, names: &[&str]) -> Value {
    let mut object = Map::new();
    for name in names {
        if let Some(value) = headers.get(*name).and_then(|value| value.to_str().ok()) {
            object.insert((*name).to_owned(), Value::from(value));
        }
    }
    Value::Object(object)
}

/// A key that has been checked before.
pub(crate) fn integration_key(text: &str) -> Result<IntegrationKey, ApiError> {
    IntegrationKey::parse(text)
        .map_err(|error| ApiError::bad_request(ErrorCode::InvalidBody, error))
}

/// An id that has been checked before.
pub(crate) fn connection_id(text: &str) -> Result<ConnectionId, ApiError> {
    ConnectionId::parse(text).map_err(|error| ApiError::bad_request(ErrorCode::InvalidBody, error))
}
