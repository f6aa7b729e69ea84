//! The outgoing client against servers that misbehave.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::Method;
use tenon_engine::egress::{
    AcrossOrigins, Egress, EgressBody, EgressError, EgressOptions, EgressPolicy, EgressRequest,
    Refused, ResponseBody,
};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::node::Names;

const BIG: u64 = 1 << 40;

fn loopback() -> Egress {
    Egress::new(EgressPolicy {
        allow: Vec::new(),
        allow_loopback: true,
    })
}

fn get(url: &str) -> EgressRequest {
    EgressRequest::to(Method::GET, url).unwrap()
}

fn refusal(result: Result<tenon_engine::egress::EgressResponse, EgressError>) -> (Refused, u32) {
    match result {
        Err(EgressError::Refused { reason, hop }) => (reason, hop),
        Err(other) => panic!("another error: {other:?}"),
        Ok(answer) => panic!("answered {}", answer.status),
    }
}

#[tokio::test]
async fn faults_44_internal_addresses_are_refused_for_every_verb() {
    let server = Upstream::start(|_| Answer::text(200, "reached")).await;
    let port = server.address().port();
    let closed = Egress::new(EgressPolicy::default());
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
            let request =
                EgressRequest::to(method.parse().unwrap(), &format!("http://{host}:{port}/"))
                    .unwrap();
            refusal(closed.send(request).await);
        }
    }
    assert_eq!(server.count(), 0);
    // A name is looked up and its address checked, too.
    refusal(closed.send(get(&format!("http://localhost:{port}/"))).await);
    assert_eq!(server.count(), 0);
    // The same server answers when loopback is open.
    assert_eq!(
        loopback().send(get(&server.url("/"))).await.unwrap().status,
        200
    );
    let listed = Egress::new(EgressPolicy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        allow_loopback: false,
    });
    assert_eq!(
        listed.send(get(&server.url("/"))).await.unwrap().status,
        200
    );
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn faults_45_the_connection_goes_to_the_checked_address() {
    let server = Upstream::start(|_| Answer::text(200, "ok")).await;
    let names = Names::new(server.address(), &[&["93.184.215.14"], &["127.0.0.1"]]);
    let egress = Egress::with_network(EgressPolicy::default(), names.clone());
    let answer = egress.send(get("http://rebind.test/")).await.unwrap();
    assert_eq!(answer.collect(BIG).await.unwrap(), "ok");
    let dialled = names.dialled();
    assert_eq!(dialled, ["93.184.215.14:80".parse().unwrap()]);
    // The name now points inside: a new connection (another port) is refused before it is opened.
    refusal(egress.send(get("http://rebind.test:81/")).await);
    assert_eq!(names.dialled().len(), 1);
}

#[tokio::test]
async fn faults_45_one_private_address_among_many_refuses_the_name() {
    let server = Upstream::start(|_| Answer::text(200, "ok")).await;
    let names = Names::new(
        server.address(),
        &[&["93.184.215.14", "93.184.215.15", "10.0.0.8"]],
    );
    let egress = Egress::with_network(EgressPolicy::default(), names.clone());
    let (reason, _) = refusal(egress.send(get("http://many.test/")).await);
    assert!(
        matches!(reason, Refused::Address { address, .. } if address == "10.0.0.8".parse::<IpAddr>().unwrap())
    );
    assert!(names.dialled().is_empty());
}

#[tokio::test]
async fn faults_46_a_redirect_inside_is_refused_on_any_hop() {
    for hops in 1..=5_u32 {
        let server = Upstream::start(move |request| {
            let step: u32 = request.path()[1..].parse().unwrap();
            if step == hops {
                Answer::redirect(302, "http://169.254.169.254/latest/meta-data")
            } else {
                Answer::redirect(302, &format!("/{}", step + 1))
            }
        })
        .await;
        let (reason, hop) = refusal(loopback().send(get(&server.url("/1"))).await);
        assert!(matches!(
            reason,
            Refused::Address {
                range: "link-local",
                ..
            }
        ));
        assert_eq!(hop, hops);
        assert_eq!(server.count(), hops as usize);
    }
}

