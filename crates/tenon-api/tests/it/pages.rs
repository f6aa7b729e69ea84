//! What people see: who may see it, and which forms change something.

use std::time::Duration;

use tenon_api::{
    demo::{Helpdesk, Plan},
    pages::{Access, Pages},
};
use tenon_core::Secret;
use tenon_engine::people::{self, SESSION};

use crate::app::{Answer, PUBLIC_URL, TestApp};

const HOME: &str = "/ui/getting-started";
const FORM: &str = "application/x-www-form-urlencoded";
const EMAIL: &str = "ann@acme.example";
const PASSWORD: &str = "correct horse battery";

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// The part of a text between two others.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(part, _)| part)
}

fn cookie(answer: &Answer) -> String {
    let header = answer.header("set-cookie");
    header.split(';').next().unwrap_or_default().to_owned()
}

async fn set_up(app: &TestApp) -> Answer {
    let token = people::setup_link(&app.engine)
        .await
        .expect("a store")
        .expect("nobody is there yet");
    let sent = form(&[
        ("token", token.expose()),
        ("email", EMAIL),
        ("password", PASSWORD),
    ]);
    app.anonymous("POST", "/ui/setup")
        .body(FORM, sent)
        .send()
        .await
}

async fn log_in(app: &TestApp, password: &str) -> Answer {
    let sent = form(&[("email", EMAIL), ("password", password)]);
    app.anonymous("POST", "/ui/login")
        .body(FORM, sent)
        .send()
        .await
}

