//! What was answered.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tenon_core::limits;
use tokio::time::{Instant, Sleep};
use url::Url;

use super::{EgressError, budget::Tab, client::Deadline, error};

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

    /// These bytes.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::new(http_body_util::Full::new(bytes).map_err(|never| match never {}))
    }

    /// Ends with an error after `limit` bytes.
    #[must_use]
    pub fn limited(self, limit: u64) -> Self {
        Self::new(Limited {
            body: self,
            limit,
            left: limit,
        })
    }

    /// Reads up to about `limit` bytes and gives back a body that starts with them again. `true` if that is all of it.
    pub async fn peek(mut self, limit: usize) -> Result<(Bytes, bool, Self), EgressError> {
        let mut start: Vec<u8> = Vec::new();
        while start.len() <= limit {
            let Some(frame) = self.frame().await else {
                let start = Bytes::from(start);
                return Ok((start.clone(), true, Self::from_bytes(start)));
            };
            if let Ok(data) = frame?.into_data() {
                start.extend_from_slice(&data);
            }
        }
        let start = Bytes::from(start);
        let body = Prefixed {
            prefix: Some(start.clone()),
            body: self,
        };
        Ok((start, false, Self::new(body)))
    }

    /// Reads it to its end, up to `limit` bytes.
    pub async fn collect(self, limit: u64) -> Result<Bytes, EgressError> {
        self.collect_on(limit, None).await
    }

    /// Reads it to its end, up to `limit` bytes, which are paid for before they are read.
    pub async fn collect_on(
        mut self,
        limit: u64,
        mut tab: Option<&mut Tab>,
    ) -> Result<Bytes, EgressError> {
        let mut whole = Bytes::new();
        let mut rest: Vec<u8> = Vec::new();
        let length = self.size_hint().exact().map(|length| length.min(limit));
        loop {
            let arrived = (whole.len() + rest.len()) as u64;
            if let Some(tab) = &mut tab {
                tab.pay_up_to(length.unwrap_or_else(|| Tab::step(arrived)))
                    .await;
            }
            let Some(frame) = self.frame().await else {
                break;
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if (whole.len() + rest.len() + data.len()) as u64 > limit {
                return Err(EgressError::TooLarge(limit));
            }
            // Most answers are one piece: those are not copied.
            if whole.is_empty() && rest.is_empty() {
                whole = data;
                continue;
            }
            if !whole.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut whole));
            }
            rest.extend_from_slice(&data);
        }
        Ok(if rest.is_empty() {
            whole
        } else {
            Bytes::from(rest)
        })
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
        self.body.collect(limit).await
    }

    /// Reads the whole body, up to `limit` bytes, which are paid for before they are read.
    pub async fn collect_on(self, limit: u64, tab: Option<&mut Tab>) -> Result<Bytes, EgressError> {
        self.body.collect_on(limit, tab).await
    }
}

/// A body off the wire, with an eye on the clock.
pub(super) struct Arriving {
    body: Incoming,
    deadline: Option<Deadline>,
    /// Runs only while nothing arrives.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    pub(super) const fn new(body: Incoming, deadline: Option<Deadline>) -> Self {
        Self {
            body,
            deadline,
            silence: None,
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.silence = None;
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| error::from_hyper(&error))),
            );
        }
        let deadline = self.deadline;
        let silence = self.silence.get_or_insert_with(|| {
            let at = deadline.map_or_else(
                || Instant::now() + limits::EGRESS_SILENCE,
                |deadline| deadline.at,
            );
            Box::pin(tokio::time::sleep_until(at))
        });
        if silence.as_mut().poll(context).is_ready() {
            let after = deadline.map_or(limits::EGRESS_SILENCE, |deadline| deadline.timeout);
            return Poll::Ready(Some(Err(EgressError::Timeout(after))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Limited {
    body: ResponseBody,
    limit: u64,
    left: u64,
}

impl Body for Limited {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let size = data.len() as u64;
            if size > self.left {
                return Poll::Ready(Some(Err(EgressError::TooLarge(self.limit))));
            }
            self.left -= size;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Prefixed {
    prefix: Option<Bytes>,
    body: ResponseBody,
}

impl Body for Prefixed {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if let Some(prefix) = self.prefix.take() {
            return Poll::Ready(Some(Ok(Frame::data(prefix))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}
