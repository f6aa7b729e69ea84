//! Connections: imported, read, listed, changed, deleted.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::TestApp;

fn api_key(key: &str) -> Value {
    json!({"type": "API_KEY", "apiKey": key})
}

fn import(integration: &str, id: &str, credentials: Value) -> Value {
    json!({"provider_config_key": integration, "connection_id": id, "credentials": credentials})
}

async fn with_oauth2(app: &TestApp) {
    let credentials = json!({"type": "OAUTH2", "client_id": "cid", "client_secret": "csec"});
    let body = json!({"unique_key": "oauth", "provider": "oauth2", "credentials": credentials});
    assert_eq!(app.post("/integrations", body).await.status(), 200);
}

/// Connection ids of a list, in its order.
async fn ids(app: &TestApp, query: &str) -> Vec<String> {
    let list = app.get(&format!("/connections?{query}")).await.json();
    let list = list["connections"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"))
        .clone();
    list.iter()
        .map(|entry| {
            entry["connection_id"]
                .as_str()
                .expect("connection ids are text")
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn an_import_comes_back_as_it_was_given() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    let body = json!({
        "provider_config_key": "plain",
        "connection_id": "alice",
        "credentials": api_key("k"),
        "metadata": {"a": 1, "nested": {"b": [1, 2]}},
        "connection_config": {"tenant": "t1"},
        "tags": {"Team": "red"},
        "end_user": {"id": "u1", "email": "u1@example.test", "tags": {"src": "import"}},
        "webhook_url_override": "http://app.test/own",
    });
    let created = app.post("/connections", body).await;
    assert_eq!(created.status(), 201);
    let mut expected = created.json();
    assert!(expected["id"].is_i64());
    assert_eq!(
        expected,
        json!({
            "id": expected["id"],
            "connection_id": "alice",
            "provider_config_key": "plain",
            "provider": "unverified",
            "errors": [],
            "end_user": {"id": "u1", "display_name": null, "email": "u1@example.test", "tags": {"src": "import"},
                "organization": null},
            "tags": {"src": "import", "end_user_id": "u1", "end_user_email": "u1@example.test", "team": "red"},
            "metadata": {"a": 1, "nested": {"b": [1, 2]}},
            "connection_config": {"tenant": "t1"},
            "webhook_url_override": "http://app.test/own",
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-01T00:00:00.000Z",
            "last_fetched_at": "2026-01-01T00:00:00.000Z",
            "credentials": {"type": "API_KEY", "apiKey": "k"},
        })
    );
    for name in ["created_at", "updated_at", "last_fetched_at"] {
        expected[name] = json!("2026-01-01T00:00:00.000+00:00");
    }
    for path in ["/connections/alice", "/connection/alice"] {
        let read = app.get(&format!("{path}?provider_config_key=plain")).await;
        assert_eq!((read.status(), read.json()), (200, expected.clone()));
    }
}

#[tokio::test]
async fn a_connection_without_a_name_gets_a_uuid() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    let body = json!({"provider_config_key": "plain", "credentials": api_key("k")});
    let created = app.post("/connections", body).await.json();
    assert_eq!(created["connection_id"].as_str().unwrap().len(), 36);
    assert_eq!(
        (&created["metadata"], &created["tags"]),
        (&json!({}), &json!({}))
    );
}

#[tokio::test]
async fn credentials_are_tried_out_where_the_provider_tells_how() {
    let upstream = Upstream::start(|request| {
        let good = request
            .header("x-api-key")
            .is_some_and(|key| key.starts_with("good"));
        Answer::json(if good { 200 } else { 403 }, &json!({}))
    })
    .await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    app.integration("keyed", "key").await;
    let refused = app
        .post("/connections", import("keyed", "bob", api_key("bad")))
        .await;
    assert_eq!(refused.refusal(), "400 connection_test_failed");
    assert_eq!(
        app.get("/connections/bob?provider_config_key=keyed")
            .await
            .status(),
        404
    );
    let taken = app
        .post("/connections", import("keyed", "alice", api_key("good")))
        .await;
    assert_eq!(taken.status(), 201, "{}", taken.text());
    let asked: Vec<String> = upstream
        .received()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    assert_eq!(asked, ["/keyed/whoami", "/keyed/whoami"]);
}

#[tokio::test]
async fn token_credentials_carry_what_was_given_as_raw() {
    let app = TestApp::start().await;
    with_oauth2(&app).await;
    let credentials = json!({"type": "OAUTH2", "access_token": "at", "refresh_token": "rt", "expires_at": "2099-01-01"});
    let created = app
        .post("/connections", import("oauth", "alice", credentials))
        .await
        .json();
    let given = json!({"type": "OAUTH2", "access_token": "at", "refresh_token": "rt", "expires_at": "2099-01-01T00:00:00.000Z"});
    let mut expected = given.clone();
    expected["raw"] = given;
    assert_eq!(created["credentials"], expected);

    let shown = app
        .get("/connections/alice?provider_config_key=oauth")
        .await
        .json()["credentials"]
        .clone();
    assert_eq!(shown["raw"].get("refresh_token"), None);
    assert_eq!(shown.get("refresh_token"), None);
    let shown = app
        .get("/connections/alice?provider_config_key=oauth&refresh_token=true")
        .await
        .json();
    assert_eq!(shown["credentials"], expected);
}

#[tokio::test]
async fn wrong_imports_are_refused() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    app.integration("login", "basic").await;
    with_oauth2(&app).await;
    let with = |name: &str, value: Value| {
        let mut body = import("plain", "x", api_key("k"));
        body[name] = value;
        body
    };
    let many: serde_json::Map<String, Value> =
        (0..11).map(|n| (format!("t{n}"), json!("v"))).collect();
    let cases = [
        (
            import("plain", "x", json!({})),
            "invalid_union credentials.type",
        ),
        (
            import("plain", "x", json!({"type": "NOPE"})),
            "invalid_union credentials.type",
        ),
        (
            import("plain", "x", json!({"type": "JWT"})),
            "invalid_union credentials.type",
        ),
        (
            json!({"provider_config_key": "plain"}),
            "invalid_type credentials",
        ),
        (
            import(
                "plain",
                "x",
                json!({"type": "API_KEY", "apiKey": "k", "more": 1}),
            ),
            "unrecognized_keys credentials",
        ),
        (
            import("plain", "x", api_key("")),
            "too_small credentials.apiKey",
        ),
        (
            import("login", "x", json!({"type": "BASIC", "username": "u"})),
            "invalid_type credentials.password",
        ),
        (
            import(
                "oauth",
                "x",
                json!({"type": "OAUTH2", "access_token": "a", "expires_at": "tomorrow"}),
            ),
            "invalid_type credentials.expires_at",
        ),
        (
            import("plain", &"x".repeat(256), api_key("k")),
            "too_big connection_id",
        ),
        (
            import("plain", "a\0b", api_key("k")),
            "invalid_format connection_id",
        ),
        (with("nope", json!(1)), "unrecognized_keys"),
        (with("metadata", json!([1])), "invalid_type metadata"),
        (with("tags", json!({"1bad": "x"})), "invalid_key tags.1bad"),
        (with("tags", json!({"ok": 3})), "invalid_type tags.ok"),
        (with("tags", json!({"Ab": "x", "ab": "y"})), "custom tags"),
        (with("tags", Value::Object(many)), "custom tags"),
        (
            with("webhook_url_override", json!("nope")),
            "invalid_union webhook_url_override",
        ),
        (
            with("end_user", json!({"email": "x"})),
            "invalid_type end_user.id | invalid_format end_user.email | too_small end_user.email",
        ),
    ];
    for (body, issues) in cases {
        let answer = app.post("/connections", body.clone()).await;
        assert_eq!(
            answer.refusal(),
            format!("400 invalid_body | {issues}"),
            "{body}"
        );
    }
    let mismatch = import(
        "plain",
        "x",
        json!({"type": "BASIC", "username": "a", "password": "b"}),
    );
    assert_eq!(
        app.post("/connections", mismatch).await.refusal(),
        "400 invalid_body"
    );
    assert_eq!(
        app.post("/connections", import("nope", "x", api_key("k")))
            .await
            .refusal(),
        "404 not_found"
    );
    assert_eq!(ids(&app, "").await, Vec::<String>::new());
}

#[tokio::test]
async fn odd_connection_ids_are_stored_and_listed() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    for id in ["", "a<b>", "Ünïcode"] {
        let created = app
            .post("/connections", import("plain", id, api_key("k")))
            .await;
        assert_eq!(
            (created.status(), &created.json()["connection_id"]),
            (201, &json!(id))
        );
    }
    assert_eq!(ids(&app, "").await.len(), 3);
    let read = app
        .get("/connections/a%3Cb%3E?provider_config_key=plain")
        .await;
    assert_eq!(
        read.refusal(),
        "400 invalid_uri_params | invalid_format connection_id"
    );
}

