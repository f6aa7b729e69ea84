//! The proxy, through the router and to a fake provider.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{body::Body, http};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tenon_core::{
    function::{ProxyBody, ProxyCall, ProxyParams},
    names::{ConnectionId, IntegrationKey},
};
use tenon_engine::proxy::{self, ProxyTarget};
use tenon_testkit::upstream::{Answer as Scripted, Received, Upstream};

use crate::{
    TestApp,
    app::{Answer, Request},
};

impl TestApp {
    fn proxied(&self, method: &str, path: &str) -> Request {
        self.request(method, &format!("/proxy{path}"))
            .header("provider-config-key", "open")
            .header("connection-id", "c")
    }

    async fn templated(&self, config: Value) {
        self.integration("templated", "templated").await;
        let body = json!({
            "provider_config_key": "templated",
            "connection_id": "t",
            "credentials": {"type": "API_KEY", "apiKey": "key-1"},
            "connection_config": config,
        });
        let answer = self.post("/connections", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
    }
}

/// A server whose connection `c` of `open` reaches the upstream.
async fn open(upstream: &Upstream) -> TestApp {
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.connection("open", "c").await;
    app
}

fn echo(request: &Received) -> Scripted {
    Scripted::json(
        200,
        &json!({"method": request.method, "target": request.target}),
    )
}

#[tokio::test]
async fn a_dry_run_sees_the_link_to_the_next_page() {
    let next = "</things?page=2>; rel=\"next\"";
    let upstream =
        Upstream::start(move |_| Scripted::json(200, &json!([])).header("link", next)).await;
    let app = open(&upstream).await;
    let dry = app
        .proxied("GET", "/things")
        .header("nango-is-dry-run", "true");
    assert_eq!(dry.send().await.header("link"), next);
    let answer = app.proxied("GET", "/things").send().await;
    assert_eq!(
        answer.header("link"),
        "",
        "apps see what the reference passes on"
    );
}

#[tokio::test]
async fn the_providers_status_is_ours() {
    let upstream = Upstream::start(|request| {
        let status: u16 = request.path().rsplit('/').next().unwrap().parse().unwrap();
        Scripted::text(status, "said").header("x-up", "1")
    })
    .await;
    let app = open(&upstream).await;
    for status in [
        200, 201, 202, 204, 304, 400, 401, 403, 404, 409, 418, 422, 429, 500, 502, 503,
    ] {
        let answer = app.proxied("GET", &format!("/{status}")).send().await;
        assert_eq!(answer.status(), status);
        let passes = !(200..300).contains(&status);
        assert_eq!(
            answer.header("x-up"),
            if passes { "1" } else { "" },
            "{status}"
        );
    }
    assert_eq!(upstream.count(), 16);
}

#[tokio::test]
async fn templates_fill_url_headers_query_and_body() {
    let upstream = Upstream::start(echo).await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.templated(json!({"region": "eu", "tenant": "acme"}))
        .await;
    let ask = |method: &str| {
        app.request(method, "/proxy/items?a=1")
            .header("provider-config-key", "templated")
            .header("connection-id", "t")
            .header("nango-proxy-user-agent", "mine")
            .header("nango-proxy-x-own", "2")
            .header("x-not-passed", "3")
    };
    assert_eq!(ask("GET").send().await.status(), 200);
    assert_eq!(
        ask("POST")
            .json(&json!({"n": 1, "auth": {"mine": true}}))
            .send()
            .await
            .status(),
        200
    );
    let seen = upstream.take();
    assert_eq!(seen[0].target, "/eu/items?a=1&key=key-1");
    for request in &seen {
        assert_eq!(request.header("x-tenant"), Some("acme"));
        assert_eq!(request.header("x-secret"), Some("key-1"));
        assert_eq!(request.header("x-missing"), None);
        assert_eq!(request.header("user-agent"), Some("fixed-agent"));
        assert_eq!(request.header("x-own"), Some("2"));
        assert_eq!(
            (request.header("x-not-passed"), request.header("cookie")),
            (None, None)
        );
    }
    let body: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!(
        body,
        json!({"n": 1, "auth": {"mine": true, "token": "key-1"}})
    );
}

#[tokio::test]
async fn json_passes_byte_for_byte() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    let text = r#"{"big": 12345678901234567890123, "f": 1.0,  "dup": 1, "dup": 2}"#;
    let answer = app
        .proxied("POST", "/x")
        .body("application/json", text)
        .send()
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.take()[0].text(), text);
    for bad in ["\"x\"", "1", "{\"a\":", "nonsense"] {
        let answer = app
            .proxied("POST", "/x")
            .body("application/json", bad)
            .send()
            .await;
        assert_eq!(
            (answer.status(), answer.code().as_str()),
            (400, "invalid_json"),
            "{bad}"
        );
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn faults_46_a_redirect_inside_is_refused() {
    let upstream = Upstream::start(|_| Scripted::redirect(302, "http://169.254.169.254/")).await;
    let app = open(&upstream).await;
    let answer = app.proxied("GET", "/x").send().await;
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (400, "base_url_override_not_allowed")
    );
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn faults_49_two_framings_come_out_as_one() {
    for status in ["200 OK", "500 No"] {
        let raw = format!(
            "HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        let upstream = Upstream::start(move |_| Scripted::Raw(Bytes::from(raw.clone()))).await;
        let app = open(&upstream).await;
        let answer = app.proxied("GET", "/x").send().await;
        assert_eq!(answer.text(), "hello");
        assert_eq!(
            (
                answer.header("transfer-encoding"),
                answer.header("content-length")
            ),
            ("", "")
        );
    }
}

#[tokio::test]
async fn retries_wait_as_the_provider_says() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let upstream = Upstream::start(|_| {
        if TRIES.fetch_add(1, Ordering::SeqCst) < 2 {
            Scripted::text(503, "later").header("retry-after", "90")
        } else {
            Scripted::text(200, "at last")
        }
    })
    .await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.templated(json!({"region": "eu", "tenant": "acme"}))
        .await;
    let asking = tokio::spawn(
        app.request("POST", "/proxy/items")
            .header("provider-config-key", "templated")
            .header("connection-id", "t")
            .header("retries", "5")
            .body("application/octet-stream", "same bytes")
            .send(),
    );
    for round in 1..=2 {
        while upstream.count() < round || app.clock.sleepers() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        app.clock.advance(Duration::from_secs(89));
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(upstream.count(), round);
        app.clock.advance(Duration::from_secs(1));
    }
    let answer = asking.await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "at last"));
    let bodies: Vec<String> = upstream.take().iter().map(Received::text).collect();
    assert_eq!(bodies, ["same bytes"; 3]);
}

