//! Serves a router on a listener, with deadlines for slow clients and a graceful end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tenon_core::function::Cancel;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use tracing::{debug, warn};

/// A client must have sent its request line and headers by then (FAULTS 52).
const HEADERS_WITHIN: Duration = Duration::from_secs(15);

/// Largest request head in bytes; browsers stop far below.
const HEAD_BYTES: usize = 64 * 1024;

/// Most connections at a time on one listener: descriptors must remain for the database and for outgoing requests.
const CONNECTIONS: usize = 8_192;

/// Pause after a failed accept (out of descriptors), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets open requests finish.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Cancel) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEAD_BYTES);
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = shutdown.raised() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(problem) => {
                warn!("could not accept a connection: {problem}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(
            move |mut request: hyper::Request<hyper::body::Incoming>| {
                request
                    .extensions_mut()
                    .insert(ConnectInfo::<SocketAddr>(peer));
                request.map(axum::body::Body::new)
            },
        );
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(problem) = connection.await {
                debug!("a connection ended: {problem}");
            }
            drop(place);
        });
    }
    graceful.shutdown().await;
}
