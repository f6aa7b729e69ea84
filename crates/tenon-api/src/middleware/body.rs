//! Reads small JSON bodies before anything else looks at the request, as the reference does: a body that is no JSON is
//! 400 even without a key. Larger bodies wait until the caller is known.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use tenon_core::limits;

use crate::{
    ApiError, ErrorCode,
    body::{self, ReadBody},
};

/// Largest body that a stranger makes us read and parse.
const EAGER_BYTES: usize = 1024 * 1024;

/// Paths that take any content type.
const RAW: &[&str] = &["/proxy", "/webhook/", "/oauth/token"];

/// Refuses bodies that are no JSON; hands those that are to [`crate::body::JsonBody`].
pub(super) async fn read_json(request: Request) -> Result<Request, ApiError> {
    if !body::is_json(request.headers()) || request.uri().path().starts_with("/proxy") {
        return Ok(request);
    }
    match announced(request.headers()) {
        Some(length) if length > limits::REQUEST_BODY_BYTES => return Err(body::too_large()),
        Some(length) if length > EAGER_BYTES => return Ok(request),
        Some(_) | None => {}
    }
    let (mut parts, whole) = request.into_parts();
    let whole = match small(whole).await {
        Ok(Read::Whole(bytes)) => bytes,
        Ok(Read::Part(body)) => return Ok(Request::from_parts(parts, body)),
        Err(error) => return Err(broken_off(&error)),
    };
    let parsed = body::parse(&parts.headers, &whole)?;
    parts.extensions.insert(ReadBody(parsed));
    Ok(Request::from_parts(parts, Body::from(whole)))
}

/// 415 for a content type that the JSON routes do not take; none at all is fine.
pub(super) fn demand_json(request: &Request) -> Result<(), ApiError> {
    let path = request.uri().path();
    let free = RAW.iter().any(|prefix| path.starts_with(prefix)) || path == "/";
    let refused = !free
        && body::content_type(request.headers())
            .is_some_and(|kind| !body::starts_with(kind, "application/json"));
    if refused {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidContentType,
            "the content type must be `application/json`",
        ));
    }
    Ok(())
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

enum Read {
    Whole(Bytes),
    /// Too large to read now: what was read, and the rest.
    Part(Body),
}

async fn small(body: Body) -> Result<Read, axum::Error> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk?);
        if read.len() > EAGER_BYTES {
            let start = stream::once(async move { Ok::<_, axum::Error>(read.freeze()) });
            return Ok(Read::Part(Body::from_stream(start.chain(stream))));
        }
    }
    Ok(Read::Whole(read.freeze()))
}

fn broken_off(error: &axum::Error) -> ApiError {
    ApiError::bad_request(
        ErrorCode::InvalidBody,
        format!("the body broke off: {error}"),
    )
}
