use std::time::Duration;

use serde_json::json;
use url::Url;

use super::{Scene, error_type, finish, message};

pub(super) fn param(url: &str, name: &str) -> String {
    let url = Url::parse(url).expect("a URL");
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_person_connects_and_the_app_hears_of_it() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    assert_eq!(param(&trip.location, "scope"), "read write");
    assert_eq!(
        param(&trip.location, "redirect_uri"),
        "http://tenon.test/oauth/callback"
    );
    assert_eq!(param(&trip.location, "code_challenge_method"), "S256");

    let page = scene.come_back(&trip).await;
    assert_eq!(page.status(), 200);
    assert_eq!(
        message(&page),
        json!({ "type": "nango_oauth_callback_success" })
    );

    let connection = scene.read("alice").await.json();
    assert!(
        connection["credentials"]["access_token"]
            .as_str()
            .unwrap()
            .starts_with("access-")
    );
    assert_eq!(connection["credentials"]["raw"]["token_type"], "bearer");
    let webhooks = scene.webhooks().await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0]["operation"], "creation");
    assert_eq!(webhooks[0]["success"], true);
    assert_eq!(webhooks[0]["connectionId"], "alice");

    // The same person again: the same connection.
    scene.connect("alice").await;
    assert_eq!(scene.webhooks().await[1]["operation"], "override");
}

#[tokio::test]
async fn a_session_decides_about_scopes_parameters_and_labels() {
    let scene = Scene::start().await;
    let token = scene
        .app
        .session(json!({
            "end_user": { "id": "u1", "email": "u1@example.test" },
            "allowed_integrations": ["crm"],
            "tags": { "from": "session" },
            "integrations_config_defaults": { "crm": {
                "authorization_params": { "prompt": "fixed" },
                "connection_config": { "region": "eu", "oauth_scopes_override": "o1,o2" },
            } },
        }))
        .await;
    let path = format!(
        "/oauth/connect/crm?connect_session_token={token}&params[region]=us&params[other]=o&authorization_params[prompt]=mine"
    );
    let trip = scene.open_at(&path).await;
    assert_eq!(param(&trip.location, "scope"), "o1 o2");
    assert_eq!(param(&trip.location, "prompt"), "fixed");
    let page = scene.come_back(&trip).await;
    assert_eq!(page.status(), 200);

    let webhooks = scene.webhooks().await;
    let id = webhooks[0]["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(webhooks[0]["endUser"]["endUserId"], "u1");
    let connection = scene.read(&id).await.json();
    assert_eq!(connection["tags"]["from"], "session");
    assert_eq!(connection["end_user"]["email"], "u1@example.test");
    assert_eq!(
        connection["connection_config"],
        json!({ "region": "eu", "other": "o", "oauth_scopes_override": ["o1", "o2"] })
    );
}

/// FAULTS 39: thirty minutes of passwords and second factors are fine.
#[tokio::test]
async fn faults_39_half_an_hour_at_the_provider_is_fine() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    scene.app.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(scene.come_back(&trip).await.status(), 200);
    assert!(scene.has_connection("alice").await);
}

/// FAULTS 33: the attacker's way back in the victim's browser.
#[tokio::test]
async fn faults_33_a_flow_ends_in_the_browser_that_began_it() {
    let scene = Scene::start().await;
    let attacker = scene.open("attacker").await;
    let victim = scene.open("victim").await;
    let stolen = scene.provider.agree(&attacker.location);
    for cookie in [None, Some(victim.cookie.as_str()), Some("theme=dark")] {
        let attacker = scene.open("attacker").await;
        let stolen = scene.provider.agree(&attacker.location);
        let page = scene
            .browse(&format!("/oauth/callback?{stolen}"), cookie)
            .await;
        assert_eq!(
            (page.status(), error_type(&page).as_str()),
            (400, "state_cookie_err"),
            "{cookie:?}"
        );
    }
    assert_eq!(
        scene.provider.token_requests().len(),
        0,
        "no code was exchanged"
    );
    assert!(!scene.has_connection("attacker").await);
    let failures = scene.failures().await;
    assert_eq!(failures.len(), 3);
    assert_eq!(failures[0]["error"]["type"], "state_cookie_err");
    // Each in its own browser is fine.
    let page = scene
        .browse(&format!("/oauth/callback?{stolen}"), Some(&attacker.cookie))
        .await;
    assert_eq!(page.status(), 200);
    assert_eq!(scene.come_back(&victim).await.status(), 200);
}