#[tokio::test]
async fn importing_again_keeps_what_is_not_given() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    let mut body = import("plain", "alice", api_key("first"));
    body["metadata"] = json!({"a": 1});
    body["tags"] = json!({"team": "red"});
    body["connection_config"] = json!({"tenant": "t1"});
    let first = app.post("/connections", body).await.json();
    app.clock.advance(Duration::from_secs(5));
    let second = app
        .post("/connections", import("plain", "alice", api_key("second")))
        .await
        .json();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["credentials"]["apiKey"], "second");
    assert_eq!(second["created_at"], first["created_at"]);
    assert_eq!(second["updated_at"], "2026-01-01T00:00:05.000Z");
    for name in ["metadata", "tags", "connection_config"] {
        assert_eq!(second[name], first[name], "{name}");
    }
    assert_eq!(ids(&app, "tags[team]=red").await, ["alice"]);
}

#[tokio::test]
async fn reading_a_connection_needs_to_know_where_it_is() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    app.integration("other", "none").await;
    let cases = [
        (
            "/connections/alice",
            "400 invalid_query_params | invalid_type provider_config_key",
        ),
        (
            "/connections/alice?provider_config_key=nope",
            "400 unknown_provider_config",
        ),
        (
            "/connections/alice?provider_config_key=other",
            "404 not_found",
        ),
        ("/connections/bob?provider_config_key=open", "404 not_found"),
        (
            "/connections/ALICE?provider_config_key=open",
            "404 not_found",
        ),
        (
            "/connections/alice?provider_config_key=open&x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
        (
            "/connections/alice?provider_config_key=open&force_refresh=maybe",
            "400 invalid_query_params | invalid_value force_refresh",
        ),
    ];
    for (path, refusal) in cases {
        assert_eq!(app.get(path).await.refusal(), refusal, "{path}");
    }
    // The form that published SDKs send.
    let sdk = "force_refresh=false&refresh_token=false&refresh_github_app_jwt_token=false";
    let answer = app
        .get(&format!(
            "/connections/alice?provider_config_key=open&{sdk}"
        ))
        .await;
    assert_eq!(answer.json()["credentials"], json!({}));
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let app = TestApp::start().await;
    app.integration("one", "unverified").await;
    app.integration("two", "unverified").await;
    let people = [
        ("one", "a1", json!({"tags": {"team": "red", "plan": "pro"}})),
        ("one", "a2", json!({"tags": {"team": "red"}})),
        (
            "two",
            "b1",
            json!({"end_user": {"id": "u1", "email": "Someone@example.test", "display_name": "Zoë"}}),
        ),
        ("two", "a1", json!({})),
    ];
    for (integration, id, more) in people {
        let mut body = import(integration, id, api_key("k"));
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(app.post("/connections", body).await.status(), 201);
        app.clock.advance(Duration::from_micros(1_500));
    }
    let cases: [(&str, &[&str]); 18] = [
        ("", &["a1", "b1", "a2", "a1"]),
        ("connectionId=a1", &["a1", "a1"]),
        ("connectionId=A1", &[]),
        ("integrationId=one", &["a2", "a1"]),
        ("integrationId=one,two", &["a1", "b1", "a2", "a1"]),
        ("integrationId=nope", &[]),
        ("tags[team]=red", &["a2", "a1"]),
        ("tags[Team]=red", &["a2", "a1"]),
        ("tags[team]=red&tags[plan]=pro", &["a1"]),
        ("tags[team]=blue", &[]),
        ("endUserId=u1", &["b1"]),
        ("endUserId=u1&connectionId=a1", &[]),
        ("endUserOrganizationId=o1", &[]),
        ("search=A2", &["a2"]),
        ("search=someone%40", &["b1"]),
        ("search=%25", &["a1", "b1", "a2", "a1"]),
        ("limit=2", &["a1", "b1"]),
        ("limit=2&page=1", &["a2", "a1"]),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(&app, query).await, expected, "{query}");
    }
    let one = app
        .get("/connections?integrationId=two&limit=1")
        .await
        .json()["connections"][0]
        .clone();
    assert_eq!(
        one,
        json!({"id": one["id"], "connection_id": "a1", "provider_config_key": "two", "provider": "unverified",
            "errors": [], "end_user": null, "tags": {}, "metadata": {}, "created": "2026-01-01T00:00:00.0045+00:00"})
    );
}

