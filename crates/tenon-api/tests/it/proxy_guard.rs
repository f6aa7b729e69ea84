//! What no caller of the proxy reaches, and what nobody smuggles through it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenon_core::{
    function::{Cancel, FetchCall, HostCall, ProxyCall},
    names::{ConnectionId, IntegrationKey},
};
use tenon_engine::proxy::{self, ProxyTarget};
use tenon_testkit::upstream::{Answer, Received, Upstream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    TestApp,
    app::{self, action, succeeded},
};

/// The upstream is on loopback, which is open in these tests as in `tenon dev`; these are not.
const INSIDE: [&str; 14] = [
    "http://0.0.0.0",
    "http://169.254.169.254/latest",
    "http://2852039166",
    "http://0xa9fea9fe",
    "http://[::ffff:169.254.169.254]",
    "http://10.0.0.1",
    "http://0xa.1",
    "http://192.168.0.1",
    "http://100.64.0.1",
    "http://[fd00::1]",
    "http://[fd00:ec2::254]",
    "http://[fe80::1]",
    "http://metadata.google.internal",
    "http://METADATA.google.internal.",
];

const VERBS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

fn echo(request: &Received) -> Answer {
    Answer::json(
        200,
        &json!({ "method": request.method, "target": request.target }),
    )
}

async fn open(upstream: &Upstream) -> TestApp {
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.integration("crm", "none").await;
    app.connection("crm", "alice").await;
    app
}

fn asks(app: &TestApp, method: &str, path: &str) -> app::Request {
    app.request(method, &format!("/proxy{path}"))
        .header("provider-config-key", "crm")
        .header("connection-id", "alice")
}

/// FAULTS 44: the caller with a key.
#[tokio::test]
async fn faults_44_no_override_of_a_caller_leads_inside() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    for verb in VERBS {
        for base in INSIDE {
            let request = asks(&app, verb, "/x").header("base-url-override", base);
            let answer = request.send().await;
            assert_eq!(answer.status(), 400, "{verb} {base}");
            if verb != "HEAD" {
                let code = answer.code();
                assert_eq!(code, "base_url_override_not_allowed", "{verb} {base}");
            }
        }
        let open = upstream.url("/other");
        let request = asks(&app, verb, "/x").header("base-url-override", &open);
        assert_eq!(request.send().await.status(), 200, "{verb}");
        let arrived = upstream.take();
        assert_eq!(arrived.len(), 1);
        assert_eq!(
            (arrived[0].method.as_str(), arrived[0].path()),
            (verb, "/other/x")
        );
    }
}

/// FAULTS 44: a function, by its override and by a whole address as its endpoint or plain fetch.
#[tokio::test]
async fn faults_44_no_function_reaches_inside() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let (list, away) = (Arc::clone(&seen), upstream.url("/other"));
    app.functions.on("tries", move |_, host| {
        let (list, away) = (Arc::clone(&list), away.clone());
        async move {
            let bases = INSIDE.iter().map(|base| (*base).to_owned());
            for base in bases.chain([away]) {
                for verb in VERBS {
                    let by_proxy = HostCall::Proxy(Box::new(ProxyCall {
                        endpoint: "/x".to_owned(),
                        method: verb.to_owned(),
                        base_url_override: Some(base.clone()),
                        ..ProxyCall::default()
                    }));
                    let by_fetch = HostCall::UncontrolledFetch(FetchCall {
                        url: format!("{base}/x"),
                        method: verb.to_owned(),
                        ..FetchCall::default()
                    });
                    for call in [by_proxy, by_fetch] {
                        let code = host
                            .call(call)
                            .await
                            .map_or_else(|error| error.code, |_| "ok".to_owned());
                        list.lock().unwrap().push((base.clone(), code));
                    }
                }
            }
            succeeded(&Value::Null)
        }
    });
    app.deploy_flows(&[action("tries")]).await;
    let request = app.request("POST", "/action/trigger");
    let request = request
        .header("provider-config-key", "crm")
        .header("connection-id", "alice");
    let ran = request
        .json(&json!({ "action_name": "tries" }))
        .send()
        .await;
    assert_eq!(ran.status(), 200, "{}", ran.text());
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), (INSIDE.len() + 1) * VERBS.len() * 2);
    for (base, code) in &seen {
        if base.starts_with(&upstream.url("")) {
            assert_eq!(code, "ok", "{base}");
        } else {
            let expected = ["base_url_override_not_allowed", "url_not_allowed"];
            assert!(expected.contains(&code.as_str()), "{base}: {code}");
        }
    }
    assert_eq!(upstream.count(), VERBS.len() * 2);
}

