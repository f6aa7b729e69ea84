//! The fake provider: bodies of a given size, pages of items, tokens. A process of its own, so that it does not share a thread
//! with the generator.

use std::{convert::Infallible, fmt::Write as _};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::tokens::{self, Tokens};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// Chunk of the large stream.
const CHUNK: usize = 64 * 1024;

/// Serves until killed; prints its address first.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let tokens: &'static Tokens = Box::leak(Box::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| answer(tokens, request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(tokens: &Tokens, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let number = |key: &str| {
        query.split('&').find_map(|pair| {
            pair.strip_prefix(key)?
                .strip_prefix('=')?
                .parse::<usize>()
                .ok()
        })
    };
    if path == tokens::PATH {
        let form = request.into_body().collect().await;
        let form = form.map(|body| body.to_bytes()).unwrap_or_default();
        let (status, body) = tokens.answer(&form);
        let mut response = respond(Bytes::from(body));
        *response.status_mut() = status;
        return Ok(response);
    }
    // A webhook receiver as well: reads and says nothing.
    if request.method() == hyper::Method::POST {
        let _ = request.into_body().collect().await;
        return Ok(respond(Bytes::from_static(b"{}")));
    }
    let body = match path.as_str() {
        "/bytes" => Bytes::from(format!(
            "\"{}\"",
            "x".repeat(number("size").unwrap_or(1024).saturating_sub(2))
        )),
        "/items" => page(
            number("offset").unwrap_or(0),
            number("limit").unwrap_or(100),
            number("total").unwrap_or(10_000),
        ),
        tokens::SEEN => Bytes::from(tokens.seen()),
        "/slow" => {
            let wait = std::time::Duration::from_millis(number("ms").unwrap_or(0) as u64);
            tokio::time::sleep(wait).await;
            Bytes::from_static(b"{}")
        }
        "/stream" => return Ok(large(number("size").unwrap_or(1 << 30))),
        _ => Bytes::from_static(b"{}"),
    };
    Ok(respond(body))
}

fn respond(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

fn large(size: usize) -> Response<Body> {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(4);
    tokio::spawn(async move {
        for _ in 0..size / CHUNK {
            if sender.send(Ok(Frame::data(chunk.clone()))).await.is_err() {
                return;
            }
        }
    });
    let stream = Receiver(receiver);
    let mut response = Response::new(StreamBody::new(stream).boxed_unsync());
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/octet-stream"),
    );
    response
}

struct Receiver(tokio::sync::mpsc::Receiver<Result<Frame<Bytes>, Infallible>>);

impl futures::Stream for Receiver {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn page(offset: usize, limit: usize, total: usize) -> Bytes {
    let mut text = String::from("{\"items\":[");
    for number in offset..total.min(offset + limit) {
        if number > offset {
            text.push(',');
        }
        let _ = write!(
            text,
            "{{\"id\":\"item-{number}\",\"value\":{number},\"title\":\"Item number {number}\",\"tags\":[\"a\",\"b\"],\
             \"owner\":{{\"name\":\"Somebody\",\"email\":\"somebody@example.test\"}},\"note\":\"{}\"}}",
            "n".repeat(600)
        );
    }
    text.push_str("]}");
    Bytes::from(text)
}
