#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

use std::time::Duration;

use serde_json::{Value, json};
use tenon_core::function::Cancel;
use tenon_engine::auth::sockets;
use tenon_testkit::oauth::refuse;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Scene;

/// Longest wait for a frame that has to come.
const SOON: Duration = Duration::from_secs(10);

fn client_id(acknowledgement: &str) -> String {
    let frame: Value = serde_json::from_str(acknowledgement).unwrap();
    assert_eq!(frame["message_type"], "connection_ack");
    frame["ws_client_id"].as_str().unwrap().to_owned()
}

async fn next(socket: &mut sockets::Socket) -> Value {
    let frame = tokio::time::timeout(SOON, socket.next())
        .await
        .expect("a frame comes");
    serde_json::from_str(&frame).unwrap()
}

async fn trip(scene: &Scene, connection: &str, client: &str) -> super::Trip {
    let path = format!(
        "/oauth/connect/crm?public_key={}&connection_id={connection}&ws_client_id={client}",
        scene.public_key()
    );
    scene.open_at(&path).await
}

#[tokio::test]
async fn the_page_hears_how_its_flow_ends() {
    let scene = Scene::start().await;
    let mut socket = sockets::open(&scene.app.engine, None).unwrap();
    let client = client_id(&socket.acknowledgement());
    let good = trip(&scene, "alice", &client).await;
    scene.come_back(&good).await;
    assert_eq!(
        next(&mut socket).await,
        json!({ "message_type": "success", "provider_config_key": "crm", "connection_id": "alice", "is_pending": false })
    );

    let mut socket = sockets::open(&scene.app.engine, None).unwrap();
    let client = client_id(&socket.acknowledgement());
    let bad = trip(&scene, "bob", &client).await;
    scene.provider.answer_next(refuse("invalid_grant"));
    scene.come_back(&bad).await;
    let frame = next(&mut socket).await;
    assert_eq!(
        (&frame["message_type"], &frame["error_type"]),
        (&json!("error"), &json!("unknown_err"))
    );
    // Exactly once.
    let more = tokio::time::timeout(Duration::from_millis(50), socket.next()).await;
    assert!(more.is_err());
}

#[tokio::test]
async fn failures_before_the_redirect_reach_the_page_too() {
    let scene = Scene::start().await;
    let mut socket = sockets::open(&scene.app.engine, None).unwrap();
    let client = client_id(&socket.acknowledgement());
    let path = format!(
        "/oauth/connect/nobody?public_key={}&ws_client_id={client}",
        scene.public_key()
    );
    assert_eq!(scene.browse(&path, None).await.status(), 400);
    let frame = next(&mut socket).await;
    assert_eq!(frame["error_type"], "provider_config_err");
    assert_eq!(frame["provider_config_key"], "nobody");
}

/// FAULTS 39: a page that was reloaded, or whose socket broke, still learns the true end.
#[tokio::test]
async fn faults_39_a_socket_that_comes_back_gets_the_result() {
    let scene = Scene::start().await;
    let socket = sockets::open(&scene.app.engine, None).unwrap();
    let client = client_id(&socket.acknowledgement());
    let trip = trip(&scene, "alice", &client).await;
    drop(socket);
    scene.come_back(&trip).await;
    scene.app.clock.advance(Duration::from_secs(59));
    let mut again = sockets::open(&scene.app.engine, Some(&client)).unwrap();
    assert_eq!(client_id(&again.acknowledgement()), client);
    assert_eq!(next(&mut again).await["message_type"], "success");
    // Not for ever.
    scene.app.clock.advance(Duration::from_secs(2));
    let mut late = sockets::open(&scene.app.engine, Some(&client)).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), late.next())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_socket_on_another_node_hears_it() {
    let scene = Scene::start().await;
    let other = scene.app.node("other");
    let mut socket = sockets::open(&other, None).unwrap();
    let client = client_id(&socket.acknowledgement());
    let trip = trip(&scene, "alice", &client).await;
    let waiting = tokio::spawn(async move { next(&mut socket).await });
    scene.come_back(&trip).await;
    let clock = scene.app.clock.clone();
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            clock.advance(Duration::from_millis(100));
        }
    });
    assert_eq!(waiting.await.unwrap()["message_type"], "success");
    ticking.abort();
}

#[tokio::test]
async fn upgrades_at_the_root_speak_the_protocol() {
    let scene = Scene::start().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Cancel::default();
    let router = tenon_api::router(tenon_api::App::new(scene.app.engine.clone()));
    let serving = tokio::spawn(tenon_api::serve(listener, router, shutdown.clone()));

    let mut wire = TcpStream::connect(address).await.unwrap();
    let hello = "GET / HTTP/1.1\r\nhost: tenon.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    wire.write_all(hello.as_bytes()).await.unwrap();
    let head = read_until(&mut wire, b"\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let client = client_id(&frame(&mut wire).await);

    let trip = trip(&scene, "alice", &client).await;
    scene.come_back(&trip).await;
    let result: Value = serde_json::from_str(&frame(&mut wire).await).unwrap();
    assert_eq!(result["message_type"], "success");
    drop(wire);
    shutdown.raise();
    tokio::time::timeout(SOON, serving)
        .await
        .expect("the server ends")
        .unwrap();
}

async fn read_until(wire: &mut TcpStream, end: &[u8]) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(wire.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// A short text frame of a server: not masked, in one piece.
async fn frame(wire: &mut TcpStream) -> String {
    assert_eq!(wire.read_u8().await.unwrap(), 0x81);
    let length = match wire.read_u8().await.unwrap() {
        126 => usize::from(wire.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut text = vec![0; length];
    wire.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}
