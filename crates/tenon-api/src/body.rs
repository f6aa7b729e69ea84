//! Bodies: JSON, read once, with the limits and refusals of auth-and-proxy.md, 1.1.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tenon_core::limits;

use crate::{ApiError, ErrorCode, validate::Input};

/// The JSON body of a request; `None` if it has none. An empty body that calls itself JSON is an empty object.
#[derive(Clone, Debug, Default)]
pub struct JsonBody(pub Option<Value>);

impl JsonBody {
    /// The body as input of checks that end in `invalid_body`.
    pub const fn input(&self) -> Input<'_> {
        Input::new(ErrorCode::InvalidBody, self.0.as_ref())
    }
}

/// A body that was read before the handler was chosen.
#[derive(Clone, Debug)]
pub(crate) struct ReadBody(pub(crate) JsonBody);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _state: &S) -> Result<Self, ApiError> {
        if let Some(ReadBody(body)) = request.extensions_mut().remove() {
            return Ok(body);
        }
        let headers = request.headers().clone();
        if !is_json(&headers) {
            return Ok(Self(None));
        }
        let bytes = collect(request).await?;
        parse(&headers, &bytes)
    }
}

/// The raw body, up to the limit of the public API.
#[derive(Clone, Debug, Default)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        collect(request).await.map(Self)
    }
}

/// Whether a request calls its body JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|kind| starts_with(kind, "application/json"))
}

/// The content type, if there is one that can be read.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

pub(crate) fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Reads JSON text that must be an object or a list.
pub(crate) fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<JsonBody, ApiError> {
    if bytes.is_empty() {
        let announced = headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING);
        return Ok(JsonBody(
            announced.then(|| Value::Object(serde_json::Map::new())),
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(JsonBody(Some(value))),
        Ok(_) => Err(invalid_json(
            "the body must be a JSON object or a JSON list",
        )),
        Err(error) => Err(invalid_json(&format!(
            "the body is not valid JSON: {error}"
        ))),
    }
}

fn invalid_json(message: &str) -> ApiError {
    ApiError::bad_request(ErrorCode::InvalidJson, message)
}

async fn collect(request: Request) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), limits::REQUEST_BODY_BYTES)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(error) => Err(ApiError::bad_request(
            ErrorCode::InvalidBody,
            format!("the body broke off: {error}"),
        )),
    }
}

pub(crate) fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RequestTooLarge,
        format!(
            "the body has more than {} bytes",
            limits::REQUEST_BODY_BYTES
        ),
    )
}