/// A program without any cookie jar may finish what a program began.
#[tokio::test]
async fn programs_need_no_cookie() {
    let scene = Scene::start().await;
    let path = format!(
        "/oauth/connect/crm?public_key={}&connection_id=bot",
        scene.public_key()
    );
    let answer = scene.app.anonymous("GET", &path).send().await;
    let query = scene.provider.agree(answer.header("location"));
    let back = format!("/oauth/callback?{query}");
    assert_eq!(scene.app.anonymous("GET", &back).send().await.status(), 200);
    assert!(scene.has_connection("bot").await);
}

/// FAULTS 34.
#[tokio::test]
async fn faults_34_a_code_of_somebody_else_is_refused() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    let query = scene.provider.agree(&trip.location);
    let path = format!("/oauth/callback?{query}&iss=https%3A%2F%2Fevil.example");
    let page = scene.browse(&path, Some(&trip.cookie)).await;
    assert_eq!(
        (page.status(), error_type(&page).as_str()),
        (400, "callback_err")
    );
    assert_eq!(scene.provider.token_requests().len(), 0);

    let trip = scene.open("alice").await;
    let query = scene.provider.agree(&trip.location);
    let path = format!("/oauth/callback?{query}&iss={}", scene.provider.address());
    assert_eq!(scene.browse(&path, Some(&trip.cookie)).await.status(), 200);
}

/// FAULTS 36.
#[tokio::test]
async fn faults_36_what_the_provider_says_is_only_text() {
    let scene = Scene::start().await;
    let hostile =
        "</script><script>alert(1)</script><img src=x onerror=alert(2)> javascript:alert(3)";
    let trip = scene.open("alice").await;
    let mut back = url::form_urlencoded::Serializer::new(String::new());
    back.append_pair("state", &param(&trip.location, "state"));
    back.append_pair("error", "access_denied");
    back.append_pair("error_description", hostile);
    back.append_pair("error_uri", "javascript:alert(4)");
    back.append_pair("error_reason", "data:text/html,<script>alert(5)</script>");
    let page = scene
        .browse(
            &format!("/oauth/callback?{}", back.finish()),
            Some(&trip.cookie),
        )
        .await;
    assert_eq!(
        (page.status(), error_type(&page).as_str()),
        (400, "callback_err")
    );

    let text = page.text();
    assert!(
        !text.contains("<script>alert") && !text.contains("<img"),
        "{text}"
    );
    assert!(
        message(&page)["payload"]["message"]
            .as_str()
            .unwrap()
            .contains("onerror"),
        "it is told all the same"
    );
    assert!(!text.contains("href="), "nothing leads anywhere: {text}");
    let policy = page.header("content-security-policy");
    let nonce = policy
        .split_once("script-src 'nonce-")
        .unwrap()
        .1
        .split('\'')
        .next()
        .unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(
        text.matches(&format!("<script nonce=\"{nonce}\">")).count(),
        1
    );
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        "",
        "it would cut the opener off"
    );

    let failures = scene.failures().await;
    assert_eq!(failures[0]["error"]["type"], "invalid_callback");
}

#[tokio::test]
async fn answers_without_a_token_end_the_flow_with_their_reason() {
    use tenon_testkit::{oauth::refuse, upstream::Answer};
    let scene = Scene::start().await;
    let cases = [
        (refuse("invalid_grant"), "unknown"),
        (Answer::text(200, "<html>hello</html>"), "unknown"),
        (
            Answer::json(200, &json!({ "error": "bad_verification_code" })),
            "unable_to_parse_token_response",
        ),
        (Answer::HangUp, "unknown"),
    ];
    let count = cases.len();
    for (answer, webhook_type) in cases {
        let trip = scene.open("alice").await;
        scene.provider.answer_next(answer);
        let page = scene.come_back(&trip).await;
        assert_eq!(
            (page.status(), error_type(&page).as_str()),
            (400, "unknown_err")
        );
        let failures = scene.failures().await;
        assert_eq!(failures.last().unwrap()["error"]["type"], webhook_type);
    }
    assert_eq!(scene.failures().await.len(), count);
    assert!(!scene.has_connection("alice").await);
    scene.connect("alice").await;
}

