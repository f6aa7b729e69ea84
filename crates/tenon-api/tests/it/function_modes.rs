//! What functions of an environment may reach and see (fault 71).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenon_core::function::{FetchCall, Host, HostCall, HostReply, ProxyCall};
use tenon_testkit::upstream::{Answer as Scripted, Received, Upstream};

use crate::{
    TestApp,
    app::{action, succeeded},
};

/// What the calls of an action came to: a status, or the code of the refusal.
type Seen = Arc<Mutex<Vec<String>>>;

/// Runs an action on the connection `alice` of `crm`, whose provider is at the upstream; it makes these calls.
async fn seen(app: &TestApp, calls: Vec<HostCall>) -> Vec<String> {
    let seen = Seen::default();
    let list = Arc::clone(&seen);
    app.functions.on("tries", move |_, host| {
        let (calls, list) = (calls.clone(), Arc::clone(&list));
        async move {
            for call in calls {
                let answer = told(&host, call).await;
                list.lock().unwrap().push(answer);
            }
            succeeded(&json!(null))
        }
    });
    app.deploy_flows(&[action("tries")]).await;
    let request = app.request("POST", "/action/trigger");
    let request = request.header("provider-config-key", "crm");
    let answer = request
        .header("connection-id", "alice")
        .json(&json!({"action_name": "tries", "input": {}}))
        .send()
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    seen.lock().unwrap().clone()
}