#[tokio::test]
async fn without_retries_nothing_is_asked_twice() {
    let upstream = Upstream::start(|request| match request.path() {
        "/api/hang-up" => Scripted::HangUp,
        _ => Scripted::text(503, "no"),
    })
    .await;
    let app = open(&upstream).await;
    assert_eq!(app.proxied("GET", "/x").send().await.status(), 503);
    let answer = app.proxied("GET", "/hang-up").send().await;
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.json(),
        json!({"message": "socket hang up", "code": "ECONNRESET", "method": "get"})
    );
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn faults_50_large_bodies_stream_in_both_directions() {
    const SIZE: u64 = 64 * 1024 * 1024;
    let upstream = Upstream::counting(|request| match request.method.as_str() {
        "GET" => Scripted::Zeros { count: SIZE },
        _ => Scripted::text(200, &request.body_bytes.to_string()),
    })
    .await;
    let app = open(&upstream).await;

    let mut down = app.proxied("GET", "/file").stream(Body::empty()).await;
    assert_eq!(
        down.headers()[http::header::CONTENT_LENGTH],
        SIZE.to_string()
    );
    let mut read = 0;
    let mut largest = 0;
    while let Some(frame) = down.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        read += data.len() as u64;
        largest = largest.max(data.len());
    }
    assert_eq!(read, SIZE);
    // Pieces, never the whole.
    assert!(largest <= 1024 * 1024, "{largest}");

    let piece = Bytes::from(vec![7; 64 * 1024]);
    let pieces = futures::stream::iter(
        (0..SIZE / 65_536).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
    );
    let up = app
        .proxied("POST", "/file")
        .header("content-type", "application/octet-stream")
        .header("transfer-encoding", "chunked")
        .stream(Body::from_stream(pieces))
        .await;
    assert_eq!(up.status(), 200);
    let counted = up.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(counted, SIZE.to_string());
}

