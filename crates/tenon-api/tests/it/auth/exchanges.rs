//! Token requests of providers with a way of their own: our entries, with an upstream in the place of their hosts.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use regex::Regex;
use serde_json::{Value, json};
use tenon_testkit::upstream::{Answer, Received, Upstream};
use url::Url;

use super::direct::private_key;
use crate::{TestApp, app::Wishes};

/// What is asked and understood; looked through by eye against the providers' documentation when it was written.
const EXPECTED: &str = include_str!("exchanges.txt");

const SECRET: &str = "0123456789abcdefghijKLMN";

/// A flow and a forced refresh: parameters of the person, what the callback brings besides, answers to the code and to
/// the refresh.
struct Case {
    provider: &'static str,
    params: &'static str,
    callback: &'static str,
    code: Vec<Value>,
    refresh: Vec<Value>,
}

fn case(provider: &'static str, code: Value, refresh: Value) -> Case {
    let list = |answers: Value| match answers {
        Value::Array(answers) => answers,
        one => vec![one],
    };
    Case {
        provider,
        params: "",
        callback: "",
        code: list(code),
        refresh: list(refresh),
    }
}

impl Case {
    fn with(self, params: &'static str) -> Self {
        Self { params, ..self }
    }

    fn back(self, callback: &'static str) -> Self {
        Self { callback, ..self }
    }
}

fn usual(number: u32) -> Value {
    json!({ "access_token": format!("a{number}"), "refresh_token": format!("r{number}"), "expires_in": 7200 })
}

fn bare(number: u32) -> Value {
    json!({ "access_token": format!("a{number}"), "refresh_token": format!("r{number}") })
}

fn xml(number: u32) -> Value {
    json!({ "xml": format!("<credentials><access-token>a{number}</access-token><refresh-token>r{number}</refresh-token>\
        <expires-at type=\"datetime\">2026-01-11T00:00:00Z</expires-at></credentials>") })
}

