//! What was answered.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use url::Url;

use super::EgressError;

/// A body as it arrives. Errors after the head (reset, limit, bad compression) end it.
pub struct ResponseBody(UnsyncBoxBody<Bytes, EgressError>);

impl ResponseBody {
    /// Wraps any body.
    pub fn new(body: impl Body<Data = Bytes, Error = EgressError> + Send + 'static) -> Self {
        Self(body.boxed_unsync())
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::new(http_body_util::Empty::new().map_err(|never| match never {}))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseBody")
    }
}

/// An answer.
#[derive(Debug)]
pub struct EgressResponse {
    pub status: StatusCode,
    /// Without hop-by-hop headers; `content-length` only if it is true of `body`.
    pub headers: HeaderMap,
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// Whether it came with `transfer-encoding: chunked`.
    pub chunked: bool,
    pub body: ResponseBody,
}

impl EgressResponse {
    /// Reads the whole body, up to `limit` bytes.
    pub async fn collect(self, limit: u64) -> Result<Bytes, EgressError> {
        let mut body = self.body;
        let mut first = None;
        let mut rest: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let held = first.as_ref().map_or(0, Bytes::len) + rest.len();
            if (held + data.len()) as u64 > limit {
                return Err(EgressError::TooLarge(limit));
            }
            if first.is_none() && rest.is_empty() {
                first = Some(data);
                continue;
            }
            if let Some(first) = first.take() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        Ok(first.unwrap_or_else(|| Bytes::from(rest)))
    }
}
