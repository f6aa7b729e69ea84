//! MCP servers, those of the catalogue and any other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tenon_testkit::upstream::{Answer, Received, Upstream};
use url::Url;

use crate::{
    TestApp,
    app::{self, Wishes},
};

/// An MCP server under `/mcp` with its authorization server on the same host; documents can be replaced.
struct Server {
    upstream: Upstream,
    documents: Arc<Mutex<HashMap<String, Answer>>>,
}

impl Server {
    async fn start() -> Self {
        let documents: Arc<Mutex<HashMap<String, Answer>>> = Arc::default();
        let shown = Arc::clone(&documents);
        let upstream = Upstream::start(move |request| {
            let shown = shown.lock().unwrap();
            match shown.get(request.path()) {
                Some(answer) => answer.clone(),
                None => answer(request),
            }
        })
        .await;
        let server = Self {
            upstream,
            documents,
        };
        let origin = server.upstream.url("");
        server.shows(
            "/.well-known/oauth-protected-resource/mcp",
            &json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin],
                "scopes_supported": ["read", "write"] }),
        );
        server.shows(
            "/.well-known/oauth-authorization-server",
            &server.metadata(),
        );
        server
    }

    fn metadata(&self) -> Value {
        let origin = self.upstream.url("");
        json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        })
    }

    fn shows(&self, path: &str, document: &Value) {
        self.answers(path, Answer::json(200, document));
    }

    fn answers(&self, path: &str, answer: Answer) {
        self.documents
            .lock()
            .unwrap()
            .insert(path.to_owned(), answer);
    }

    fn asked(&self, path: &str) -> Vec<Received> {
        let all = self.upstream.received().into_iter();
        all.filter(|request| request.path() == path).collect()
    }
}

fn answer(request: &Received) -> Answer {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect();
    match request.path() {
        "/register" => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            Answer::json(
                201,
                &json!({ "client_id": "registered", "redirect_uris": asked["redirect_uris"] }),
            )
        }
        "/token" => {
            let token = match form["grant_type"].as_str() {
                "authorization_code" => "first",
                _ => "second",
            };
            Answer::json(
                200,
                &json!({ "access_token": token, "refresh_token": "r", "expires_in": 3600 }),
            )
        }
        path if path.starts_with("/.well-known/") => Answer::text(404, "no"),
        _ => Answer::json(
            200,
            &json!({ "authorization": request.header("authorization") }),
        ),
    }
}

async fn integrate(app: &TestApp, provider: &str, more: Value) -> app::Answer {
    let mut body = json!({ "unique_key": "m", "provider": provider });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.post("/integrations", body).await
}

async fn open(app: &TestApp, query: &str) -> app::Answer {
    let path = format!(
        "/oauth/connect/m?public_key={}&connection_id=a{query}",
        app.environment.public_key
    );
    app.anonymous("GET", &path).send().await
}

fn asked_for(away: &app::Answer) -> HashMap<String, String> {
    assert_eq!(away.status(), 302, "{}", away.text());
    let location = Url::parse(away.header("location")).unwrap();
    location.query_pairs().into_owned().collect()
}

async fn come_back(app: &TestApp, state: &str) -> app::Answer {
    let path = format!("/oauth/callback?code=c&state={state}");
    app.anonymous("GET", &path).send().await
}