fn cases() -> Vec<Case> {
    let data = |number: u32| json!({ "code": 0, "message": "OK", "data": usual(number) });
    let rest = |number: u32| json!([usual(number), { "BhRestToken": format!("rest{number}"), "restUrl": format!("https://rest{number}.test/") }]);
    let long =
        |number: u32| json!({ "access_token": format!("long{number}"), "expires_in": 5_184_000 });
    let clover = |number: u32| json!({ "access_token": format!("a{number}"), "access_token_expiration": 1_767_229_200, "refresh_token": format!("r{number}") });
    let shop = |number: u32| json!({ "code": 200, "data": { "accessToken": format!("a{number}"), "expireTime": "2026-01-01T10:00:00.000+00:00" } });
    let slack = |number: u32, seconds: u32| {
        json!({ "ok": true, "access_token": format!("bot{number}"), "refresh_token": format!("botr{number}"), "expires_in": 43200,
            "team": { "id": "T1" },
            "authed_user": { "id": "U1", "access_token": format!("user{number}"), "refresh_token": format!("userr{number}"), "expires_in": seconds } })
    };
    let account = json!({ "value": [{ "id": "tenant-1" }] });
    let site = json!({ "webUrl": "https://acme.sharepoint.test/sites/x" });
    let second = |number: u32| json!({ "access_token": format!("sp{number}"), "expires_in": 3600 });
    vec![
        case("agiloft", usual(1), usual(2)).with("params[hostname]=h.test"),
        case("braintree", xml(1), xml(2)).back("&merchantId=m1"),
        case("bullhorn", rest(1), rest(2)).with("params[username]=u&params[password]=p"),
        case("coros", usual(1), json!({ "result": "0000", "message": "OK" })),
        case("figma", usual(1), json!({ "access_token": "a2", "expires_in": 7200 })),
        case("facebook", json!({ "access_token": "a1", "expires_in": 7200 }), long(2)),
        case("followupboss", usual(1), usual(2)),
        case("instagram", json!([{ "access_token": "short", "user_id": 5 }, long(1)]), long(2)),
        case("threads", json!([{ "access_token": "short", "user_id": 5 }, long(1)]), long(2)),
        case("jobber", json!([bare(1), { "data": { "account": { "id": "acc" } } }]), bare(2)),
        case("microsoft-admin", json!({ "access_token": "a1", "expires_in": 3599 }), json!({ "access_token": "a2", "expires_in": 3599 }))
            .with("params[tenantId]=t1")
            .back("&tenant=t1&admin_consent=True"),
        case("microsoft-teams-bot", json!([usual(1), second(1)]), json!([usual(2), second(2)])).with("params[tenantId]=t1"),
        case("sharepoint-online", json!([usual(1), account, site, second(1)]), json!([usual(2), second(2)])),
        case("tiktok-ads", json!({ "code": 0, "data": { "access_token": "a1" } }), json!([])),
        case("tiktok-accounts", data(1), data(2)),
        case("tiktok-personal", usual(1), usual(2)),
        case("stripe-app", bare(1), bare(2)),
        case("workday-oauth", bare(1), bare(2))
            .with("params[authorizationDomain]=auth.test&params[tokenDomain]=token.test&params[tenant]=acme"),
        case("fanvue", usual(1), usual(2)),
        case("heygen", usual(1), usual(2)),
        case("posthog-oauth", usual(1), usual(2)).with("params[subdomain]=eu"),
        case("attio-mcp", usual(1), usual(2)),
        case("mercury", usual(1), usual(2)),
        case("clover", clover(1), clover(2))
            .with("params[authorizeHost]=www.clover.test&params[apiHost]=api.clover.test")
            .back("&merchant_id=m1&employee_id=e1"),
        case("absorb-lms", usual(1), usual(2))
            .with("params[portalRoute]=portal.test&params[restApiKey]=rest-key&params[apiVersion]=v1"),
        case("walmart", usual(1), usual(2)).with("params[clientType]=seller").back("&sellerId=seller-1"),
        case("slack", slack(1, 43200), json!([slack(2, 43200), { "ok": true, "access_token": "user2", "refresh_token": "userr2", "expires_in": 3600 }])),
        case("revolut-business", usual(1), usual(2))
            .with("params[authorizeHost]=b.test&params[apiHost]=api.test"),
        case("shopline-oauth", shop(1), shop(2)).with("params[handle]=acme"),
        case("salesforce", json!([
            { "access_token": "a1", "refresh_token": "r1", "instance_url": "https://acme.my.test" },
            { "active": true, "exp": 1_767_232_800 },
        ]), json!([{ "access_token": "a2" }, { "active": true, "exp": 1_767_240_000 }])),
        case("bing-webmasters", usual(1), usual(2)),
        case("webflow", usual(1), usual(2)),
    ]
}

#[tokio::test]
async fn every_provider_with_a_way_of_its_own_is_asked_its_way() {
    let key = private_key();
    let mut said = String::new();
    for case in cases() {
        said.push_str(&format!("# {}\n", case.provider));
        said.push_str(&run(&case, &key).await);
        said.push('\n');
    }
    assert_eq!(said, EXPECTED, "{said}");
}