async fn told(host: &Arc<dyn Host>, call: HostCall) -> String {
    match host.call(call).await {
        Ok(HostReply::Response(reply)) => format!("{} {}", reply.status, reply.url),
        Ok(HostReply::Json(value)) => value.to_string(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.code,
    }
}

/// A server whose connection `alice` of `crm` has the key `secret-key`, which the provider wants in the query.
async fn app(upstream: &Upstream) -> TestApp {
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.integration("crm", "query-keyed").await;
    let body = json!({
        "provider_config_key": "crm",
        "connection_id": "alice",
        "credentials": {"type": "API_KEY", "apiKey": "secret/key"},
    });
    let answer = app.post("/connections", body).await;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    app
}

async fn set(app: &TestApp, settings: Value) {
    let body = json!({ "function_settings": settings });
    let answer = app.patch("/environment", body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

fn fetch(url: String) -> HostCall {
    HostCall::UncontrolledFetch(FetchCall {
        url,
        method: "GET".to_owned(),
        ..FetchCall::default()
    })
}

fn get(endpoint: &str, base: Option<String>) -> HostCall {
    HostCall::Proxy(Box::new(ProxyCall {
        endpoint: endpoint.to_owned(),
        method: "GET".to_owned(),
        base_url_override: base,
        ..ProxyCall::default()
    }))
}

fn answer(_: &Received) -> Scripted {
    Scripted::text(200, "here")
}

#[tokio::test]
async fn the_modes_start_as_the_reference_has_them_and_are_changed_one_by_one() {
    let app = TestApp::start().await;
    let shown = app.get("/environment").await.json()["data"]["function_settings"].clone();
    let mut expected = json!({
        "egress_mode": "open",
        "egress_hosts": [],
        "token_mode": "visible",
        "record_validation": "warn",
    });
    assert_eq!(shown, expected);
    let changes = [
        ("egress_mode", json!("provider-only")),
        (
            "egress_hosts",
            json!(["a.example.test", "*.b.test", "c.test:8443"]),
        ),
        ("token_mode", json!("host-only")),
        ("record_validation", json!("quarantine")),
    ];
    for (name, value) in changes {
        let body = json!({"function_settings": {name: value}});
        let answer = app.patch("/environment", body).await;
        expected[name] = value;
        assert_eq!(answer.json()["data"]["function_settings"], expected);
    }
    let webhooks = json!({"webhook_settings": {"on_sync_error": false}});
    let data = app.patch("/environment", webhooks).await.json()["data"].clone();
    assert_eq!(data["function_settings"], expected);
    for (body, issue) in [
        (
            json!({"egress_mode": "none"}),
            "invalid_value function_settings.egress_mode",
        ),
        (
            json!({"egress_hosts": ["http://a.test"]}),
            "invalid_format function_settings.egress_hosts.0",
        ),
        (
            json!({"egress_hosts": ["*"]}),
            "invalid_format function_settings.egress_hosts.0",
        ),
        (
            json!({"egress_hosts": "a.test"}),
            "invalid_type function_settings.egress_hosts",
        ),
        (json!({"x": 1}), "unrecognized_keys function_settings"),
    ] {
        let body = json!({ "function_settings": body });
        let answer = app.patch("/environment", body).await;
        assert_eq!(answer.refusal(), format!("400 invalid_body | {issue}"));
    }
}

#[tokio::test]
async fn faults_71_functions_reach_only_their_provider_where_the_environment_says_so() {
    let elsewhere = Upstream::start(answer).await;
    let away = elsewhere.url("/away");
    let upstream = Upstream::start(move |request| match request.path() {
        "/api/redirects" | "/redirects" => Scripted::redirect(302, &away),
        _ => Scripted::text(200, "here"),
    })
    .await;
    let app = app(&upstream).await;
    let calls = || {
        vec![
            get("/x", None),
            get("/x", Some(upstream.url("/other"))),
            get("/x", Some(elsewhere.url(""))),
            get("/redirects", None),
            fetch(upstream.url("/plain")),
            fetch(elsewhere.url("/plain")),
            fetch(upstream.url("/redirects")),
            fetch("http://tenon.test/connections".to_owned()),
        ]
    };
    let open = seen(&app, calls()).await;
    let through = open.iter().filter(|one| one.starts_with("200")).count();
    assert_eq!(
        (through, open[7].as_str()),
        (7, "url_not_allowed"),
        "{open:?}"
    );
    let reached = elsewhere.take().len();
    assert_eq!(reached, 4, "everything is open as in the reference");

    set(&app, json!({"egress_mode": "provider-only"})).await;
    let closed = seen(&app, calls()).await;
    let codes: Vec<&str> = closed
        .iter()
        .map(|one| {
            one.split_once(' ')
                .map_or(one.as_str(), |(status, _)| status)
        })
        .collect();
    assert_eq!(
        codes,
        [
            "200",
            "200",
            "base_url_override_not_allowed",
            "base_url_override_not_allowed",
            "200",
            "url_not_allowed",
            "url_not_allowed",
            "url_not_allowed",
        ]
    );
    assert!(elsewhere.take().is_empty(), "nothing went elsewhere");

    let host = elsewhere.url("").replace("http://", "");
    set(&app, json!({"egress_hosts": [host]})).await;
    let opened = seen(&app, calls()).await;
    let through = opened.iter().filter(|one| one.starts_with("200")).count();
    assert_eq!(through, 7, "{opened:?}");
}

#[tokio::test]
async fn functions_see_no_credentials_where_the_environment_says_so() {
    let elsewhere = Upstream::start(answer).await;
    let upstream = Upstream::start(answer).await;
    let app = app(&upstream).await;
    let calls = || {
        vec![
            HostCall::GetConnection {
                provider_config_key: None,
                connection_id: None,
                force_refresh: false,
                refresh_token: true,
                refresh_github_app_jwt_token: false,
            },
            HostCall::GetToken,
            HostCall::GetIntegration {
                include: vec!["credentials".to_owned()],
            },
            get("/x?mine=${apiKey}", None),
            get("/x", Some(elsewhere.url(""))),
            fetch(elsewhere.url("/plain")),
        ]
    };
    let visible = seen(&app, calls()).await;
    assert!(visible[0].contains("secret/key") && visible[1].contains("secret/key"));
    assert!(visible[3].contains("secret%2Fkey"), "{}", visible[3]);
    upstream.take();
    elsewhere.take();

    set(&app, json!({"token_mode": "host-only"})).await;
    let hidden = seen(&app, calls()).await;
    for one in &hidden {
        assert!(
            !one.contains("secret/key") && !one.contains("secret%2Fkey"),
            "{one}"
        );
    }
    let connection: Value = serde_json::from_str(&hidden[0]).unwrap();
    assert_eq!(
        connection["credentials"],
        json!({"type": "API_KEY", "apiKey": "[redacted]"})
    );
    assert_eq!(connection["connection_id"], "alice");
    let token: Value = serde_json::from_str(&hidden[1]).unwrap();
    assert_eq!(token["apiKey"], "[redacted]");
    let sent = upstream.take();
    assert!(
        sent[0].target.contains("secret%2Fkey"),
        "the provider still gets its key: {}",
        sent[0].target
    );
    // Credentials that the function may not see are not sent to where it likes, either.
    assert_eq!(hidden[4], "base_url_override_not_allowed");
    assert!(
        hidden[5].starts_with("200"),
        "a plain request takes none along"
    );
    assert!(
        elsewhere
            .take()
            .iter()
            .all(|sent| !sent.target.contains("secret"))
    );
}
