//! The caller's body on its way to the provider (auth-and-proxy.md, 10.1).

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::IgnoredAny;
use serde_json::Value;
use tenon_core::limits;
use tenon_engine::{
    egress::{EgressBody, EgressError, ResponseBody},
    proxy::ProxyRequestBody,
};

use crate::{
    ApiError, ErrorCode,
    body::{content_type, is_json, starts_with, too_large},
    query,
};

/// A body of at most this length is read at once: it can then follow a redirect.
const SMALL_BYTES: u64 = 64 * 1024;

/// Reads JSON and forms, which the provider's templates may add to; lets everything else stream.
pub(super) async fn read(
    method: &Method,
    headers: &HeaderMap,
    forwarded: &mut HeaderMap,
    body: Body,
) -> Result<ProxyRequestBody, ApiError> {
    let takes_body = matches!(
        *method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    let length = length(headers);
    let announced =
        length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    if is_json(headers) && announced {
        let json = collect(body).await?;
        check_json(&json)?;
        return Ok(ProxyRequestBody::Json(json));
    }
    if !takes_body || !announced {
        return Ok(ProxyRequestBody::Raw(EgressBody::Empty));
    }
    let kind = content_type(headers).unwrap_or_default();
    if starts_with(kind, "application/x-www-form-urlencoded") {
        let form = collect(body).await?;
        let text = String::from_utf8_lossy(&form);
        return Ok(match query::parse(&text) {
            Value::Object(fields) => ProxyRequestBody::Form(fields),
            _ => ProxyRequestBody::Raw(EgressBody::Bytes(form)),
        });
    }
    if starts_with(kind, "multipart/form-data") {
        keep_boundary(headers, forwarded);
    }
    if length.is_some_and(|length| length <= SMALL_BYTES) {
        return Ok(ProxyRequestBody::Raw(EgressBody::Bytes(
            collect(body).await?,
        )));
    }
    let body = body.map_err(|error| EgressError::RequestBody(error.to_string()));
    Ok(ProxyRequestBody::Raw(EgressBody::Stream {
        length,
        body: ResponseBody::new(body),
    }))
}

/// A form with files passes as it is, so its boundary has to pass, too.
fn keep_boundary(headers: &HeaderMap, forwarded: &mut HeaderMap) {
    let asked = forwarded.get(header::CONTENT_TYPE);
    let same = asked.is_none_or(|kind| kind == "multipart/form-data");
    if same && let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind: HeaderValue = kind.clone();
        forwarded.insert(header::CONTENT_TYPE, kind);
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Bodies that call themselves JSON must be an object or a list. They pass byte for byte.
fn check_json(json: &[u8]) -> Result<(), ApiError> {
    let start = json.iter().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(start, Some(b'{' | b'[')) {
        return Err(ApiError::bad_request(
            ErrorCode::InvalidJson,
            "the body must be a JSON object or a JSON list",
        ));
    }
    match serde_json::from_slice::<IgnoredAny>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::bad_request(
            ErrorCode::InvalidJson,
            format!("the body is not valid JSON: {error}"),
        )),
    }
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, limits::REQUEST_BODY_BYTES)
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
