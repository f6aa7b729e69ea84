//! The socket at `/`: a page that opens a popup waits here for the end of its flow (auth-and-proxy.md, 5.1).

use std::time::Duration;

use axum::{
    extract::{
        FromRequestParts, Request, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tenon_engine::auth::sockets::{self, Socket};

use crate::{App, query::Query};

/// A socket is closed after this long; a page that still waits opens another one under the same id.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// Keeps proxies from closing a quiet socket.
const PING_EVERY: Duration = Duration::from_secs(25);

/// Largest frame that we read: clients have nothing to say.
const FRAME_BYTES: usize = 4 * 1024;

/// Takes `GET /` with an upgrade out of the stream of requests; without one, `/` is a page like any other.
pub(crate) async fn take(app: &App, request: Request) -> Result<Response, Request> {
    let wants_socket = request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !wants_socket || request.uri().path() != "/" {
        return Err(request);
    }
    let (mut parts, _) = request.into_parts();
    let Ok(query) = Query::from_request_parts(&mut parts, app).await;
    Ok(
        match WebSocketUpgrade::from_request_parts(&mut parts, app).await {
            Ok(wire) => upgrade(app.clone(), &query, wire),
            Err(refusal) => refusal.into_response(),
        },
    )
}

fn upgrade(app: App, query: &Query, upgrade: WebSocketUpgrade) -> Response {
    let Some(socket) = sockets::open(&app.engine, query.text("ws_client_id")) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets").into_response();
    };
    upgrade
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .on_upgrade(move |wire| serve(app, wire, socket))
}

async fn serve(app: App, mut wire: WebSocket, mut socket: Socket) {
    if wire
        .send(Message::text(socket.acknowledgement()))
        .await
        .is_err()
    {
        return;
    }
    let clock = &app.engine.clock;
    let end = clock.sleep(LONGEST);
    tokio::pin!(end);
    loop {
        tokio::select! {
            message = socket.next() => {
                if wire.send(Message::text(message)).await.is_err() {
                    return;
                }
            }
            // Anything but an orderly frame ends it; pings are answered underneath.
            frame = wire.recv() => match frame {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = clock.sleep(PING_EVERY) => {
                if wire.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return;
                }
            }
            () = &mut end => return,
        }
    }
}