async fn run(case: &Case, key: &str) -> String {
    let answers: Arc<Mutex<VecDeque<Value>>> = Arc::default();
    let script = Arc::clone(&answers);
    let upstream = Upstream::start(move |_| match script.lock().unwrap().pop_front() {
        Some(answer) => match answer.get("xml").and_then(Value::as_str) {
            Some(text) => Answer::text(201, text),
            None => Answer::json(200, &answer),
        },
        None => Answer::json(500, &json!({ "error": "nothing was expected" })),
    })
    .await;
    let origin = upstream.url("");
    let app = TestApp::with(Wishes {
        upstream: Some(origin.clone()),
        ours: vec![case.provider],
        ..Wishes::default()
    })
    .await;
    let mode = app.engine.catalogue.find(case.provider).unwrap().auth_mode;
    let secret = if case.provider == "revolut-business" {
        key
    } else {
        SECRET
    };
    let credentials = json!({ "type": mode, "client_id": "cid", "client_secret": secret });
    let made = app
        .post(
            "/integrations",
            json!({ "unique_key": "p", "provider": case.provider, "credentials": credentials }),
        )
        .await;
    assert_eq!(made.status(), 200, "{}: {}", case.provider, made.text());

    answers
        .lock()
        .unwrap()
        .extend(case.code.iter().map(|answer| homed(answer, &origin)));
    let start = format!(
        "/oauth/connect/p?public_key={}&connection_id=a&{}",
        app.environment.public_key, case.params
    );
    let away = app.anonymous("GET", &start).send().await;
    assert_eq!(away.status(), 302, "{}: {}", case.provider, away.text());
    let location = Url::parse(&away.header("location").replace("/#/", "/")).unwrap();
    let state = location
        .query_pairs()
        .find(|(name, _)| name == "state" || name == "customField")
        .map(|(_, value)| value.into_owned())
        .unwrap();
    let back = format!("/oauth/callback?code=CODE&state={state}{}", case.callback);
    let page = app.anonymous("GET", &back).send().await;
    assert_eq!(page.status(), 200, "{}: {}", case.provider, page.text());
    let mut said = lines(&upstream.take(), &state);
    said.push_str(&stored(&app, "").await);

    answers
        .lock()
        .unwrap()
        .extend(case.refresh.iter().map(|answer| homed(answer, &origin)));
    said.push_str(
        &stored(&app, "&force_refresh=true")
            .await
            .replacen('=', ">", 1),
    );
    let asked = lines(&upstream.take(), &state);
    assert!(
        answers.lock().unwrap().is_empty(),
        "{}: {asked}",
        case.provider
    );
    let encoded: String = url::form_urlencoded::byte_serialize(origin.as_bytes()).collect();
    format!("{said}{asked}")
        .replace(&origin, "https:/")
        .replace(&encoded, "https%3A%2F")
}

/// Addresses in an answer lead to the upstream, too.
fn homed(answer: &Value, origin: &str) -> Value {
    let text = answer
        .to_string()
        .replace("\"https://", &format!("\"{origin}/"));
    serde_json::from_str(&text).unwrap()
}

/// What is stored, in one line.
async fn stored(app: &TestApp, query: &str) -> String {
    let path = format!("/connections/a?provider_config_key=p&refresh_token=true{query}");
    let answer = app.get(&path).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let connection = answer.json();
    let mut credentials = connection["credentials"].as_object().unwrap().clone();
    let raw = credentials.shift_remove("raw").unwrap_or_default();
    let mut line = format!("= {}", Value::Object(credentials));
    if let Some(user) = raw.get("authed_user") {
        line.push_str(&format!(" user {user}"));
    }
    line.push_str(&format!(" config {}\n", connection["connection_config"]));
    line
}

/// What was asked, a line each.
fn lines(requests: &[Received], state: &str) -> String {
    let shown = [
        "x-api-key",
        "x-api-version",
        "x-apiversion",
        "appkey",
        "timestamp",
        "sign",
        "wm_partner.id",
        "wm_svc.name",
        "wm_qos.correlation_id",
    ];
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let verifier = Regex::new("code_verifier=[0-9a-f]{48}").unwrap();
    let assertion = Regex::new("client_assertion=([^&\\s]+)").unwrap();
    let mut text = String::new();
    for request in requests {
        let mut line = format!("{} {}", request.method, request.target);
        if let Some(authorization) = request.header("authorization") {
            line.push_str(&format!(" {}", plain(authorization)));
        }
        for name in shown {
            if let Some(value) = request.header(name) {
                line.push_str(&format!(" {name}:{value}"));
            }
        }
        line.push_str(&format!(" {}\n", request.text()));
        text.push_str(&line);
    }
    let text = text
        .replace("http%3A%2F%2Ftenon.test%2Foauth%2Fcallback", "CALLBACK")
        .replace("http://tenon.test/oauth/callback", "CALLBACK")
        .replace(state, "STATE")
        .replace(SECRET, "SECRET");
    let text = uuid.replace_all(&text, "UUID");
    let text = verifier.replace_all(&text, "code_verifier=VERIFIER");
    let text = assertion.replace_all(&text, |found: &regex::Captures<'_>| {
        let payload = found[1].split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
        format!("client_assertion={}", String::from_utf8(claims).unwrap())
    });
    text.into_owned()
}

fn plain(authorization: &str) -> String {
    match authorization.strip_prefix("Basic ") {
        Some(encoded) => {
            let pair = STANDARD.decode(encoded).unwrap();
            format!("Basic({})", String::from_utf8(pair).unwrap())
        }
        None => authorization.to_owned(),
    }
}