/// FAULTS 44: what a person or an app writes into a connection becomes part of an address, too.
#[tokio::test]
async fn faults_44_no_setting_of_a_connection_leads_inside() {
    let upstream = Upstream::start(echo).await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.integration("crm", "hosted").await;
    app.integration("tried", "hosted-tried").await;
    let hosts = INSIDE.map(|base| base.trim_start_matches("http://").replace("/latest", ""));
    for host in &hosts {
        // Where the provider is asked whether the credentials are good, they are not even stored.
        let path = format!(
            "/api-auth/api-key/tried?public_key={}&connection_id=bob&params[host]={}",
            app.environment.public_key,
            url::form_urlencoded::byte_serialize(host.as_bytes()).collect::<String>()
        );
        let form = app.anonymous("POST", &path).json(&json!({ "apiKey": "k" }));
        assert_eq!(
            form.send().await.refusal(),
            "400 connection_test_failed",
            "{host}"
        );
        // Where not, nothing is sent.
        let body = json!({ "provider_config_key": "crm", "connection_id": "alice",
            "credentials": { "type": "API_KEY", "apiKey": "k" }, "connection_config": { "host": host } });
        let made = app.post("/connections", body).await;
        assert!(made.status() < 300, "{}", made.text());
        for verb in VERBS {
            let answer = asks(&app, verb, "/x").send().await;
            assert!(answer.status() >= 400, "{verb} {host}");
        }
    }
    assert_eq!(upstream.count(), 0);
    let host = upstream.url("").replace("http://", "");
    let body = json!({ "provider_config_key": "crm", "connection_id": "alice",
        "credentials": { "type": "API_KEY", "apiKey": "k" }, "connection_config": { "host": host } });
    assert!(app.post("/connections", body).await.status() < 300);
    assert_eq!(asks(&app, "GET", "/x").send().await.status(), 200);
    assert_eq!(upstream.count(), 1);
}

/// FAULTS 46: through the proxy, on every hop: the provider's key stays with the provider.
#[tokio::test]
async fn faults_46_a_redirect_takes_no_credentials_of_the_connection_along() {
    for hops in 1..=4_usize {
        let stranger = Upstream::start(|_| Answer::text(200, "there")).await;
        let away = stranger.url("/there");
        let upstream = Upstream::start(move |request| {
            let step: usize = request.path().rsplit('/').next().unwrap().parse().unwrap();
            if step == hops {
                Answer::redirect(302, &away)
            } else {
                Answer::redirect(302, &format!("{}", step + 1))
            }
        })
        .await;
        let app = TestApp::with_upstream(&upstream.url("")).await;
        app.integration("crm", "unverified").await;
        let body = json!({ "provider_config_key": "crm", "connection_id": "alice",
            "credentials": { "type": "API_KEY", "apiKey": "secret-key" } });
        assert_eq!(app.post("/connections", body).await.status(), 201);
        let request =
            asks(&app, "GET", "/1").header("nango-proxy-authorization", "Bearer secret-own");
        let answer = request.send().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let home = upstream.received();
        assert_eq!(home.len(), hops);
        assert!(
            home.iter()
                .all(|request| request.header("x-api-key") == Some("secret-key")
                    && request.header("authorization") == Some("Bearer secret-own"))
        );
        let arrived = stranger.received();
        assert_eq!(arrived.len(), 1);
        assert!(
            !format!("{:?}", arrived[0]).contains("secret"),
            "{arrived:?}"
        );
    }
}

/// FAULTS 48: over the wire, as nobody's HTTP library would send it.
#[tokio::test]
async fn faults_48_a_caller_cannot_split_a_request() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Cancel::default();
    let router = tenon_api::router(tenon_api::App::new(app.engine.clone()));
    let serving = tokio::spawn(tenon_api::serve(listener, router, shutdown.clone()));
    let key = app.secret_key.expose();
    let send = async |line: &str| {
        let mut wire = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /proxy/x HTTP/1.1\r\nhost: tenon.test\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             provider-config-key: crm\r\nconnection-id: alice\r\n{line}\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = wire.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    for line in [
        "nango-proxy-x-a: b\0c",
        "nango-proxy-x-a: b\rx-evil: 1",
        "nango-proxy-x-a: b\r\r\nx-evil: 1",
        "nango-proxy-x\0a: b",
        "nango-proxy-x a: b",
        "nango-proxy-x-a : b",
        "nango-proxy-x:a\rb: c",
        "nango-proxy-x-a: b\x01",
        "base-url-override: http://x\0y",
    ] {
        let answer = send(line).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{line:?}: {answer}");
    }
    // Percent signs are letters here, not the characters they stand for elsewhere.
    let answer = send("nango-proxy-x-a: b%0d%0ax-evil: 1").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let arrived = upstream.take();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].header("x-a"), Some("b%0d%0ax-evil: 1"));
    assert_eq!(arrived[0].header("x-evil"), None);
    shutdown.raise();
    serving.await.unwrap();
}

