//! Opens connections for the pool: resolve, check, connect to what was checked.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tenon_core::limits;

use super::{
    EgressError, EgressPolicy,
    network::{Network, Socket},
};

/// How long one address may keep the next one waiting (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Connects to hosts that the policy lets through.
#[derive(Clone)]
pub(super) struct GuardedConnector {
    pub(super) policy: Arc<EgressPolicy>,
    pub(super) network: Arc<dyn Network>,
}

impl tower::Service<Uri> for GuardedConnector {
    type Response = GuardedStream;
    type Error = EgressError;
    type Future = BoxFuture<'static, Result<GuardedStream, EgressError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let default_port = if uri.scheme_str() == Some("https") {
                443
            } else {
                80
            };
            let port = uri.port_u16().unwrap_or(default_port);
            let addresses = connector
                .policy
                .resolve(connector.network.as_ref(), host, port)
                .await?;
            let socket = dial(connector.network.as_ref(), &addresses).await?;
            Ok(GuardedStream(TokioIo::new(socket)))
        })
    }
}

/// Tries the addresses in turn, without waiting long for a silent one.
async fn dial(
    network: &dyn Network,
    addresses: &[SocketAddr],
) -> Result<Box<dyn Socket>, EgressError> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            let attempt = network.connect(address);
            running.push(async move { (address, attempt.await) });
        }
        let pause = async {
            if waiting.len() > 0 {
                tokio::time::sleep(NEXT_ADDRESS).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = running.next() => match ended {
                Some((_, Ok(socket))) => return Ok(socket),
                Some((address, Err(error))) => failure = Some((address, error)),
                None => break,
            },
            () = pause => {}
        }
    }
    let (address, error) = failure.ok_or_else(|| EgressError::Resolve {
        host: String::new(),
        detail: "no address".to_owned(),
    })?;
    let code = io_code(&error);
    Err(EgressError::Transport {
        code,
        detail: format!("connect {code} {address}"),
    })
}

/// Node's name for an I/O error.
pub(super) fn io_code(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        _ => "ECONNRESET",
    }
}

/// Gives a connector (TLS handshake included) a deadline.
#[derive(Clone)]
pub(super) struct Timed<C>(pub(super) C);

impl<C> tower::Service<Uri> for Timed<C>
where
    C: tower::Service<Uri>,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<C::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(limits::CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(EgressError::Transport {
                    code: "ETIMEDOUT",
                    detail: "connect ETIMEDOUT".to_owned(),
                }
                .into()),
            }
        })
    }
}

/// A connection to a checked address.
pub(super) struct GuardedStream(TokioIo<Box<dyn Socket>>);

impl Connection for GuardedStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
    }
}
