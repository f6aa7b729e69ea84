//! What holds for every request, whatever its route.

use serde_json::json;

use crate::{
    TestApp,
    app::{CONNECT_URL, Wishes},
};

#[tokio::test]
async fn a_living_node_says_so_without_a_key() {
    let app = TestApp::start().await;
    for path in ["/health", "/ready"] {
        let answer = app.anonymous("GET", path).send().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json(), json!({"result": "ok"}));
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
    let head = app.anonymous("HEAD", "/health").send().await;
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::start().await;
    for path in ["/health", "/integrations", "/nowhere"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");
        assert_eq!(answer.header("referrer-policy"), "strict-origin");
        assert!(
            answer
                .header("strict-transport-security")
                .starts_with("max-age=5184000")
        );
    }
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_pages_unless_json_is_asked_for() {
    let app = TestApp::start().await;
    for (method, path) in [
        ("POST", "/no-such-route"),
        ("PUT", "/integrations"),
        ("GET", "/<script>"),
    ] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let answer = app.request(method, &path).send().await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(!answer.text().contains("<script>"));
        let json = app
            .request(method, &path)
            .header("accept", "application/json")
            .send()
            .await;
        assert_eq!(json.refusal(), "404 not_found");
    }
}

#[tokio::test]
async fn other_origins_may_read_answers() {
    let app = TestApp::start().await;
    let preflight = app
        .anonymous("OPTIONS", "/integrations")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET,HEAD,PUT,PATCH,POST,DELETE"
    );
    assert_eq!(preflight.header("access-control-max-age"), "600");
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("Provider-Config-Key")
    );

    let refused = app.anonymous("GET", "/integrations").send().await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.header("access-control-allow-origin"), "*");

    let telemetry = app.anonymous("OPTIONS", "/connect/telemetry").send().await;
    assert_eq!(telemetry.header("access-control-allow-origin"), CONNECT_URL);
    assert_eq!(telemetry.header("access-control-allow-credentials"), "true");
}

#[tokio::test]
async fn bodies_must_be_json_objects_or_lists() {
    let app = TestApp::start().await;
    let send = |kind: &'static str, body: &'static str| {
        app.request("POST", "/integrations").body(kind, body).send()
    };
    let cases = [
        ("application/json", "{\"a\":", "400 invalid_json"),
        ("application/json", "3", "400 invalid_json"),
        (
            "application/json; charset=utf-8",
            "[1]",
            "400 invalid_body | invalid_type",
        ),
        (
            "application/json",
            "",
            "400 invalid_body | invalid_type provider | invalid_type unique_key",
        ),
        (
            "application/x-www-form-urlencoded",
            "a=b",
            "415 invalid_content_type",
        ),
        ("text/plain", "hello", "415 invalid_content_type"),
    ];
    for (kind, body, refusal) in cases {
        assert_eq!(send(kind, body).await.refusal(), refusal, "{kind} {body}");
    }
    let nothing = app.request("POST", "/integrations").send().await;
    assert_eq!(nothing.refusal(), "400 invalid_body | invalid_type");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_before_the_key_is_looked_at() {
    let app = TestApp::start().await;
    let broken = app
        .anonymous("POST", "/integrations")
        .body("application/json", "{")
        .send()
        .await;
    assert_eq!(broken.refusal(), "400 invalid_json");
    assert_eq!(broken.header("access-control-allow-origin"), "");
    // What a stranger can make us parse is limited: a large body waits for the key.
    let large = format!("{{\"a\": \"{}\"", "x".repeat(2_000_000));
    let broken = app
        .anonymous("POST", "/integrations")
        .body("application/json", large.clone())
        .send()
        .await;
    assert_eq!(broken.refusal(), "401 missing_auth_header");
    let broken = app
        .request("POST", "/integrations")
        .body("application/json", large)
        .send()
        .await;
    assert_eq!(broken.refusal(), "400 invalid_json");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread() {
    let app = TestApp::start().await;
    let answer = app
        .request("POST", "/integrations")
        .header("content-type", "application/json")
        .header("content-length", "999999999")
        .send()
        .await;
    assert_eq!(answer.refusal(), "413 request_too_large");
}

#[tokio::test]
async fn paths_are_read_kindly() {
    let app = TestApp::start().await;
    for path in ["/integrations/", "/Integrations", "/INTEGRATIONS//"] {
        assert_eq!(app.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn requests_are_unlimited_unless_the_operator_sets_a_number() {
    let app = TestApp::start().await;
    let answer = app.get("/integrations").await;
    assert_eq!(answer.header("x-ratelimit-limit"), "");

    let app = TestApp::with(Wishes {
        rate_limit_per_minute: Some(2),
        ..Wishes::default()
    })
    .await;
    let first = app.get("/integrations").await;
    assert_eq!(
        (first.status(), first.header("x-ratelimit-remaining")),
        (200, "1")
    );
    assert_eq!(app.get("/integrations").await.status(), 200);
    let over = app.get("/integrations").await;
    assert_eq!(over.refusal(), "429 too_many_request");
    assert_eq!(over.header("retry-after"), "60");
    assert_eq!(over.json()["error"]["path"], "/integrations");
    app.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(app.get("/integrations").await.status(), 200);
}

#[tokio::test]
async fn command_lines_may_report_themselves() {
    let app = TestApp::start().await;
    let send = |device: &str| {
        let body =
            serde_json::json!({"deviceId": device, "event": "cli:deploy", "ephemeral": false});
        app.anonymous("POST", "/cli/telemetry").json(&body).send()
    };
    assert_eq!(
        send("d").await.refusal(),
        "400 invalid_body | invalid_format deviceId"
    );
    assert_eq!(
        send("00000000-0000-4000-8000-000000000000").await.status(),
        204
    );
}

/// FAULTS 56: every test through these doors ends with a search of what was logged; this one shows that lines get there.
#[tokio::test]
async fn faults_56_what_a_failure_logs_is_searched_and_holds_no_secret() {
    let app = TestApp::start().await;
    app.engine.store.close().await;
    let before = tenon_testkit::canaries::searched();
    let path = "/connections/nobody?provider_config_key=open";
    assert!(app.get(path).await.status() >= 500);
    assert!(tenon_testkit::canaries::searched() > before);
}