/// FAULTS 48: names and values that a function chose.
#[tokio::test]
async fn faults_48_a_function_cannot_split_a_request() {
    let upstream = Upstream::start(echo).await;
    let app = open(&upstream).await;
    let target = ProxyTarget {
        environment: app.environment.pk,
        integration: IntegrationKey::parse("crm").unwrap(),
        connection: ConnectionId::parse("alice").unwrap(),
        operation: None,
    };
    let call = async |name: &str, value: &str| {
        let call = ProxyCall {
            endpoint: "/x".to_owned(),
            method: "GET".to_owned(),
            headers: vec![(name.to_owned(), value.to_owned())],
            ..ProxyCall::default()
        };
        proxy::call(&app.engine, &target, call).await
    };
    for (name, value) in [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\nx-evil: 1"),
        ("x-a", "b\rx-evil: 1"),
        ("x-a", "b\0"),
        ("x-a\r\nx-evil", "1"),
        ("x-a\0", "1"),
        ("x a", "1"),
        ("x-a:", "1"),
        ("", "1"),
    ] {
        let refused = call(name, value).await.unwrap_err();
        let expected = if name == "x-a" {
            "ERR_INVALID_CHAR"
        } else {
            "ERR_INVALID_HTTP_TOKEN"
        };
        assert_eq!(refused.code, expected, "{name:?}: {value:?}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(call("x-a", "b").await.unwrap().status, 200);
    assert_eq!(upstream.take()[0].header("x-a"), Some("b"));
}

/// FAULTS 48: what the provider gave as a token, and what an app wrote into the metadata and settings of a connection.
#[tokio::test]
async fn faults_48_what_is_stored_cannot_split_a_request() {
    for evil in ["b\r\nx-evil: 1", "b\nx-evil: 1", "b\rx-evil: 1", "b\0"] {
        let token = json!({ "access_token": evil, "expires_in": 3600 });
        let upstream = Upstream::start(move |request| match request.path() {
            "/oauth/token" => Answer::json(200, &token),
            _ => echo(request),
        })
        .await;
        let app = TestApp::with_upstream(&upstream.url("")).await;
        app.integration("crm", "client-credentials").await;
        let path = format!(
            "/oauth2/auth/crm?connection_id=alice&public_key={}",
            app.environment.public_key
        );
        let body = json!({ "client_id": "c", "client_secret": "right" });
        let connected = app.anonymous("POST", &path).json(&body).send().await;
        assert_eq!(connected.status(), 200, "{}", connected.text());
        let answer = asks(&app, "GET", "/x").send().await;
        assert_eq!(answer.refusal(), "400 invalid_headers", "{evil:?}");
        assert_eq!(upstream.count(), 1, "only the token request left");

        app.integration("templated", "templated").await;
        for (config, metadata) in [
            (json!({ "region": "eu", "tenant": evil }), json!({})),
            (
                json!({ "region": "eu", "tenant": "acme" }),
                json!({ "x\r\ny": evil }),
            ),
        ] {
            let is_evil = config["tenant"] == evil;
            let body = json!({ "provider_config_key": "templated", "connection_id": "t",
                "credentials": { "type": "API_KEY", "apiKey": "k" }, "connection_config": config, "metadata": metadata });
            let made = app.post("/connections", body).await;
            assert!(made.status() < 300, "{}", made.text());
            let request = app
                .request("GET", "/proxy/items")
                .header("provider-config-key", "templated")
                .header("connection-id", "t");
            let answer = request.send().await;
            assert_eq!(
                answer.status(),
                if is_evil { 400 } else { 200 },
                "{}",
                answer.text()
            );
        }
        let arrived = upstream.take().pop().unwrap();
        assert_eq!(arrived.header("x-tenant"), Some("acme"));
        assert_eq!(arrived.header("x-evil"), None);
    }
}