#[tokio::test]
async fn the_connect_page_may_be_framed_and_all_others_may_not() {
    let app = TestApp::start().await;
    let page = app.anonymous("GET", "/connect-ui/").send().await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.header("x-frame-options"), "");
    let policy = page.header("content-security-policy").to_owned();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("frame-ancestors"),
        "{policy}"
    );
    assert_eq!(page.header("referrer-policy"), "strict-origin");
    let mine = app.anonymous("GET", "/connect-ui/my-connections/").send();
    assert_eq!(mine.await.header("x-frame-options"), "");
    // Any name below it is the page, too, and its files are beside it.
    assert_eq!(
        app.anonymous("GET", "/connect-ui/integrations")
            .send()
            .await
            .text(),
        page.text()
    );
    let login = app.anonymous("GET", "/ui/login").send().await;
    assert_eq!(login.header("x-frame-options"), "DENY");
    assert!(
        login
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn the_connect_page_gets_its_slash_and_keeps_its_query() {
    let app = TestApp::start().await;
    let redirect = app
        .anonymous("GET", "/connect-ui?session_token=t&lang=de")
        .send()
        .await;
    assert_eq!(redirect.status(), 307);
    assert_eq!(
        redirect.header("location"),
        "connect-ui/?session_token=t&lang=de"
    );
    let redirect = app.anonymous("GET", "/connect-ui/my-connections?lang=de");
    assert_eq!(
        redirect.send().await.header("location"),
        "my-connections/?lang=de"
    );
}

#[tokio::test]
async fn files_are_served_with_their_type_and_kept_when_their_version_is_named() {
    let app = TestApp::start().await;
    let page = app.anonymous("GET", "/connect-ui/").send().await.text();
    let versioned = between(&page, "src=\"connect.js?", "\"").to_owned();
    let script = app
        .anonymous("GET", &format!("/connect-ui/connect.js?{versioned}"))
        .send()
        .await;
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert!(script.header("cache-control").contains("immutable"));
    assert!(!script.text().contains("import {"), "one module, joined");
    let plain = app
        .anonymous("GET", "/connect-ui/texts/ja.json")
        .send()
        .await;
    assert_eq!(plain.header("cache-control"), "no-cache");
    assert_eq!(
        app.anonymous("GET", "/connect-ui/nothing.js")
            .send()
            .await
            .status(),
        404
    );
    assert_eq!(
        app.anonymous("GET", "/ui/assets/sdk.js")
            .send()
            .await
            .status(),
        200
    );
    assert_eq!(
        app.anonymous("GET", "/ui/assets/..%2Fconnect%2Fpage.html")
            .send()
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn every_provider_has_a_logo_and_nothing_else_has() {
    let app = TestApp::start().await;
    let logo = app
        .anonymous("GET", "/images/template-logos/none.svg")
        .send()
        .await;
    assert_eq!(
        (logo.status(), logo.header("content-type")),
        (200, "image/svg+xml")
    );
    assert_eq!(
        app.anonymous("GET", "/images/template-logos/nobody.svg")
            .send()
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn a_browser_at_the_root_is_led_to_the_pages() {
    let app = TestApp::start().await;
    let browser = app
        .anonymous("GET", "/")
        .header("accept", "text/html,*/*")
        .send()
        .await;
    assert_eq!((browser.status(), browser.header("location")), (303, HOME));
    assert_eq!(app.anonymous("GET", "/").send().await.status(), 200);
}

#[tokio::test]
async fn without_a_login_there_is_only_the_way_to_one() {
    let app = TestApp::start().await;
    for (method, path) in [
        ("GET", HOME),
        ("POST", "/ui/getting-started/collect"),
        ("POST", "/ui/logout"),
    ] {
        let answer = app
            .anonymous(method, path)
            .body(FORM, "csrf=x")
            .send()
            .await;
        assert_eq!(
            (answer.status(), answer.header("location")),
            (303, "/ui/login"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_setup_link_works_once() {
    let app = TestApp::start().await;
    let old = people::setup_link(&app.engine)
        .await
        .expect("a store")
        .expect("nobody yet");
    let answer = set_up(&app).await;
    assert_eq!((answer.status(), answer.header("location")), (303, HOME));
    let attributes = answer.header("set-cookie");
    assert!(
        attributes.contains("HttpOnly")
            && attributes.contains("SameSite=Lax")
            && attributes.contains("Path=/ui")
    );
    let home = app
        .anonymous("GET", HOME)
        .header("cookie", &cookie(&answer))
        .send()
        .await;
    assert_eq!(home.status(), 200);
    assert!(home.text().contains(EMAIL));

    // Neither the older link nor a new one: somebody can log in now.
    let sent = form(&[
        ("token", old.expose()),
        ("email", "eve@evil.example"),
        ("password", PASSWORD),
    ]);
    assert_eq!(
        app.anonymous("POST", "/ui/setup")
            .body(FORM, sent)
            .send()
            .await
            .status(),
        410
    );
    assert!(
        people::setup_link(&app.engine)
            .await
            .expect("a store")
            .is_none()
    );
}

#[tokio::test]
async fn a_short_password_or_no_address_is_told_and_the_link_still_works() {
    let app = TestApp::start().await;
    let token = people::setup_link(&app.engine)
        .await
        .expect("a store")
        .expect("nobody yet");
    for (email, password) in [(EMAIL, "short"), ("ann", PASSWORD)] {
        let sent = form(&[
            ("token", token.expose()),
            ("email", email),
            ("password", password),
        ]);
        let answer = app
            .anonymous("POST", "/ui/setup")
            .body(FORM, sent)
            .send()
            .await;
        assert_eq!(answer.status(), 422, "{}", answer.text());
    }
    let page = app
        .anonymous("GET", &format!("/ui/setup?token={}", token.expose()))
        .send()
        .await;
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_many_have_to_wait() {
    let app = TestApp::start().await;
    set_up(&app).await;
    for _ in 0..10 {
        assert_eq!(log_in(&app, "wrong password").await.status(), 401);
    }
    assert_eq!(log_in(&app, PASSWORD).await.status(), 429);
    app.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(log_in(&app, PASSWORD).await.status(), 303);
}

#[tokio::test]
async fn a_session_ends_by_itself_or_by_logging_out() {
    let app = TestApp::start().await;
    set_up(&app).await;
    let first = cookie(&log_in(&app, PASSWORD).await);
    let second = cookie(&log_in(&app, PASSWORD).await);
    let visit = async |session: &str| {
        app.anonymous("GET", HOME)
            .header("cookie", session)
            .send()
            .await
    };
    let csrf = between(&visit(&first).await.text(), "name=\"csrf\" value=\"", "\"").to_owned();

    let sent = form(&[("csrf", &csrf)]);
    let out = app
        .anonymous("POST", "/ui/logout")
        .header("cookie", &first)
        .body(FORM, sent)
        .send()
        .await;
    assert_eq!(out.header("location"), "/ui/login");
    assert_eq!(visit(&first).await.status(), 303);

    // A visit extends a session that is used.
    app.clock.advance(SESSION - Duration::from_secs(60));
    assert_eq!(visit(&second).await.status(), 200);
    app.clock.advance(SESSION - Duration::from_secs(60));
    assert_eq!(visit(&second).await.status(), 200);
    app.clock.advance(SESSION);
    assert_eq!(visit(&second).await.status(), 303);
}

#[tokio::test]
async fn forms_from_elsewhere_or_without_their_token_change_nothing() {
    let app = TestApp::start().await;
    let session = cookie(&set_up(&app).await);
    let csrf = between(
        &app.anonymous("GET", HOME)
            .header("cookie", &session)
            .send()
            .await
            .text(),
        "name=\"csrf\" value=\"",
        "\"",
    )
    .to_owned();
    let log_out = |csrf: &str, origin: &str| {
        app.anonymous("POST", "/ui/logout")
            .header("cookie", &session)
            .header("host", "tenon.test")
            .header("origin", origin)
            .body(FORM, form(&[("csrf", csrf)]))
    };
    assert_eq!(log_out("guess", PUBLIC_URL).send().await.status(), 403);
    assert_eq!(
        log_out(&csrf, "https://evil.example").send().await.status(),
        403
    );
    let still = app
        .anonymous("GET", HOME)
        .header("cookie", &session)
        .send()
        .await;
    assert_eq!(still.status(), 200);
    assert_eq!(log_out(&csrf, PUBLIC_URL).send().await.status(), 303);
}

fn open_pages(app: &TestApp) -> Pages {
    let plan: Plan = serde_json::from_str(include_str!("../../../../examples/helpdesk/demo.json"))
        .expect("the plan");
    let engine = &app.engine;
    let callback = format!("{PUBLIC_URL}/oauth/callback");
    let demo = Helpdesk::new(
        plan,
        "http://127.0.0.1:4003".to_owned(),
        callback,
        engine.clock.clone(),
        engine.ids.clone(),
    );
    Pages {
        access: Access::OpenOnLoopback { port: 3003 },
        demo: Some(demo),
    }
}

#[tokio::test]
async fn open_pages_answer_to_the_names_of_this_machine_only() {
    let app = TestApp::start().await;
    let pages = open_pages(&app);
    for (host, status) in [
        ("localhost:3003", 200),
        ("127.0.0.1:3003", 200),
        ("[::1]:3003", 200),
        ("rebound.example:3003", 403),
        ("localhost", 403),
    ] {
        let answer = app
            .page(&pages, "GET", HOME)
            .header("host", host)
            .send()
            .await;
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[tokio::test]
async fn the_walk_through_opens_a_session_for_the_demo() {
    let app = TestApp::start().await;
    tenon_engine::environments::ensure(&app.engine, "demo")
        .await
        .expect("an environment");
    let pages = open_pages(&app);
    let page = app
        .page(&pages, "GET", HOME)
        .header("host", "localhost:3003")
        .send()
        .await
        .text();
    for word in [
        "Connect",
        "Receive notifications",
        "Collect the data",
        "Write back",
        "nango.auth(",
    ] {
        assert!(page.contains(word), "{word}");
    }
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"").to_owned();
    let connect = |csrf: &str| {
        app.page(&pages, "POST", "/ui/getting-started/connect")
            .header("host", "localhost:3003")
            .header("accept", "application/json")
            .body(FORM, form(&[("csrf", csrf)]))
    };
    assert_eq!(connect("").send().await.status(), 403);
    // The demo's integration is not set up here, and the session says so instead of pretending.
    assert_eq!(connect(&csrf).send().await.status(), 502);
}

#[tokio::test]
async fn an_environment_of_ones_own_shows_what_is_missing() {
    let app = TestApp::start().await;
    let pages = open_pages(&app);
    let own = |app: &TestApp| {
        app.page(&pages, "GET", "/ui/getting-started?environment=dev")
            .header("host", "localhost:3003")
    };
    let before = own(&app).send().await.text();
    assert!(before.contains("No integration yet") && before.contains("No connection yet"));
    app.connection("open", "alice").await;
    let after = own(&app).send().await.text();
    assert!(
        after.contains("1 connection") && !after.contains("No connection yet"),
        "{after}"
    );
    assert!(
        !after.contains(app.secret_key.expose()),
        "keys stay where they are"
    );
    let unknown = app
        .page(&pages, "GET", "/ui/getting-started?environment=nope")
        .header("host", "localhost:3003");
    assert_eq!(unknown.send().await.status(), 404);
}

#[tokio::test]
async fn passwords_are_not_stored_in_clear() {
    let app = TestApp::start().await;
    set_up(&app).await;
    let person = app
        .engine
        .reader()
        .find_person(EMAIL)
        .await
        .expect("a store")
        .expect("it was added");
    assert!(
        person
            .password_hash
            .expose()
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert_eq!(format!("{:?}", Secret::new("x".to_owned())), "***");
}
