use std::sync::Arc;

use axum::{body::Body, http::Request, response::Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tenon_core::{Ids, Secret, random::SeededRandom};
use tenon_testkit::TestClock;
use tower::ServiceExt as _;
use url::Url;

use super::{Helpdesk, Plan, state::REQUESTS, tokens::challenge};

const CALLBACK: &str = "http://localhost:3003/oauth/callback";

fn helpdesk() -> (Helpdesk, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let ids = Ids::new(clock.clone(), Arc::new(SeededRandom::new(1)));
    let plan: Plan = serde_json::from_str(include_str!("../../../../examples/helpdesk/demo.json"))
        .expect("the plan");
    let helpdesk = Helpdesk::new(
        plan,
        "http://127.0.0.1:4003".to_owned(),
        CALLBACK.to_owned(),
        clock.clone(),
        ids,
    );
    (helpdesk, clock)
}

async fn send(
    helpdesk: &Helpdesk,
    method: &str,
    path: &str,
    token: &str,
    kind: &str,
    body: String,
) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", kind)
        .body(Body::from(body))
        .expect("a request");
    helpdesk
        .router()
        .oneshot(request)
        .await
        .expect("the service never fails")
}

async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn code(helpdesk: &Helpdesk, verifier: &str) -> String {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", "demo-client")
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("state", "s-1")
        .append_pair("code_challenge", &challenge(verifier))
        .append_pair("code_challenge_method", "S256")
        .append_pair("account", "ann@acme.example")
        .append_pair("decision", "allow")
        .finish();
    let response = send(helpdesk, "POST", "/oauth/authorize", "", FORM, form).await;
    let location = response.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let url = Url::parse(&location).expect("a URL");
    let of = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(of("state").as_deref(), Some("s-1"));
    of("code").expect("a code")
}

async fn tokens(helpdesk: &Helpdesk, pairs: &[(&str, &str)]) -> (u16, Value) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", "demo-client")
        .append_pair("client_secret", "demo-secret-of-no-value")
        .extend_pairs(pairs)
        .finish();
    json_of(send(helpdesk, "POST", "/oauth/token", "", FORM, form).await).await
}

