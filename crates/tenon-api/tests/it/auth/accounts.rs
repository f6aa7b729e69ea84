//! What connections know of their accounts when no flow brought them, and what that is good for.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::hooks::{scene, told};
use crate::TestApp;

#[tokio::test]
async fn imported_connections_know_their_account() {
    let details = |portal: u64| ("/account-info/v3/details", json!({ "portalId": portal }));
    let (app, upstream, answers) = scene("hubspot", &[details(7)]).await;
    let import = |more: Value| {
        let mut body = json!({ "provider_config_key": "p", "connection_id": "a",
            "credentials": { "type": "OAUTH2", "access_token": "a1", "refresh_token": "r1" } });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        app.post("/connections", body)
    };
    let made = import(json!({})).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(made.json()["connection_config"], json!({ "portalId": 7 }));
    assert_eq!(
        upstream.take()[0].header("authorization"),
        Some("Bearer a1")
    );

    // The app knows better than the provider, the provider better than an import before.
    let own = json!({ "connection_config": { "portalId": 1, "more": "x" } });
    let config = import(own.clone()).await.json()["connection_config"].clone();
    assert_eq!(config, own["connection_config"]);
    *answers.lock().unwrap() = vec![details(8)];
    let config = import(json!({})).await.json()["connection_config"].clone();
    assert_eq!(config, json!({ "portalId": 8, "more": "x" }));

    // A provider that is away stops nobody.
    answers.lock().unwrap().clear();
    let other = json!({ "connection_id": "b" });
    let made = import(other).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(made.json()["connection_config"], json!({}));

    *answers.lock().unwrap() = vec![details(9)];
    let flat = json!({ "provider_config_key": "p", "connection_id": "c", "access_token": "a1",
        "no_expiration": true });
    assert_eq!(app.post("/connection", flat).await.status(), 201);
    let config = app.get("/connections/c?provider_config_key=p").await.json();
    assert_eq!(config["connection_config"], json!({ "portalId": 9 }));
}

#[tokio::test]
async fn an_api_key_knows_its_account() {
    let accounts = json!({ "accounts": [{ "id": "1", "subdomain": "acme" }] });
    let (app, upstream, _answers) = scene("workable", &[("/spi/v3/accounts", accounts)]).await;
    let key = &app.environment.public_key;
    for (params, expected, asked) in [
        (
            "",
            "acme",
            "GET /www.workable.com/spi/v3/accounts Bearer k ",
        ),
        ("&params[subdomain]=other", "other", ""),
    ] {
        let path = format!("/api-auth/api-key/p?public_key={key}&connection_id=a{params}");
        let body = json!({ "apiKey": "k" });
        let made = app.anonymous("POST", &path).json(&body).send().await;
        assert_eq!(made.status(), 200, "{}", made.text());
        assert_eq!(told(&upstream), asked, "{params}");
        let stored = app.get("/connections/a?provider_config_key=p").await.json();
        assert_eq!(
            stored["connection_config"],
            json!({ "subdomain": expected })
        );
    }
    let call = app
        .request("GET", "/proxy/spi/v3/jobs")
        .header("connection-id", "a")
        .header("provider-config-key", "p");
    assert_eq!(
        call.send().await.status(),
        404,
        "the upstream knows no jobs"
    );
    assert_eq!(
        told(&upstream),
        "GET /other.workable.com/spi/v3/jobs Bearer k "
    );
}

#[tokio::test]
async fn a_provider_is_asked_with_the_first_token_that_works() {
    let details = ("/account-info/v3/details", json!({ "portalId": 7 }));
    let token = json!({ "access_token": "a2", "refresh_token": "r2", "expires_in": 1800 });
    let (app, upstream, _answers) = scene("hubspot", &[details, ("/token", token)]).await;
    let body = json!({ "provider_config_key": "p", "connection_id": "a",
        "credentials": { "type": "OAUTH2", "access_token": "a1", "refresh_token": "r1",
            "expires_at": "2020-01-01T00:00:00Z" } });
    let made = app.post("/connections", body).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(made.json()["connection_config"], json!({}));
    assert_eq!(upstream.count(), 0, "the token is of no use");

    let read = app.get("/connections/a?provider_config_key=p").await.json();
    assert_eq!(read["connection_config"], json!({ "portalId": 7 }));
    let asked = upstream.take();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].target.ends_with("/oauth/v1/token"));
    assert_eq!(asked[1].header("authorization"), Some("Bearer a2"));

    app.clock.advance(Duration::from_secs(1_800));
    let again = app.get("/connections/a?provider_config_key=p").await;
    assert_eq!(again.json()["connection_config"], json!({ "portalId": 7 }));
    assert_eq!(upstream.take().len(), 1, "it has said it already");
}

#[tokio::test]
async fn pushes_of_google_find_their_mailbox() {
    let mail = |address: &str| {
        let push = json!({ "emailAddress": address, "historyId": 7 }).to_string();
        let body = json!({ "message": { "data": STANDARD.encode(push) } });
        (body, Vec::new())
    };
    let calendar = |address: &str| {
        let calendar = address.replace('@', "%40");
        let uri = format!("https://www.googleapis.com/calendar/v3/calendars/{calendar}/events");
        let headers = vec![
            ("x-goog-resource-state", "exists".to_owned()),
            ("x-goog-resource-uri", uri),
        ];
        (json!({}), headers)
    };
    type Push<'a> = &'a dyn Fn(&str) -> (Value, Vec<(&'static str, String)>);
    let cases: [(&str, &str, &str, Push<'_>); 2] = [
        (
            "google-mail",
            "/gmail/v1/users/me/profile",
            "emailAddress",
            &mail,
        ),
        (
            "google-calendar",
            "/calendar/v3/calendars/primary",
            "id",
            &calendar,
        ),
    ];
    for (provider, path, member, push) in cases {
        let (app, _upstream, answers) = scene(provider, &[]).await;
        for (id, address) in [("ann", "Ann@acme.test"), ("bob", "bob@acme.test")] {
            *answers.lock().unwrap() = vec![(path, json!({ member: address }))];
            let body = json!({ "provider_config_key": "p", "connection_id": id,
                "credentials": { "type": "OAUTH2", "access_token": id } });
            assert_eq!(app.post("/connections", body).await.status(), 201);
        }
        let by_metadata = json!({ "connection_id": "eve", "provider_config_key": "p",
            "credentials": { "type": "OAUTH2", "access_token": "eve" },
            "metadata": { "email": "eve@acme.test" } });
        answers.lock().unwrap().clear();
        assert_eq!(app.post("/connections", by_metadata).await.status(), 201);
        for address in [
            "ann@acme.test",
            "bob@acme.test",
            "eve@acme.test",
            "nobody@acme.test",
        ] {
            let (body, headers) = push(address);
            sent(&app, &body, &headers).await;
        }
        app.run_until_idle().await;
        let told = app.webhooks("forward").await;
        let whom: Vec<&Value> = told.iter().map(|told| &told["connectionId"]).collect();
        let expected = json!(["ann", "bob", "eve", null]);
        assert_eq!(json!(whom), expected, "{provider}");
    }
}

async fn sent(app: &TestApp, body: &Value, headers: &[(&'static str, String)]) {
    let path = format!("/webhook/{}/p", app.environment.uuid);
    let mut request = app.anonymous("POST", &path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.json(body).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}