async fn read(app: &TestApp) -> Value {
    let answer = app
        .get("/connections/a?provider_config_key=m&refresh_token=true")
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

fn fields(request: &Received) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[tokio::test]
async fn a_client_is_registered_with_the_integration() {
    let server = Server::start().await;
    let app = TestApp::with_upstream(&server.upstream.url("")).await;
    server.answers(
        "/register",
        Answer::json(429, &json!({ "error": "slow_down" })),
    );
    let refused = integrate(&app, "mcp-dynamic", json!({})).await;
    assert_eq!(refused.refusal(), "400 request_token_external_error");
    assert_eq!(app.get("/integrations/m").await.status(), 404);
    server.documents.lock().unwrap().remove("/register");

    let made = integrate(&app, "mcp-dynamic", json!({})).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let registered: Value = serde_json::from_slice(&server.asked("/register")[1].body).unwrap();
    assert_eq!(
        registered,
        json!({ "redirect_uris": ["http://tenon.test/oauth/callback"], "token_endpoint_auth_method": "none",
            "client_name": "dev - MCP by registration", "response_types": ["code"] })
    );

    let asked = asked_for(&open(&app, "&authorization_params[code_challenge]=mine").await);
    assert_eq!(asked["client_id"], "registered");
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(come_back(&app, &asked["state"]).await.status(), 200);
    let exchanged = fields(&server.asked("/token")[0]);
    assert_eq!(
        challenge(&exchanged["code_verifier"]),
        asked["code_challenge"]
    );
    assert_eq!(exchanged.get("client_secret"), None);
    let stored = read(&app).await;
    assert_eq!(stored["credentials"]["type"], "OAUTH2");
    assert_eq!(stored["credentials"]["access_token"], "first");

    app.clock.advance(Duration::from_secs(50 * 60));
    assert_eq!(read(&app).await["credentials"]["access_token"], "second");
    assert_eq!(
        fields(&server.asked("/token")[1])["client_id"],
        "registered"
    );
    let sent = app
        .request("GET", "/proxy/x")
        .header("provider-config-key", "m")
        .header("connection-id", "a")
        .send()
        .await;
    assert_eq!(sent.json()["authorization"], "Bearer second");
}

#[tokio::test]
async fn a_client_of_the_owner_is_used_as_it_is() {
    let server = Server::start().await;
    let app = TestApp::with_upstream(&server.upstream.url("")).await;
    let none = integrate(&app, "mcp-static", json!({})).await;
    assert_eq!(none.status(), 200, "{}", none.text());
    let page = open(&app, "").await;
    assert_eq!(super::error_type(&page), "provider_config_err");
    let own = json!({ "credentials": { "type": "MCP_OAUTH2", "client_id": "own", "client_secret": "s", "scopes": "a,b" } });
    let changed = app.patch("/integrations/m", own.clone()).await;
    assert_eq!(changed.status(), 200, "{}", changed.text());
    let shown = app.get("/integrations/m?include=credentials").await.json();
    assert_eq!(shown["data"]["credentials"], own["credentials"]);
    let asked = asked_for(&open(&app, "").await);
    assert_eq!(
        (asked["client_id"].as_str(), asked["scope"].as_str()),
        ("own", "a b")
    );
    assert_eq!(come_back(&app, &asked["state"]).await.status(), 200);
    assert_eq!(fields(&server.asked("/token")[0])["client_secret"], "s");
    assert!(server.asked("/register").is_empty());
}

#[tokio::test]
async fn a_client_can_be_known_by_its_document() {
    let server = Server::start().await;
    let app = TestApp::with(Wishes {
        upstream: Some(server.upstream.url("")),
        public_url: Some("https://tenon.test".to_owned()),
        ..Wishes::default()
    })
    .await;
    let made = integrate(&app, "mcp-document", json!({})).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let address = format!(
        "https://tenon.test/oauth/client-metadata/{}/m",
        app.environment.uuid
    );
    let asked = asked_for(&open(&app, "").await);
    assert_eq!(asked["client_id"], address);
    assert_eq!(come_back(&app, &asked["state"]).await.status(), 200);
    app.clock.advance(Duration::from_secs(50 * 60));
    assert_eq!(read(&app).await["credentials"]["access_token"], "second");
    assert_eq!(fields(&server.asked("/token")[1])["client_id"], address);

    let path = address.trim_start_matches("https://tenon.test");
    let document = app.anonymous("GET", path).send().await;
    assert_eq!(document.header("cache-control"), "public, max-age=300");
    assert_eq!(
        document.json(),
        json!({
            "client_id": address,
            "client_name": "dev - MCP by document",
            "client_uri": "https://tenon.test",
            "redirect_uris": ["https://tenon.test/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    );
    for elsewhere in ["/oauth/client-metadata/nobody/m", &path.replace("/m", "/n")] {
        let none = app.anonymous("GET", elsewhere).send().await;
        assert_eq!(none.status(), 404, "{elsewhere}");
    }
}

#[tokio::test]
async fn any_server_is_asked_for_its_addresses() {
    let server = Server::start().await;
    let app = TestApp::start().await;
    let made = integrate(&app, "mcp-any", json!({})).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let address = server.upstream.url("/mcp");
    let query = format!("&params[mcp_server_url]={address}&params[oauth_metadata]=mine");
    let asked = asked_for(&open(&app, &query).await);
    assert_eq!(asked["client_id"], "registered");
    assert_eq!(asked["resource"], address);
    assert_eq!(asked["scope"], "read write");
    assert_eq!(come_back(&app, &asked["state"]).await.status(), 200);
    let exchanged = fields(&server.asked("/token")[0]);
    assert_eq!(exchanged["resource"], address);
    assert_eq!(exchanged["client_id"], "registered");
    assert_eq!(
        challenge(&exchanged["code_verifier"]),
        asked["code_challenge"]
    );
    let stored = read(&app).await;
    let config = &stored["connection_config"];
    assert_eq!(config["oauth_resource_url"], address);
    let kept: Value = serde_json::from_str(config["oauth_metadata"].as_str().unwrap()).unwrap();
    assert_eq!(kept["token_endpoint"], server.upstream.url("/token"));

    app.clock.advance(Duration::from_secs(50 * 60));
    assert_eq!(read(&app).await["credentials"]["access_token"], "second");
    let renewed = fields(&server.asked("/token")[1]);
    assert_eq!(renewed["resource"], address);
    assert_eq!(renewed["grant_type"], "refresh_token");
    let sent = app
        .request("POST", "/proxy")
        .header("provider-config-key", "m")
        .header("connection-id", "a")
        .json(&json!({ "jsonrpc": "2.0" }))
        .send()
        .await;
    assert_eq!(sent.json()["authorization"], "Bearer second");
    assert_eq!(
        server.asked("/mcp").len(),
        1,
        "an entry without an address goes to the server"
    );

    // Again by the same server: the registration is used again.
    let asked = asked_for(&open(&app, &query).await);
    assert_eq!(asked["client_id"], "registered");
    assert_eq!(server.asked("/register").len(), 1);
}

/// FAULTS 42: metadata that points inwards, is too large, is about somebody else, or redirects.
#[tokio::test]
async fn faults_42_documents_of_servers_are_not_believed_blindly() {
    type Change = fn(&Server) -> (&'static str, Answer);
    let cases: [(&str, Change); 8] = [
        ("the guard", |server| {
            let inside = json!({ "resource": server.upstream.url("/mcp"), "authorization_servers": ["https://169.254.169.254"] });
            (
                "/.well-known/oauth-protected-resource/mcp",
                Answer::json(200, &inside),
            )
        }),
        ("a private address", |server| {
            let inside = json!({ "resource": server.upstream.url("/mcp"), "authorization_servers": ["https://10.0.0.1"] });
            (
                "/.well-known/oauth-protected-resource/mcp",
                Answer::json(200, &inside),
            )
        }),
        ("another resource", |_| {
            let other = json!({ "resource": "https://mcp.elsewhere.test/mcp", "authorization_servers": ["https://elsewhere.test"] });
            (
                "/.well-known/oauth-protected-resource/mcp",
                Answer::json(200, &other),
            )
        }),
        ("10 MB", |_| {
            (
                "/.well-known/oauth-authorization-server",
                Answer::Zeros {
                    count: 10 * 1024 * 1024,
                },
            )
        }),
        ("another issuer", |server| {
            let mut other = server.metadata();
            other["issuer"] = json!("https://elsewhere.test");
            (
                "/.well-known/oauth-authorization-server",
                Answer::json(200, &other),
            )
        }),
        ("a redirect", |server| {
            (
                "/.well-known/oauth-authorization-server",
                Answer::redirect(302, &server.upstream.url("/elsewhere")),
            )
        }),
        ("a redirected registration", |server| {
            (
                "/register",
                Answer::redirect(307, &server.upstream.url("/elsewhere")),
            )
        }),
        ("another callback", |_| {
            let other = json!({ "client_id": "x", "redirect_uris": ["https://evil.test/cb"] });
            ("/register", Answer::json(201, &other))
        }),
    ];
    for (name, change) in cases {
        let server = Server::start().await;
        let app = TestApp::start().await;
        integrate(&app, "mcp-any", json!({})).await;
        let (path, answer) = change(&server);
        server.answers(path, answer);
        let query = format!("&params[mcp_server_url]={}", server.upstream.url("/mcp"));
        let page = open(&app, &query).await;
        assert_eq!(page.status(), 400, "{name}: {}", page.text());
        assert!(server.asked("/elsewhere").is_empty(), "{name}");
        assert!(server.asked("/token").is_empty(), "{name}");
    }
}

/// FAULTS 38: a server that had PKCE and lost it.
#[tokio::test]
async fn faults_38_a_server_that_drops_pkce_is_not_spoken_to_any_more() {
    let server = Server::start().await;
    let app = TestApp::start().await;
    integrate(&app, "mcp-any", json!({})).await;
    let query = format!("&params[mcp_server_url]={}", server.upstream.url("/mcp"));
    let asked = asked_for(&open(&app, &query).await);
    for methods in [json!(["plain"]), json!(null)] {
        let mut weaker = server.metadata();
        weaker["code_challenge_methods_supported"] = methods;
        server.shows("/.well-known/oauth-authorization-server", &weaker);
        let page = open(&app, &query).await;
        assert_eq!(super::error_type(&page), "provider_config_err");
        assert!(page.text().contains("S256"), "{}", page.text());
    }
    // The flow that began before keeps its verifier.
    assert_eq!(come_back(&app, &asked["state"]).await.status(), 200);
    assert!(fields(&server.asked("/token")[0]).contains_key("code_verifier"));
}

#[tokio::test]
async fn a_server_has_to_have_a_good_address() {
    let app = TestApp::start().await;
    integrate(&app, "mcp-any", json!({})).await;
    for address in [
        "",
        "http://mcp.example",
        "https://u@mcp.example",
        "ftp://x",
        "https://a%23b",
    ] {
        let page = open(&app, &format!("&params[mcp_server_url]={address}")).await;
        assert_eq!(super::error_type(&page), "url_param_err", "{address}");
    }
}
