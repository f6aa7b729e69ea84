//! Decodes `gzip`, `deflate` and `br` as a stream, with a cap on what comes out per byte that goes in.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tenon_core::limits;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{EgressError, ResponseBody};

/// Bytes decoded at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// A content coding that we can undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// The codings of an answer, in the order they were applied; `None` if there is nothing to undo or one is unknown.
pub(super) fn codings(headers: &HeaderMap) -> Result<Option<Vec<Coding>>, EgressError> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',') {
            codings.push(match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                _ => return Ok(None),
            });
        }
    }
    if codings.len() > limits::CONTENT_CODINGS {
        return Err(EgressError::Decompress(format!(
            "more than {} codings",
            limits::CONTENT_CODINGS
        )));
    }
    Ok((!codings.is_empty()).then_some(codings))
}

type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

/// The decoded body.
pub(super) fn decoded(body: ResponseBody, codings: Vec<Coding>) -> ResponseBody {
    let wire_bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&wire_bytes);
    let wire = body
        .into_data_stream()
        .inspect_ok(move |data| {
            counter.fetch_add(data.len() as u64, Ordering::Relaxed);
        })
        .map_err(io::Error::other);
    let decoded = futures::stream::once(layered(Box::pin(StreamReader::new(wire)), codings))
        .try_flatten()
        .map_err(unwrapped);
    let limited = ratio_limited(decoded, wire_bytes).map_ok(Frame::data);
    ResponseBody::new(StreamBody::new(limited))
}

/// Puts one decoder on the other, the last coding first.
async fn layered(
    mut reader: Reader,
    codings: Vec<Coding>,
) -> Result<BoxStream<'static, io::Result<Bytes>>, io::Error> {
    for coding in codings.into_iter().rev() {
        let start = reader.fill_buf().await?;
        if start.is_empty() {
            // No body at all, whatever the header says.
            return Ok(futures::stream::empty().boxed());
        }
        let zlib = is_zlib(start);
        reader = match coding {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(reader);
                decoder.multiple_members(true);
                buffered(decoder)
            }
            Coding::Deflate if zlib => buffered(ZlibDecoder::new(reader)),
            Coding::Deflate => buffered(DeflateDecoder::new(reader)),
            Coding::Brotli => buffered(BrotliDecoder::new(reader)),
        };
    }
    Ok(ReaderStream::with_capacity(reader, CHUNK_BYTES).boxed())
}

fn buffered(decoder: impl AsyncRead + Send + 'static) -> Reader {
    Box::pin(tokio::io::BufReader::with_capacity(CHUNK_BYTES, decoder))
}

/// `deflate` means zlib, but some servers send it bare.
fn is_zlib(start: &[u8]) -> bool {
    match start {
        [first, second, ..] => {
            first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        [first] => first & 0x0f == 8,
        [] => false,
    }
}

fn ratio_limited(
    stream: impl Stream<Item = Result<Bytes, EgressError>> + Send + 'static,
    wire_bytes: Arc<AtomicU64>,
) -> impl Stream<Item = Result<Bytes, EgressError>> + Send + 'static {
    let mut out: u64 = 0;
    stream.map(move |data| {
        let data = data?;
        out += data.len() as u64;
        let allowed = wire_bytes
            .load(Ordering::Relaxed)
            .saturating_mul(limits::INFLATE_RATIO);
        if out > limits::INFLATE_FREE_BYTES && out > allowed {
            return Err(EgressError::Inflates(limits::INFLATE_RATIO));
        }
        Ok(data)
    })
}

/// Finds our own error inside the I/O error that carried it through the decoders.
fn unwrapped(error: io::Error) -> EgressError {
    match error.downcast::<EgressError>() {
        Ok(ours) => ours,
        Err(error) => EgressError::Decompress(error.to_string()),
    }
}
