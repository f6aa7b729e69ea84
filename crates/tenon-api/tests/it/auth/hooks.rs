//! Calls around connections of our entries: what completes them, what proves them, what takes them back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_engine::revocation::Revoker;
use tenon_testkit::upstream::{Answer, Received, Upstream};

use crate::{TestApp, app::Wishes};

pub(super) type Answers = Arc<Mutex<Vec<(&'static str, Value)>>>;

/// Provider, what the connect form gave, what the provider's paths answer, and what the connection knows then.
type Case = (
    &'static str,
    &'static str,
    Vec<(&'static str, Value)>,
    Value,
);

/// A server with one of our entries, whose provider answers by path: a body, or a status alone (nothing is 401).
pub(super) async fn scene(
    provider: &'static str,
    answers: &[(&'static str, Value)],
) -> (TestApp, Upstream, Answers) {
    let answers: Answers = Arc::new(Mutex::new(answers.to_vec()));
    let script = Arc::clone(&answers);
    let upstream = Upstream::start(move |request: &Received| {
        let answers = script.lock().unwrap();
        let known = answers
            .iter()
            .find(|(path, _)| request.target.trim_end_matches('/').ends_with(path));
        match known {
            Some((_, Value::Null)) => Answer::json(401, &json!({})),
            Some((_, Value::Number(status))) => {
                let status = status.as_u64().and_then(|status| status.try_into().ok());
                Answer::json(status.unwrap(), &json!({}))
            }
            Some((_, answer)) => Answer::json(200, answer),
            None => Answer::json(404, &json!({ "message": "no such page" })),
        }
    })
    .await;
    let app = TestApp::with(Wishes {
        upstream: Some(upstream.url("")),
        ours: vec![provider],
        ..Wishes::default()
    })
    .await;
    let mode = app
        .engine
        .catalogue
        .find(provider)
        .unwrap()
        .auth_mode
        .as_str();
    let mut body = json!({ "unique_key": "p", "provider": provider });
    if mode == "OAUTH2" {
        body["credentials"] = json!({ "type": mode, "client_id": "cid", "client_secret": "sec" });
    }
    let made = app.post("/integrations", body).await;
    assert_eq!(made.status(), 200, "{provider}: {}", made.text());
    (app, upstream, answers)
}

async fn connect(app: &TestApp, params: &str, origin: &str) -> Value {
    let key = &app.environment.public_key;
    let start = format!("/oauth/connect/p?public_key={key}&connection_id=a&{params}");
    let away = app.anonymous("GET", &start).send().await;
    let location = away.header("location").to_owned();
    let state = location
        .split("state=")
        .nth(1)
        .unwrap_or_else(|| panic!("{}", away.text()));
    let state = state.split('&').next().unwrap();
    // Some say in the callback where the account is.
    let back =
        format!("/oauth/callback?code=c&state={state}&accounts-server={origin}/accounts.zoho.test");
    let page = app.anonymous("GET", &back).send().await;
    assert_eq!(page.status(), 200, "{}", page.text());
    app.get("/connections/a?provider_config_key=p").await.json()["connection_config"].clone()
}

#[tokio::test]
async fn new_connections_know_their_account() {
    // {"alg":"none"}.{"tid":"tenant-1"}
    let signed = "eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ0ZW5hbnQtMSJ9.s";
    let token = |more: Value| {
        let mut token = json!({ "access_token": "a1", "refresh_token": "r1", "expires_in": 3600 });
        token
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        token
    };
    let plain = || ("token", token(json!({})));
    let hash = "73d9c2dd4b1a9e2c";
    let cases: Vec<Case> = vec![
        (
            "hubspot",
            "",
            vec![
                ("/account-info/v3/details", json!({ "portalId": 7 })),
                plain(),
            ],
            json!({ "portalId": 7 }),
        ),
        (
            "jira",
            "params[subdomain]=two",
            vec![
                (
                    "/accessible-resources",
                    json!([{ "id": "c1", "url": "https://one.atlassian.net" }, { "id": "c2", "url": "$UP/two.atlassian.net" }]),
                ),
                (
                    "/ex/jira/c2/rest/api/3/myself",
                    json!({ "accountId": "me" }),
                ),
                plain(),
            ],
            json!({ "subdomain": "two", "cloudId": "c2", "baseUrl": "$UP/two.atlassian.net", "accountId": "me" }),
        ),
        (
            "confluence",
            "params[subdomain]=none",
            vec![
                (
                    "/accessible-resources",
                    json!([{ "id": "c1", "url": "https://one.atlassian.net" }]),
                ),
                plain(),
            ],
            json!({ "subdomain": "none", "cloudId": "c1", "baseUrl": "https://one.atlassian.net" }),
        ),
        (
            "attio",
            "",
            vec![("/v2/self", json!({ "workspace_id": "w" })), plain()],
            json!({ "workspace_id": "w" }),
        ),
        (
            "basecamp",
            "params[accountId]=5",
            vec![
                ("/authorization.json", json!({ "accounts": [{ "id": 9 }] })),
                plain(),
            ],
            json!({ "accountId": "5" }),
        ),
        (
            "calendly",
            "",
            vec![
                (
                    "/users/me",
                    json!({ "resource": { "current_organization": "https://api.calendly.com/organizations/ORG" } }),
                ),
                plain(),
            ],
            json!({ "organizationId": "ORG" }),
        ),
        (
            "checkr-partner",
            "params[client_id]=cp",
            vec![("/oauth/tokens", token(json!({ "checkr_account_id": "ck" })))],
            json!({ "client_id": "cp", "checkr_account_id": "ck" }),
        ),
        (
            "docusign",
            "",
            vec![
                (
                    "/oauth/userinfo",
                    json!({ "accounts": [{ "account_id": "x", "is_default": false }, { "account_id": "y", "is_default": true, "base_uri": "https://eu.docusign.test" }] }),
                ),
                plain(),
            ],
            json!({ "baseUri": "https://eu.docusign.test", "accountId": "y" }),
        ),
        (
            "gusto",
            "",
            vec![
                ("/v1/token_info", json!({ "resource": { "uuid": "u" } })),
                plain(),
            ],
            json!({ "companyUuid": "u" }),
        ),
        (
            "highlevel",
            "",
            vec![(
                "/oauth/token",
                token(json!({ "locationId": "l", "companyId": "c" })),
            )],
            json!({ "locationId": "l", "companyId": "c" }),
        ),
        (
            "linear",
            "",
            vec![
                (
                    "/graphql",
                    json!({ "data": { "organization": { "id": "o" } } }),
                ),
                plain(),
            ],
            json!({ "organizationId": "o" }),
        ),
        (
            "mailchimp",
            "",
            vec![("/oauth2/metadata", json!({ "dc": "us1" })), plain()],
            json!({ "dc": "us1" }),
        ),
        (
            "microsoft-teams",
            "",
            vec![("token", token(json!({ "id_token": signed })))],
            json!({ "tenantId": "tenant-1" }),
        ),
        (
            "microsoft-teams",
            "",
            vec![("token", token(json!({ "access_token": signed })))],
            json!({ "tenantId": "tenant-1" }),
        ),
        (
            "rippling-shop-app",
            "params[appName]=acme",
            vec![("/mark_app_installed", json!({})), plain()],
            json!({ "appName": "acme" }),
        ),
        (
            "sage-200",
            "",
            vec![
                (
                    "/uk/sage200/accounts/v1/sites",
                    json!([{ "company_id": 1, "site_id": "s" }]),
                ),
                plain(),
            ],
            json!({ "company_id": 1, "site_id": "s", "edition": "sage200" }),
        ),
        (
            "xero",
            "",
            vec![("/connections", json!([{ "tenantId": "t" }])), plain()],
            json!({ "tenant_id": "t" }),
        ),
        (
            "zoho",
            "",
            vec![(
                "token",
                token(json!({ "api_domain": "https://www.zohoapis.com.au" })),
            )],
            json!({ "accounts-server": "$UP/accounts.zoho.test", "api_domain": "https://www.zohoapis.com.au", "extension": "com.au" }),
        ),
        (
            "google-mail",
            "",
            vec![
                (
                    "/users/me/profile",
                    json!({ "emailAddress": "Ann@acme.test" }),
                ),
                plain(),
            ],
            json!({ "emailAddressHash": hash }),
        ),
        // A provider that is away teaches nothing and stops nobody.
        ("xero", "", vec![plain()], json!({})),
    ];
    for (provider, params, answers, expected) in cases {
        let (app, upstream, known) = scene(provider, &[]).await;
        let origin = upstream.url("");
        let home = |value: &Value| -> Value {
            serde_json::from_str(&value.to_string().replace("$UP", &origin)).unwrap()
        };
        known
            .lock()
            .unwrap()
            .extend(answers.iter().map(|(path, answer)| (*path, home(answer))));
        let mut config = connect(&app, params, &origin).await;
        if let Some(found) = config.get_mut("emailAddressHash") {
            let full = found.as_str().unwrap().to_owned();
            assert_eq!(full.len(), 64, "{provider}");
            *found = hash.into();
        }
        assert_eq!(config, home(&expected), "{provider}");
    }
}

#[tokio::test]
async fn credentials_are_proved_where_the_status_says_nothing() {
    let cases: Vec<(&'static str, &str, Value, &str, &'static str, Value, Value)> = vec![
        (
            "apollo",
            "/api-auth/api-key/p",
            json!({ "apiKey": "k" }),
            "",
            "/v1/auth/health",
            json!({ "is_logged_in": true }),
            json!({ "is_logged_in": false }),
        ),
        (
            "azure-devops",
            "/api-auth/basic/p",
            json!({ "username": "", "password": "pat" }),
            "params[organizationUrl]=dev.azure.test/acme",
            "/_apis/projects?api-version=7.1",
            json!({ "count": 0 }),
            json!({ "html": "sign in" }),
        ),
        (
            "bitdefender",
            "/api-auth/basic/p",
            json!({ "username": "k", "password": "" }),
            "params[ACCESS_URL]=$UP/gravity.test/api",
            "/v1.0/jsonrpc/general",
            json!({ "result": {} }),
            json!({ "error": {} }),
        ),
        (
            "expensify",
            "/api-auth/basic/p",
            json!({ "username": "u", "password": "s" }),
            "",
            "/ExpensifyIntegrations",
            json!({ "responseCode": 200 }),
            json!({ "responseCode": 404 }),
        ),
        (
            "lastpass",
            "/api-auth/basic/p",
            json!({ "username": "1", "password": "h" }),
            "",
            "/enterpriseapi.php",
            json!({ "total": 3 }),
            json!({ "status": "FAIL" }),
        ),
        (
            "skio",
            "/api-auth/api-key/p",
            json!({ "apiKey": "k" }),
            "",
            "/v1/graphql",
            json!({ "data": {} }),
            json!({ "errors": [] }),
        ),
        (
            "snipe-it",
            "/api-auth/api-key/p",
            json!({ "apiKey": "k" }),
            "params[hostname]=assets.test",
            "/v1/users/me",
            json!({ "id": 1 }),
            json!({ "error": "no" }),
        ),
        (
            "pushpay-chms-v1",
            "/api-auth/basic/p",
            json!({ "username": "u", "password": "p" }),
            "params[subdomain]=acme",
            "/api.php?srv=api_status",
            json!({}),
            Value::Null,
        ),
        (
            "aws-iam",
            "/api-auth/basic/p",
            json!({ "username": "AKID", "password": "s" }),
            "params[region]=eu-west-1",
            "?Action=GetCallerIdentity&Version=2011-06-15",
            json!({}),
            Value::Null,
        ),
        (
            "aws-inspector2",
            "/api-auth/basic/p",
            json!({ "username": "AKID", "password": "s" }),
            "params[region]=eu-west-1",
            "?Action=GetCallerIdentity&Version=2011-06-15",
            json!({}),
            Value::Null,
        ),
    ];
    for (provider, route, body, params, path, good, bad) in cases {
        let (app, upstream, answers) = scene(provider, &[(path, bad)]).await;
        let params = params.replace("$UP", &upstream.url(""));
        let route = format!(
            "{route}?public_key={}&connection_id=a&{params}",
            app.environment.public_key
        );
        let refused = app.anonymous("POST", &route).json(&body).send().await;
        assert_eq!(
            refused.refusal(),
            "400 connection_test_failed",
            "{provider}"
        );
        *answers.lock().unwrap() = vec![(path, good)];
        let taken = app.anonymous("POST", &route).json(&body).send().await;
        assert_eq!(taken.status(), 200, "{provider}: {}", taken.text());
        if provider.starts_with("aws") {
            let asked = upstream.received().pop().unwrap();
            let signature = asked.header("authorization").unwrap();
            assert!(
                signature.contains("/us-east-1/sts/aws4_request"),
                "{signature}"
            );
        }
    }
}

#[tokio::test]
async fn providers_hear_that_a_connection_ends() {
    let (region, subdomain) = ("params[region]=eu", "params[subdomain]=acme");
    let cases = [
        (
            "hubspot",
            "",
            "DELETE /api.hubapi.com/oauth/v1/refresh-tokens/r1 - ",
        ),
        (
            "intercom",
            "",
            "POST /api.intercom.io/auth/uninstall Bearer a1 ",
        ),
        (
            "intercom",
            region,
            "POST /api.eu.intercom.io/auth/uninstall Bearer a1 ",
        ),
        ("linear", "", "POST /api.linear.app/oauth/revoke Bearer a1 "),
        (
            "onelogin",
            subdomain,
            r#"POST /acme.onelogin.com/auth/oauth2/revoke Basic Y2lkOnNlYw== {"access_token":"a1"}"#,
        ),
    ];
    for (provider, params, expected) in cases {
        let token = json!({ "access_token": "a1", "refresh_token": "r1", "token": "a1" });
        let (app, upstream, answers) = scene(provider, &[("token", token)]).await;
        if provider == "onelogin" {
            connect_client(&app, params).await;
        } else {
            connect(&app, params, &upstream.url("")).await;
        }
        upstream.take();
        let gone = app.delete("/connections/a?provider_config_key=p").await;
        assert_eq!(gone.json(), json!({ "success": true }), "{provider}");
        assert_eq!(told(&upstream), "", "{provider}: nothing holds it up");

        *answers.lock().unwrap() = vec![("", json!(503))];
        let revoker = Revoker::new(app.engine.clone());
        assert_eq!(revoker.round().await.unwrap(), 1, "{provider}");
        assert_eq!(told(&upstream), expected, "{provider} is away");
        *answers.lock().unwrap() = vec![("", json!({}))];
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(revoker.round().await.unwrap(), 1, "{provider}");
        assert_eq!(told(&upstream), expected, "{provider} is back");
        app.clock.advance(Duration::from_secs(7 * 86_400));
        assert_eq!(revoker.round().await.unwrap(), 0, "{provider}");
        assert_eq!(told(&upstream), "", "{provider} knows already");
        let proof = &app.get("/revocations").await.json()["revocations"];
        assert_eq!(proof.as_array().unwrap().len(), 1, "{provider}: {proof}");
        assert_eq!(proof[0]["state"], "revoked", "{provider}");
    }
}

async fn connect_client(app: &TestApp, params: &str) {
    let key = &app.environment.public_key;
    let path = format!("/oauth2/auth/p?public_key={key}&connection_id=a&{params}");
    let client = json!({ "client_id": "cid", "client_secret": "sec" });
    let made = app.anonymous("POST", &path).json(&client).send().await;
    assert_eq!(made.status(), 200, "{}", made.text());
}

/// The requests since the last look: method, target, authorization and body.
pub(super) fn told(upstream: &Upstream) -> String {
    let requests = upstream.take();
    let lines = requests.iter().map(|request| {
        let authorization = request.header("authorization").unwrap_or("-");
        let (method, target) = (&request.method, &request.target);
        format!("{method} {target} {authorization} {}", request.text())
    });
    lines.collect::<Vec<_>>().join("\n")
}