#[tokio::test]
async fn faults_50_a_client_that_leaves_ends_the_upload() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = app
        .proxied("POST", "/x")
        .header("content-type", "application/octet-stream")
        .header("transfer-encoding", "chunked");
    let gone = tokio::time::timeout(Duration::from_millis(100), request.stream(never)).await;
    assert!(gone.is_err());
    // The next request is served as if nothing had been.
    assert_eq!(app.proxied("GET", "/x").send().await.status(), 200);
}

#[tokio::test]
async fn faults_51_a_bomb_ends_the_answer() {
    let zeros = vec![0_u8; 64 * 1024 * 1024];
    let bomb = Bytes::from(gzip(&zeros).await);
    let upstream = Upstream::start(move |_| Scripted::Whole {
        status: 200,
        headers: vec![("content-encoding".to_owned(), "gzip".to_owned())],
        body: bomb.clone(),
    })
    .await;
    let app = open(&upstream).await;
    let answer = app.proxied("GET", "/x").stream(Body::empty()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said_in_the_envelope() {
    let app = TestApp::start().await;
    app.connection("open", "c").await;
    let summary = |answer: &Answer| (answer.status(), answer.code());
    let bare = app.request("GET", "/proxy/x").send().await;
    assert_eq!(summary(&bare), (400, "invalid_headers".to_owned()));
    assert_eq!(bare.issues().len(), 2);
    let unknown = app
        .proxied("GET", "/x")
        .header("provider-config-key", "nobody")
        .send()
        .await;
    assert_eq!(
        summary(&unknown),
        (404, "unknown_provider_config".to_owned())
    );
    let nobody = app
        .proxied("GET", "/x")
        .header("connection-id", "nobody")
        .send()
        .await;
    assert_eq!(summary(&nobody), (400, "server_error".to_owned()));
    let refused = app.proxied("GET", "/x").send().await;
    assert_eq!(refused.json()["code"], "ECONNREFUSED");
    assert_eq!(app.anonymous("GET", "/proxy/x").send().await.status(), 401);
}

fn target(app: &TestApp, integration: &str, connection: &str) -> ProxyTarget {
    ProxyTarget {
        environment: app.environment.pk,
        integration: IntegrationKey::parse(integration).unwrap(),
        connection: ConnectionId::parse(connection).unwrap(),
        operation: None,
    }
}

#[tokio::test]
async fn a_function_gets_the_whole_answer_and_errors_as_answers() {
    let upstream = Upstream::start(|request| match request.path() {
        "/api/form" => Scripted::text(200, &request.text()),
        _ => Scripted::text(404, "nothing").header("x-up", "1"),
    })
    .await;
    let app = open(&upstream).await;
    let target = target(&app, "open", "c");
    let missing = ProxyCall {
        endpoint: "/missing".to_owned(),
        method: "GET".to_owned(),
        ..ProxyCall::default()
    };
    let reply = proxy::call(&app.engine, &target, missing).await.unwrap();
    assert_eq!(
        (reply.status, reply.status_text.as_str()),
        (404, "Not Found")
    );
    assert_eq!(
        (&reply.body[..], reply.url),
        (&b"nothing"[..], upstream.url("/api/missing"))
    );
    assert!(reply.headers.contains(&("x-up".to_owned(), "1".to_owned())));
    let form = ProxyCall {
        endpoint: "/form".to_owned(),
        method: "POST".to_owned(),
        params: Some(ProxyParams::Pairs(vec![("q".to_owned(), "a b".to_owned())])),
        body: ProxyBody::Form(vec![("a".to_owned(), "1 2".to_owned())]),
        ..ProxyCall::default()
    };
    let reply = proxy::call(&app.engine, &target, form).await.unwrap();
    assert_eq!(&reply.body[..], b"a=1+2");
    assert_eq!(upstream.take()[1].target, "/api/form?q=a+b");
    let inside = ProxyCall {
        endpoint: "/x".to_owned(),
        method: "GET".to_owned(),
        base_url_override: Some("http://169.254.169.254".to_owned()),
        ..ProxyCall::default()
    };
    let refused = proxy::call(&app.engine, &target, inside).await.unwrap_err();
    assert_eq!(refused.code, "base_url_override_not_allowed");
}

#[tokio::test]
async fn a_function_stops_at_a_401_that_new_credentials_would_not_change() {
    let upstream = Upstream::start(|_| Scripted::text(401, "who?")).await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.templated(json!({"region": "eu", "tenant": "acme"}))
        .await;
    let (engine, target) = (app.engine.clone(), target(&app, "templated", "t"));
    let calling = tokio::spawn(async move {
        let call = ProxyCall {
            endpoint: "/x".to_owned(),
            method: "GET".to_owned(),
            retries: 5,
            ..ProxyCall::default()
        };
        proxy::call(&engine, &target, call).await
    });
    while !calling.is_finished() {
        app.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(calling.await.unwrap().unwrap().status, 401);
    assert_eq!(upstream.count(), 1);
}

async fn gzip(data: &[u8]) -> Vec<u8> {
    use tokio::io::AsyncWriteExt;
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    encoder.write_all(data).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn every_change_of_a_connection_counts_at_once() {
    let upstream = Upstream::start(|request| {
        Scripted::json(200, &json!({"key": request.header("x-api-key")}))
    })
    .await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.integration("keyed", "unverified").await;
    let call = || async {
        let request = app
            .request("GET", "/proxy/x")
            .header("provider-config-key", "keyed")
            .header("connection-id", "c");
        request.send().await
    };
    let import = |key: &str| {
        let body = json!({"provider_config_key": "keyed", "connection_id": "c",
            "credentials": {"type": "API_KEY", "apiKey": key}});
        app.post("/connections", body)
    };
    let shown = || async { app.get("/connections/c?provider_config_key=keyed").await };
    for number in 0..3 {
        let key = format!("key-{number}");
        let answer = import(&key).await;
        assert!(answer.status() < 300, "{}", answer.text());
        for _ in 0..2 {
            assert_eq!(call().await.json()["key"], json!(key));
            assert_eq!(shown().await.json()["credentials"]["apiKey"], json!(key));
        }
        let metadata = json!({"connection_id": "c", "provider_config_key": "keyed", "metadata": {"n": number}});
        let answer = app.post("/connections/metadata", metadata).await;
        assert!(answer.status() < 300, "{}", answer.text());
        assert_eq!(shown().await.json()["metadata"]["n"], number);
    }
    let deleted = app.delete("/connections/c?provider_config_key=keyed").await;
    assert_eq!(deleted.status(), 200, "{}", deleted.text());
    assert_eq!(
        app.get("/connections/c?provider_config_key=keyed")
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_the_providers_failure_unless_the_caller_chose_it() {
    let app = TestApp::with_upstream("http://nowhere.invalid").await;
    app.connection("open", "c").await;
    let answer = app.proxied("GET", "/x").send().await;
    assert_eq!(answer.status(), 500, "{}", answer.text());
    assert_eq!(answer.json()["code"], "ENOTFOUND");
    let answer = app
        .proxied("GET", "/x")
        .header("base-url-override", "http://elsewhere.invalid")
        .send()
        .await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert_eq!(
        answer.json()["error"]["code"],
        "base_url_override_not_allowed"
    );
}
