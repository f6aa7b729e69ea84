//! The webhook receiver: counts what arrives. A process of its own, so that it does not share a thread with the sender.

use std::{collections::HashSet, convert::Infallible, sync::Mutex};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::http::{Client, request};

#[derive(Default)]
struct Seen {
    requests: u64,
    ids: HashSet<Bytes>,
}

/// Serves until killed; prints its address first. `GET` tells what has arrived.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let seen: &'static Mutex<Seen> = Box::leak(Box::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| answer(seen, request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    seen: &'static Mutex<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != hyper::Method::POST {
        let seen = seen.lock().expect("nothing panics with this lock");
        let told = serde_json::json!({"requests": seen.requests, "ids": seen.ids.len()});
        return Ok(Response::new(Full::new(Bytes::from(told.to_string()))));
    }
    let id = request
        .headers()
        .get("webhook-id")
        .map(|id| Bytes::copy_from_slice(id.as_bytes()));
    let _ = request.into_body().collect().await;
    let mut seen = seen.lock().expect("nothing panics with this lock");
    seen.requests += 1;
    seen.ids.extend(id);
    Ok(Response::new(Full::new(Bytes::from_static(b"{}"))))
}

/// Requests and different webhook ids that have arrived.
pub(crate) async fn seen(address: &str) -> Result<(u64, u64)> {
    let mut client = Client::connect(address).await?;
    let answer = client.send(&request("GET", "/", &[], b"")).await?;
    let told: Value = serde_json::from_slice(&answer.body)?;
    let number = |key: &str| told[key].as_u64().unwrap_or(0);
    Ok((number("requests"), number("ids")))
}