async fn access(helpdesk: &Helpdesk) -> Value {
    let code = code(helpdesk, "verifier-1").await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", "verifier-1"),
    ];
    let (status, answer) = tokens(helpdesk, &pairs).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier() {
    let (helpdesk, clock) = helpdesk();
    let code = code(&helpdesk, "verifier-1").await;
    let with = |verifier: &'static str| {
        let code = code.clone();
        let helpdesk = helpdesk.clone();
        async move {
            let pairs = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", verifier),
            ];
            tokens(&helpdesk, &pairs).await
        }
    };
    assert_eq!(with("another").await.1["error"], "invalid_grant");
    assert_eq!(with("verifier-1").await.0, 200);
    assert_eq!(
        with("verifier-1").await.1["error_description"],
        "the code was used before"
    );
    clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(with("verifier-1").await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn another_callback_is_refused_before_anything_is_asked() {
    let (helpdesk, _) = helpdesk();
    let path = "/oauth/authorize?response_type=code&client_id=demo-client&redirect_uri=https://evil.example/cb&state=x";
    let response = send(&helpdesk, "GET", path, "", FORM, String::new()).await;
    assert_eq!(response.status(), 400);
    assert!(!response.headers().contains_key("location"));
}

#[tokio::test]
async fn tokens_expire_and_are_refreshed() {
    let (helpdesk, clock) = helpdesk();
    let answer = access(&helpdesk).await;
    let token = answer["access_token"].as_str().expect("a token");
    let (status, page) = json_of(
        send(
            &helpdesk,
            "GET",
            "/api/tickets?per_page=5",
            token,
            FORM,
            String::new(),
        )
        .await,
    )
    .await;
    assert_eq!(
        (status, page["tickets"].as_array().map(Vec::len)),
        (200, Some(5))
    );
    assert_eq!(
        page["next_page"],
        "http://127.0.0.1:4003/api/tickets?page=2&per_page=5"
    );

    clock.advance(std::time::Duration::from_secs(601));
    let (status, _) =
        json_of(send(&helpdesk, "GET", "/api/tickets", token, FORM, String::new()).await).await;
    assert_eq!(status, 401);
    let refresh = answer["refresh_token"].as_str().expect("a token");
    let (status, fresh) = tokens(
        &helpdesk,
        &[("grant_type", "refresh_token"), ("refresh_token", refresh)],
    )
    .await;
    assert_eq!(status, 200);
    let token = fresh["access_token"].as_str().expect("a token");
    let (status, page) = json_of(
        send(
            &helpdesk,
            "GET",
            "/api/tickets?page=2&per_page=5",
            token,
            FORM,
            String::new(),
        )
        .await,
    )
    .await;
    assert_eq!(
        (status, page["tickets"].as_array().map(Vec::len)),
        (200, Some(3))
    );
    assert_eq!(page["next_page"], Value::Null);
}

#[tokio::test]
async fn tickets_are_opened_changed_and_deleted() {
    let (helpdesk, _) = helpdesk();
    let answer = access(&helpdesk).await;
    let token = answer["access_token"].as_str().expect("a token");
    let json_kind = "application/json";
    let new = json!({ "subject": "New", "description": "Text" }).to_string();
    let (status, ticket) =
        json_of(send(&helpdesk, "POST", "/api/tickets", token, json_kind, new).await).await;
    assert_eq!((status, &ticket["state"]), (201, &json!("open")));
    let path = format!("/api/tickets/{}", ticket["id"]);
    let change = json!({ "state": "closed" }).to_string();
    let (_, changed) =
        json_of(send(&helpdesk, "PATCH", &path, token, json_kind, change).await).await;
    assert_eq!(
        (&changed["state"], &changed["subject"]),
        (&json!("closed"), &json!("New"))
    );
    assert_eq!(
        send(&helpdesk, "DELETE", &path, token, json_kind, String::new())
            .await
            .status(),
        204
    );
    assert_eq!(
        send(&helpdesk, "GET", &path, token, json_kind, String::new())
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let (helpdesk, clock) = helpdesk();
    let answer = access(&helpdesk).await;
    let token = answer["access_token"].as_str().expect("a token");
    for _ in 0..REQUESTS {
        assert_eq!(
            send(
                &helpdesk,
                "GET",
                "/api/tickets/1",
                token,
                FORM,
                String::new()
            )
            .await
            .status(),
            200
        );
    }
    let refused = send(
        &helpdesk,
        "GET",
        "/api/tickets/1",
        token,
        FORM,
        String::new(),
    )
    .await;
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"]
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("seconds");
    clock.advance(std::time::Duration::from_secs(seconds));
    assert_eq!(
        send(
            &helpdesk,
            "GET",
            "/api/tickets/1",
            token,
            FORM,
            String::new()
        )
        .await
        .status(),
        200
    );
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let (helpdesk, _) = helpdesk();
    let request = Request::builder()
        .method("POST")
        .uri("/tickets/1")
        .header("origin", "https://evil.example")
        .header("content-type", FORM)
        .body(Body::from("account=ann%40acme.example&action=delete"))
        .expect("a request");
    let response = helpdesk.router().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn only_signed_webhooks_are_kept() {
    let (helpdesk, _) = helpdesk();
    helpdesk.trust_signing_key(Secret::new("key".to_owned()));
    let post = |signature: &'static str| {
        let request = Request::builder()
            .method("POST")
            .uri("/app/webhooks")
            .header("x-nango-hmac-sha256", signature)
            .body(Body::from("{\"type\":\"sync\"}"))
            .expect("a request");
        let router = helpdesk.router();
        async move {
            router
                .oneshot(request)
                .await
                .expect("an answer")
                .status()
                .as_u16()
        }
    };
    assert_eq!(post("00").await, 401);
    // hmac.new(b"key", b'{"type":"sync"}', "sha256") in Python.
    assert_eq!(
        post("6beec0ddd1ee654bdd2200fc150cca58c57f1f40f2f1e6dd8b67cb8351d458e8").await,
        200
    );
    assert_eq!(helpdesk.received().len(), 1);
}