#[tokio::test]
async fn faults_46_too_many_redirects_end() {
    let server = Upstream::start(|_| Answer::redirect(302, "/loop")).await;
    let failure = loopback()
        .send(get(&server.url("/loop")))
        .await
        .unwrap_err();
    assert_eq!(failure.code(), "ERR_FR_TOO_MANY_REDIRECTS");
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn faults_46_credentials_stay_at_their_origin_unless_told() {
    let second = Upstream::start(|_| Answer::text(200, "there")).await;
    let there = second.url("/there");
    let first = Upstream::start(move |_| Answer::redirect(307, &there)).await;
    let ask = |across_origins| {
        EgressRequest::to(Method::POST, &first.url("/"))
            .unwrap()
            .header("authorization", "Bearer secret")
            .unwrap()
            .header("x-api-key", "secret")
            .unwrap()
            .header("accept", "text/x")
            .unwrap()
            .body("again")
            .options(EgressOptions {
                across_origins,
                ..EgressOptions::default()
            })
    };
    loopback()
        .send(ask(AcrossOrigins::DropCredentials))
        .await
        .unwrap();
    loopback().send(ask(AcrossOrigins::KeepAll)).await.unwrap();
    let seen = second.received();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].header("authorization"), seen[0].header("x-api-key")),
        (None, None)
    );
    assert_eq!(seen[0].header("accept"), Some("text/x"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer secret"));
    assert!(
        seen.iter()
            .all(|request| request.text() == "again" && request.method == "POST")
    );
}

#[tokio::test]
async fn faults_48_headers_cannot_split_a_request() {
    for (name, value) in [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\nx-evil: 1"),
        ("x-a", "b\0"),
        ("x-a\r\nx-evil", "1"),
        ("x a", "1"),
        ("x-a:", "1"),
        ("", "1"),
    ] {
        let request = get("http://example.test/").header(name, value);
        assert!(request.is_err(), "{name:?}: {value:?}");
    }
}

#[tokio::test]
async fn faults_49_both_framings_become_one() {
    for status in ["200 OK", "502 Bad"] {
        let raw = format!(
            "HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        let server = Upstream::start(move |_| Answer::Raw(Bytes::from(raw.clone()))).await;
        let answer = loopback().send(get(&server.url("/"))).await.unwrap();
        assert!(answer.chunked);
        assert!(answer.headers.get("content-length").is_none());
        assert!(answer.headers.get("transfer-encoding").is_none());
        assert_eq!(answer.collect(BIG).await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn faults_51_a_bomb_is_cut_off() {
    let zeros = vec![0_u8; 64 * 1024 * 1024];
    let once = gzip(&zeros).await;
    let twice = gzip(&once).await;
    for (encoding, body) in [("gzip", once), ("gzip, gzip", twice)] {
        let body = Bytes::from(body);
        let server = Upstream::start(move |_| Answer::Whole {
            status: 200,
            headers: vec![("content-encoding".to_owned(), encoding.to_owned())],
            body: body.clone(),
        })
        .await;
        let mut request = get(&server.url("/"));
        request.options.max_response_bytes = None;
        let answer = loopback().send(request).await.unwrap();
        let failure = answer.collect(BIG).await.unwrap_err();
        assert!(
            matches!(failure, EgressError::Inflates(_)),
            "{encoding}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn faults_51_too_many_codings_and_too_many_bytes_are_refused() {
    let server = Upstream::start(|request| match request.path() {
        "/codings" => Answer::text(200, "x").header("content-encoding", "gzip, gzip, br"),
        _ => Answer::Zeros {
            count: 11 * 1024 * 1024,
        },
    })
    .await;
    let failure = loopback()
        .send(get(&server.url("/codings")))
        .await
        .unwrap_err();
    assert!(matches!(failure, EgressError::Decompress(_)));
    let answer = loopback().send(get(&server.url("/zeros"))).await.unwrap();
    assert!(matches!(
        answer.collect(BIG).await,
        Err(EgressError::TooLarge(_))
    ));
}

#[tokio::test]
async fn compressed_answers_are_decoded() {
    let text = "a text that is long enough to be worth it ".repeat(50);
    let cases = [
        ("gzip", Bytes::from(gzip(text.as_bytes()).await)),
        ("x-gzip", Bytes::from(gzip(text.as_bytes()).await)),
        (
            "deflate",
            Bytes::from(
                encode(
                    async_compression::tokio::write::ZlibEncoder::new(Vec::new()),
                    text.as_bytes(),
                )
                .await,
            ),
        ),
        (
            "deflate",
            Bytes::from(
                encode(
                    async_compression::tokio::write::DeflateEncoder::new(Vec::new()),
                    text.as_bytes(),
                )
                .await,
            ),
        ),
        (
            "br",
            Bytes::from(
                encode(
                    async_compression::tokio::write::BrotliEncoder::new(Vec::new()),
                    text.as_bytes(),
                )
                .await,
            ),
        ),
    ];
    for (encoding, body) in cases {
        let server = Upstream::start(move |_| Answer::Whole {
            status: 200,
            headers: vec![("content-encoding".to_owned(), encoding.to_owned())],
            body: body.clone(),
        })
        .await;
        let answer = loopback().send(get(&server.url("/"))).await.unwrap();
        assert!(answer.headers.get("content-encoding").is_none());
        assert!(answer.headers.get("content-length").is_none());
        assert_eq!(answer.collect(BIG).await.unwrap(), text, "{encoding}");
    }
    // Nothing to decode is no error.
    let server =
        Upstream::start(|_| Answer::text(200, "").header("content-encoding", "gzip")).await;
    let answer = loopback().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(answer.collect(BIG).await.unwrap(), "");
    // A cut one is.
    let server =
        Upstream::start(|_| Answer::text(200, "no gzip").header("content-encoding", "gzip")).await;
    let answer = loopback().send(get(&server.url("/"))).await.unwrap();
    assert!(matches!(
        answer.collect(BIG).await,
        Err(EgressError::Decompress(_))
    ));
}

#[tokio::test]
async fn transport_failures_have_nodes_names() {
    let server = Upstream::start(|request| match request.path() {
        "/hang-up" => Answer::HangUp,
        "/half" => Answer::Raw(Bytes::from_static(
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        )),
        "/garbage" => Answer::Raw(Bytes::from_static(b"SMTP hello\r\n\r\n")),
        "/head" => Answer::Raw(Bytes::from(format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "a".repeat(200_000)
        ))),
        "/many" => Answer::Raw(Bytes::from(format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "x: a\r\n".repeat(300)
        ))),
        _ => Answer::Silence,
    })
    .await;
    let failure = loopback()
        .send(get(&server.url("/hang-up")))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.code(), failure.to_string().as_str()),
        ("ECONNRESET", "socket hang up")
    );
    let half = loopback().send(get(&server.url("/half"))).await.unwrap();
    assert_eq!(half.collect(BIG).await.unwrap_err().code(), "ECONNRESET");
    for path in ["/garbage", "/head", "/many"] {
        let failure = loopback().send(get(&server.url(path))).await.unwrap_err();
        assert!(
            matches!(failure, EgressError::Protocol(_)),
            "{path}: {failure:?}"
        );
    }
    let mut silent = get(&server.url("/silent"));
    silent.options.timeout = Some(Duration::from_millis(50));
    assert_eq!(
        loopback().send(silent).await.unwrap_err().code(),
        "ECONNABORTED"
    );

    let closed = server.address();
    drop(server);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let _ = closed;
    let failure = loopback()
        .send(get(&format!("http://{address}/x")))
        .await
        .unwrap_err();
    assert_eq!(failure.code(), "ECONNREFUSED");
    assert_eq!(
        failure.to_string(),
        format!("connect ECONNREFUSED {address}")
    );
}

#[tokio::test]
async fn connections_are_kept_and_bodies_framed_once() {
    let server = Upstream::start(|_| Answer::text(200, "ok")).await;
    let egress = loopback();
    for _ in 0..3 {
        let answer = egress.send(get(&server.url("/"))).await.unwrap();
        answer.collect(BIG).await.unwrap();
    }
    let post = EgressRequest::to(Method::POST, &server.url("/")).unwrap();
    egress.send(post).await.unwrap().collect(BIG).await.unwrap();
    let mut stream = EgressRequest::to(Method::PUT, &server.url("/")).unwrap();
    stream = stream
        .header("content-length", "999")
        .unwrap()
        .header("transfer-encoding", "chunked")
        .unwrap();
    stream.body = EgressBody::Stream {
        length: Some(4),
        body: ResponseBody::from_bytes(Bytes::from_static(b"four")),
    };
    egress
        .send(stream)
        .await
        .unwrap()
        .collect(BIG)
        .await
        .unwrap();
    let seen = server.received();
    assert!(seen.iter().all(|request| request.connection == 1));
    assert_eq!(seen[3].header("content-length"), Some("0"));
    assert_eq!(
        (
            seen[4].header("content-length"),
            seen[4].header("transfer-encoding")
        ),
        (Some("4"), None)
    );
    assert_eq!(seen[4].text(), "four");
}

async fn gzip(data: &[u8]) -> Vec<u8> {
    encode(
        async_compression::tokio::write::GzipEncoder::new(Vec::new()),
        data,
    )
    .await
}

async fn encode<E: Finish>(mut encoder: E, data: &[u8]) -> Vec<u8> {
    use tokio::io::AsyncWriteExt;
    encoder.write_all(data).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.finish()
}

trait Finish: tokio::io::AsyncWrite + Unpin {
    fn finish(self) -> Vec<u8>;
}

macro_rules! finish {
    ($($name:ident),*) => {$(
        impl Finish for async_compression::tokio::write::$name<Vec<u8>> {
            fn finish(self) -> Vec<u8> {
                self.into_inner()
            }
        }
    )*};
}

finish!(GzipEncoder, ZlibEncoder, DeflateEncoder, BrotliEncoder);