/// FAULTS 41.
#[tokio::test]
async fn faults_41_a_session_opens_only_what_it_was_made_for() {
    let scene = Scene::start().await;
    scene.integration("other").await;
    let token = scene
        .app
        .session(json!({ "end_user": { "id": "u" }, "allowed_integrations": ["crm"] }))
        .await;
    let start =
        |key: &str, more: &str| format!("/oauth/connect/{key}?connect_session_token={token}{more}");
    let refused = scene.app.anonymous("GET", &start("other", "")).send().await;
    assert_eq!(refused.refusal(), "400 integration_not_allowed");
    let refused = scene
        .app
        .anonymous("GET", &start("crm", "&connection_id=mine"))
        .send()
        .await;
    assert_eq!(
        refused.refusal(),
        "400 invalid_query_params | custom connection_id"
    );
    assert_eq!(
        scene
            .app
            .anonymous("GET", &start("crm", ""))
            .send()
            .await
            .status(),
        302
    );
    // An integration of another tenant does not exist for it, under whatever name.
    let engine = &scene.app.engine;
    let theirs = tenon_engine::environments::ensure(engine, "theirs").await;
    let theirs = theirs.expect("another environment").pk;
    let key = tenon_engine::environments::secret_key(engine, theirs).await;
    let key = key.expect("keys can be read").expect("it has one");
    let body = json!({ "unique_key": "elsewhere", "provider": "key" });
    let made = scene.app.anonymous("POST", "/integrations");
    let made = made.bearer(key.expose()).json(&body).send().await;
    assert_eq!(made.status(), 200, "{}", made.text());
    let page = scene.app.anonymous("GET", &start("elsewhere", "")).send();
    assert_eq!(error_type(&page.await), "provider_config_err");
    // Naming more in the query opens nothing.
    let more = "&allowed_integrations=other&allowed_integrations[]=other";
    let refused = scene.app.anonymous("GET", &start("other", more)).send();
    assert_eq!(refused.await.refusal(), "400 integration_not_allowed");
    scene.app.clock.advance(Duration::from_secs(30 * 60 + 1));
    let refused = scene.app.anonymous("GET", &start("crm", "")).send().await;
    assert_eq!(refused.refusal(), "401 unknown_connect_session_token");
}

#[tokio::test]
async fn a_browser_at_another_host_is_sent_to_the_right_one_first() {
    let scene = Scene::start().await;
    let path = format!(
        "/oauth/connect/crm?public_key={}&connection_id=a&params[x]=1",
        scene.public_key()
    );
    let moved = scene
        .app
        .anonymous("GET", &path)
        .header("host", "127.0.0.1:3003")
        .header(super::BROWSER.0, super::BROWSER.1)
        .send()
        .await;
    assert_eq!(moved.status(), 302);
    assert_eq!(moved.header("set-cookie"), "");
    assert_eq!(
        moved.header("location"),
        format!("http://tenon.test{path}&moved_host=1")
    );
    // Behind a proxy that hides the host it goes on after that.
    let there = format!("{path}&moved_host=1");
    let answer = scene.browse(&there, None).await;
    assert!(
        answer
            .header("location")
            .starts_with(&scene.provider.address())
    );
}

#[tokio::test]
async fn abandoned_flows_are_swept_up() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    let engine = &scene.app.engine;
    assert_eq!(tenon_engine::auth::flow::purge(engine).await.unwrap(), 0);
    scene.app.clock.advance(Duration::from_secs(3601));
    assert_eq!(tenon_engine::auth::flow::purge(engine).await.unwrap(), 1);
    let state = param(&trip.location, "state");
    let cookie = format!("oauth2-{state}");
    let error = finish(&scene, json!({ "state": state, "code": "c" }), &[&cookie])
        .await
        .unwrap_err();
    assert_eq!(error.kind.as_str(), "state_err");
}

#[tokio::test]
async fn hmac_guards_the_public_key_where_it_is_wanted() {
    use tenon_core::Secret;
    use tenon_store::{StoreError, environments::PublicAccess};
    let scene = Scene::start().await;
    let (environment, now) = (
        scene.app.environment.pk,
        tenon_core::Timestamp::from_secs(0),
    );
    let access = PublicAccess {
        public_key_auth: "open".to_owned(),
        hmac_enabled: true,
        hmac_key: Some(Secret::new("hmac-key".to_owned())),
        callback_url: None,
    };
    let set: Result<(), StoreError> = scene
        .app
        .engine
        .store
        .write(move |tx| async move { tx.set_public_access(environment, &access, now).await })
        .await;
    set.unwrap();
    let path = format!(
        "/oauth/connect/crm?public_key={}&connection_id=alice",
        scene.public_key()
    );
    let page = scene.browse(&path, None).await;
    assert_eq!(
        (page.status(), error_type(&page).as_str()),
        (400, "missing_hmac")
    );
    let page = scene.browse(&format!("{path}&hmac=00"), None).await;
    assert_eq!(
        (page.status(), error_type(&page).as_str()),
        (400, "invalid_hmac")
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"hmac-key");
    let hmac = hex::encode(aws_lc_rs::hmac::sign(&key, b"crm:alice"));
    assert_eq!(
        scene
            .browse(&format!("{path}&hmac={hmac}"), None)
            .await
            .status(),
        302
    );
}