#[tokio::test]
async fn wrong_filters_are_refused() {
    let app = TestApp::start().await;
    let cases = [
        ("limit=0", "too_small limit"),
        ("limit=2001", "too_big limit"),
        ("limit=99999999999", "too_big limit"),
        ("limit=abc", "invalid_type limit"),
        ("page=-1", "too_small page"),
        ("page=x", "invalid_type page"),
        ("x=1", "unrecognized_keys"),
        ("tags=a", "invalid_type tags"),
        ("tags[a][b]=c", "invalid_type tags.a"),
        ("tags[1bad]=x", "invalid_key tags.1bad"),
        ("connectionId=", "too_small connectionId"),
        ("search=", "too_small search"),
    ];
    for (query, issue) in cases {
        let answer = app.get(&format!("/connections?{query}")).await;
        assert_eq!(
            answer.refusal(),
            format!("400 invalid_query_params | {issue}"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn metadata_is_replaced_or_merged_for_all_or_for_none() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    app.connection("open", "bob").await;
    let read = async |id: &str| {
        app.get(&format!("/connections/{id}?provider_config_key=open"))
            .await
            .json()["metadata"]
            .clone()
    };
    let change = |id: Value, metadata: Value| json!({"provider_config_key": "open", "connection_id": id, "metadata": metadata});

    let body = change(json!("alice"), json!({"x": {"y": 1}, "z": [1]}));
    let set = app.post("/connections/metadata", body.clone()).await;
    assert_eq!((set.status(), set.json()), (201, body));
    let body = change(json!("alice"), json!({"x": {"w": 2}, "n": null}));
    let merged = app.patch("/connection/metadata", body.clone()).await;
    assert_eq!((merged.status(), merged.json()), (200, body));
    assert_eq!(
        read("alice").await,
        json!({"x": {"w": 2}, "z": [1], "n": null})
    );

    app.post(
        "/connections/metadata",
        change(json!(["alice", "bob"]), json!({"bulk": true})),
    )
    .await;
    assert_eq!(
        (read("alice").await, read("bob").await),
        (json!({"bulk": true}), json!({"bulk": true}))
    );
    let half = app
        .post(
            "/connections/metadata",
            change(json!(["alice", "nobody"]), json!({"gone": 1})),
        )
        .await;
    assert_eq!(half.refusal(), "404 unknown_connection");
    assert_eq!(read("alice").await, json!({"bulk": true}));
    assert_eq!(
        app.post("/connections/metadata", change(json!([]), json!({})))
            .await
            .status(),
        201
    );

    let cases = [
        (
            json!({"provider_config_key": "open", "connection_id": "alice"}),
            "400 invalid_body | invalid_type metadata",
        ),
        (
            change(json!("alice"), json!([1])),
            "400 invalid_body | invalid_type metadata",
        ),
        (
            json!({"provider_config_key": "nope", "connection_id": "alice", "metadata": {}}),
            "404 unknown_connection",
        ),
    ];
    for (body, refusal) in cases {
        assert_eq!(
            app.post("/connections/metadata", body.clone())
                .await
                .refusal(),
            refusal,
            "{body}"
        );
    }
}

#[tokio::test]
async fn labels_change_without_touching_credentials() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    let mut body = import("plain", "alice", api_key("k"));
    body["tags"] = json!({"team": "red"});
    app.post("/connections", body).await;
    let path = "/connections/alice?provider_config_key=plain";

    assert_eq!(
        app.patch(path, json!({"tags": {"Env": "prod"}}))
            .await
            .json(),
        json!({"success": true})
    );
    let user =
        json!({"id": "u2", "email": "u2@example.test", "display_name": "Two", "tags": {"x": "y"}});
    app.patch(
        path,
        json!({"end_user": user, "webhook_url_override": "http://app.test/own"}),
    )
    .await;
    let read = app.get(path).await.json();
    assert_eq!(
        read["tags"],
        json!({"x": "y", "end_user_id": "u2", "end_user_email": "u2@example.test", "end_user_display_name": "Two"})
    );
    assert_eq!(read["end_user"]["display_name"], "Two");
    assert_eq!(read["webhook_url_override"], "http://app.test/own");
    assert_eq!(read["credentials"]["apiKey"], "k");
    assert_eq!(ids(&app, "tags[env]=prod").await, Vec::<String>::new());
    assert_eq!(ids(&app, "tags[x]=y").await, ["alice"]);
    assert_eq!(ids(&app, "endUserId=u2").await, ["alice"]);

    app.patch(path, json!({"webhook_url_override": ""})).await;
    assert_eq!(
        app.get(path).await.json()["webhook_url_override"],
        json!(null)
    );
    assert_eq!(app.patch(path, json!({})).await.status(), 200);

    let cases = [
        (
            path,
            json!({"x": 1}),
            "400 invalid_body | unrecognized_keys",
        ),
        (
            path,
            json!({"webhook_url_override": "nope"}),
            "400 invalid_body | invalid_union webhook_url_override",
        ),
        (
            "/connections/alice?",
            json!({}),
            "400 invalid_query_params | invalid_type provider_config_key",
        ),
        (
            "/connections/alice?provider_config_key=nope",
            json!({}),
            "400 unknown_provider_config",
        ),
        (
            "/connections/bob?provider_config_key=plain",
            json!({}),
            "404 not_found",
        ),
    ];
    for (path, body, refusal) in cases {
        assert_eq!(
            app.patch(path, body.clone()).await.refusal(),
            refusal,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn a_deleted_connection_is_gone_and_its_name_is_free() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    let before = app
        .get("/connections/alice?provider_config_key=open")
        .await
        .json();
    let path = "/connections/alice?provider_config_key=open";
    assert_eq!(app.delete(path).await.json(), json!({"success": true}));
    let again = app.delete(path).await;
    assert_eq!(
        again.json(),
        json!({"error": {"code": "unknown_connection"}})
    );
    assert_eq!(again.status(), 400);
    assert_eq!(app.get(path).await.refusal(), "404 not_found");
    assert_eq!(ids(&app, "").await, Vec::<String>::new());

    app.connection("open", "alice").await;
    assert_ne!(app.get(path).await.json()["id"], before["id"]);
    let cases = [
        (
            "/connections/alice",
            "400 invalid_query_params | invalid_type provider_config_key",
        ),
        (
            "/connections/alice?provider_config_key=nope",
            "400 unknown_connection",
        ),
        (
            "/connections/alice?provider_config_key=open&x=1",
            "400 invalid_query_params | unrecognized_keys",
        ),
    ];
    for (path, refusal) in cases {
        assert_eq!(app.delete(path).await.refusal(), refusal, "{path}");
    }
}

#[tokio::test]
async fn old_imports_are_flat() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    app.integration("open", "none").await;
    with_oauth2(&app).await;
    let body = json!({"provider_config_key": "plain", "connection_id": "l1", "api_key": "k"});
    let created = app.post("/connection", body.clone()).await;
    assert_eq!((created.status(), created.json()), (201, body));
    let read = app
        .get("/connection/l1?provider_config_key=plain")
        .await
        .json();
    assert_eq!(
        read["credentials"],
        json!({"type": "API_KEY", "apiKey": "k"})
    );

    let body = json!({"provider_config_key": "oauth", "connection_id": "l2", "access_token": "at", "expires_in": 7200});
    assert_eq!(app.post("/connection", body).await.status(), 201);
    let read = app
        .get("/connection/l2?provider_config_key=oauth")
        .await
        .json();
    assert_eq!(
        read["credentials"]["expires_at"],
        "2026-01-01T02:00:00.000Z"
    );
    let generated = app
        .post("/connection", json!({"provider_config_key": "open"}))
        .await
        .json();
    assert_eq!(generated["connection_id"].as_str().unwrap().len(), 36);

    let cases = [
        (json!({"connection_id": "x"}), "400 missing_provider_config"),
        (
            json!({"provider_config_key": "nope"}),
            "400 unknown_provider_config",
        ),
        (
            json!({"provider_config_key": "plain"}),
            "400 missing_api_key",
        ),
        (
            json!({"provider_config_key": "oauth", "access_token": "a"}),
            "400 missing_expires_at",
        ),
        (
            json!({"provider_config_key": "oauth", "access_token": "a", "expires_at": "x"}),
            "400 missing_expires_at",
        ),
        (
            json!({"provider_config_key": "oauth"}),
            "400 missing_access_token",
        ),
    ];
    for (body, refusal) in cases {
        let answer = app.post("/connection", body.clone()).await;
        assert_eq!(answer.refusal(), refusal, "{body}");
    }
}

#[tokio::test]
async fn old_metadata_routes_take_the_integration_from_query_or_header() {
    let app = TestApp::start().await;
    app.connection("open", "alice").await;
    let set = app
        .post(
            "/connection/alice/metadata?provider_config_key=open",
            json!({"old": 1}),
        )
        .await;
    assert_eq!((set.status(), set.json()), (201, json!({"old": 1})));
    let merged = app
        .request("PATCH", "/connection/alice/metadata")
        .header("provider-config-key", "open")
        .json(&json!({"more": 1}))
        .send()
        .await;
    assert_eq!((merged.status(), merged.json()), (200, json!({"more": 1})));
    let read = app
        .get("/connections/alice?provider_config_key=open")
        .await
        .json();
    assert_eq!(read["metadata"], json!({"old": 1, "more": 1}));
    assert_eq!(
        app.post("/connection/alice/metadata", json!({}))
            .await
            .refusal(),
        "400 missing_provider_config"
    );
}
