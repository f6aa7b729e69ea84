//! Bodies of webhooks: JSON, forms, text.

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tenon_core::limits;

use crate::{ApiError, ErrorCode, body, query};

/// A webhook's body, as it came and as it is read.
pub(super) struct Read {
    pub(super) raw: Bytes,
    pub(super) value: Value,
}

/// Reads a body by its content type: an object or a list from JSON, the fields of a form, the text of anything else.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Read, ApiError> {
    let raw = collect(body).await?;
    let value = if body::is_json(headers) {
        let parsed = body::parse(headers, &raw)?;
        parsed.0.unwrap_or_else(empty)
    } else if raw.is_empty() {
        empty()
    } else {
        let text = String::from_utf8_lossy(&raw);
        let form = body::content_type(headers)
            .is_some_and(|kind| body::starts_with(kind, "application/x-www-form-urlencoded"));
        if form {
            query::parse(&text)
        } else {
            Value::String(text.into_owned())
        }
    };
    Ok(Read { raw, value })
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, limits::INBOUND_BODY_BYTES)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(ApiError::new(
            axum::http::StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::RequestTooLarge,
            format!(
                "the body of a webhook has more than {} bytes",
                limits::INBOUND_BODY_BYTES
            ),
        )),
        Err(error) => Err(ApiError::bad_request(
            ErrorCode::InvalidBody,
            format!("the body broke off: {error}"),
        )),
    }
}
