//! Keys are listed and replaced through the API, and every door works on.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::{
    Clock,
    function::{HostCall, RecordInput},
    names::TaskPk,
};
use tenon_engine::keys::Rotations;
use tenon_store::{
    SealContext, StoreError,
    delivery::NewEvent,
    device_flows::NewDeviceFlow,
    inbound::NewInbound,
    revocations::NewRevocation,
    rotation::{Step, sealed_columns},
    work::{jobs::NewJob, tasks::NewTask},
};

use crate::{
    TestApp,
    app::{
        Wishes,
        flows::{action, sync},
        succeeded,
    },
};

/// Works until nothing runs; on Postgres time has to pass.
async fn finish(app: &TestApp) {
    let rotations = Rotations::of(&app.engine);
    for _ in 0..10_000 {
        let running = rotations.running().await.unwrap();
        let Some(first) = running.first() else { return };
        if rotations.step(first.pk).await.unwrap() == Step::PassEnded {
            app.clock.advance(Duration::from_secs(31));
        }
    }
    panic!("a rotation does not end");
}

async fn environment_keys(app: &TestApp) -> Vec<Value> {
    let answer = app.get("/keys?count=true").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let keys = answer.json()["data"]["environments"][0]["keys"].clone();
    keys.as_array().unwrap().clone()
}

/// Something in every sealed column.
pub(crate) async fn filled() -> TestApp {
    let app = TestApp::with(Wishes::default()).await;
    app.integration("crm", "none").await;
    let integration = json!({"unique_key": "keyed", "provider": "oauth2",
        "credentials": {"type": "OAUTH2", "client_id": "id", "client_secret": "s3cret"}});
    assert_eq!(app.post("/integrations", integration).await.status(), 200);
    let public = json!({"public_key_auth": "hmac"});
    let answer = app.patch("/environment/public-access", public).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let variables = json!([{"name": "A", "value": "b"}]);
    let answer = app
        .request("PUT", "/environment-variables")
        .json(&variables)
        .send()
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let validation = json!({"record_validation": "quarantine"});
    let answer = app
        .patch("/environment", json!({"function_settings": validation}))
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    app.functions.on("items", |_, host| async move {
        let record = |id: &str, json: &str| RecordInput {
            id: id.to_owned(),
            json: json.to_owned().into(),
        };
        let save = HostCall::BatchSave {
            model: "Item".to_owned(),
            records: vec![
                record("1", r#"{"id":"1","n":1}"#),
                record("2", r#"{"id":"2","n":"x"}"#),
            ],
        };
        host.call(save).await.unwrap();
        succeeded(&json!(null))
    });
    app.functions.on("echo", |_, _| async {
        succeeded(&json!({"said": "hello"}))
    });
    let schema = json!({"definitions": {"Item": {"type": "object", "properties": {"n": {"type": "number"}}}}});
    app.deploy_flows(&[
        sync("items").with("models_json_schema", schema),
        action("echo"),
    ])
    .await;
    app.connection("crm", "alice").await;
    app.run_until_idle().await;
    let session = app
        .session(json!({"end_user": {"id": "u"}, "allowed_integrations": ["keyed"]}))
        .await;
    let begun = app
        .anonymous(
            "GET",
            &format!("/oauth/connect/keyed?connect_session_token={session}"),
        )
        .send()
        .await;
    assert_eq!(begun.status(), 302, "{}", begun.text());
    app
}

/// What is short-lived, or takes a whole walk to make.
async fn rows_by_hand(app: &TestApp) {
    let (environment, now) = (app.environment.pk, app.clock.now());
    let connection = app
        .engine
        .reader()
        .find_connection(environment, "crm", "alice")
        .await;
    let connection = connection.unwrap().unwrap();
    let written = app.engine.store.write(move |tx| async move {
        tx.insert_event(&NewEvent {
            pk: 77,
            id: "event".to_owned(),
            environment,
            connection: Some(connection.pk),
            kind: "forward",
            body: Bytes::from_static(b"{}"),
            headers: Some(Bytes::from_static(b"[]")),
            created_at: now,
        })
        .await?;
        tx.insert_inbound(&NewInbound {
            pk: 77,
            environment,
            integration: connection.integration,
            request: Bytes::from_static(b"{}"),
            operation: "operation".to_owned(),
            created_at: now,
        })
        .await?;
        tx.insert_revocation(&NewRevocation {
            pk: 77,
            environment,
            connection: connection.pk,
            integration_key: "crm".to_owned(),
            connection_id: "alice".to_owned(),
            provider: "none".to_owned(),
            reason: "deleted",
            token: "access_token",
            fingerprint: String::new(),
            request: Some(Bytes::from_static(b"{}")),
            unsupported: None,
            created_at: now,
        })
        .await?;
        let job = NewJob {
            id: "job".to_owned(),
            environment,
            kind: "dryrun",
            request: Bytes::from_static(b"{}"),
            created_at: now,
        };
        let job = tx.insert_job(&job).await?;
        tx.finish_job(&job, "success", b"{}", now).await?;
        let task = NewTask {
            pk: TaskPk(77),
            id: "task".to_owned(),
            environment,
            connection: connection.pk,
            schedule: None,
            kind: "action",
            group_key: "action".to_owned(),
            payload: Bytes::from_static(b"{\"waits\":true}"),
            retry_max: 0,
            idempotency_key: None,
            operation: "operation".to_owned(),
            created_at: now,
            start_by: now.plus(Duration::from_secs(60)),
            begun_by: Some(("test".to_owned(), now.plus(Duration::from_secs(60)))),
        };
        tx.insert_task(&task).await?;
        let flow = SealContext {
            environment,
            connection: None,
            table: "device_flow",
            column: "payload",
            row: "flow",
        };
        tx.insert_device_flow(&NewDeviceFlow {
            id: "flow".to_owned(),
            environment,
            integration: connection.integration,
            session: None,
            connection_id: "tv".to_owned(),
            payload: tx.seal(flow, b"{}").await?,
            interval_s: 5,
            next_poll_at: now.plus(Duration::from_secs(5)),
            created_at: now,
            expires_at: now.plus(Duration::from_secs(600)),
        })
        .await?;
        Ok::<_, StoreError>(())
    });
    written.await.unwrap();
}

#[tokio::test]
async fn every_sealed_column_moves_to_the_new_key_and_opens_there() {
    let app = filled().await;
    let trigger = json!({"action_name": "echo", "input": {}});
    let act = || {
        app.request("POST", "/action/trigger")
            .header("provider-config-key", "crm")
            .header("connection-id", "alice")
    };
    let answer = act().header("x-async", "true").json(&trigger).send().await;
    assert_eq!(answer.status(), 202, "{}", answer.text());
    let result = answer.json()["statusUrl"].as_str().unwrap().to_owned();
    app.run_until_idle().await;

    rows_by_hand(&app).await;

    let before = environment_keys(&app).await;
    assert_eq!(before.len(), 1);
    for (table, column) in sealed_columns() {
        let rows = before[0]["places"][format!("{table}.{column}")].as_i64();
        assert!(rows > Some(0), "nothing in {table}.{column}: {}", before[0]);
    }
    let records = || {
        app.request("GET", "/records?model=Item")
            .header("provider-config-key", "crm")
            .header("connection-id", "alice")
    };
    let (read, kept) = (
        records().send().await.json(),
        app.get("/quarantine").await.json(),
    );
    let (shown, tried) = (
        app.get("/connections/alice?provider_config_key=crm")
            .await
            .json(),
        app.get(&result).await.json(),
    );
    assert_eq!(kept["records"].as_array().map(Vec::len), Some(1), "{kept}");

    let answer = app
        .post("/keys/rotate", json!({"environments": ["dev"]}))
        .await;
    assert_eq!(answer.status(), 202, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["state"], "running");
    let again = app
        .post("/keys/rotate", json!({"environments": ["dev"]}))
        .await;
    assert_eq!(again.status(), 409, "{}", again.text());
    finish(&app).await;

    let after = environment_keys(&app).await;
    assert_eq!(after.len(), 2);
    assert_eq!(
        (&after[0]["rows"], &after[0]["current"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(
        (&after[1]["rows"], &after[1]["current"]),
        (&before[0]["rows"], &json!(true))
    );
    let rotation = app.get("/keys").await.json()["data"]["rotations"][0].clone();
    assert_eq!(rotation["state"], "done");
    assert_eq!(rotation["unreadable"], 0, "{rotation}");
    assert_eq!(rotation["moved"], before[0]["rows"]);

    assert_eq!(records().send().await.json(), read);
    assert_eq!(app.get("/quarantine").await.json(), kept);
    assert_eq!(
        app.get("/connections/alice?provider_config_key=crm")
            .await
            .json()["credentials"],
        shown["credentials"]
    );
    assert_eq!(app.get(&result).await.json(), tried);
    let secret = app
        .get("/integrations/keyed?include=credentials")
        .await
        .json();
    assert_eq!(secret["data"]["credentials"]["client_secret"], "s3cret");
    assert_eq!(
        app.get("/environment-variables").await.json()[0]["value"],
        "b"
    );
    let answer = act().json(&trigger).send().await;
    assert_eq!(answer.json(), json!({"said": "hello"}));
}

#[tokio::test]
async fn what_is_to_be_rotated_must_be_said_and_be_there() {
    let app = TestApp::start().await;
    for wrong in [
        json!({}),
        json!({"all": true, "environments": ["dev"]}),
        json!({"x": 1}),
    ] {
        assert_eq!(
            app.post("/keys/rotate", wrong.clone()).await.status(),
            400,
            "{wrong}"
        );
    }
    let answer = app
        .post("/keys/rotate", json!({"environments": ["nope"]}))
        .await;
    assert_eq!(answer.status(), 404);
    // The instance key of this server was given to it, and no other one.
    let answer = app.post("/keys/rotate", json!({"instance": true})).await;
    assert_eq!(answer.status(), 409);
    assert!(
        answer.text().contains("previous_encryption_keys"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn keys_are_for_operators() {
    let app = TestApp::start().await;
    let body = json!({"name": "app", "scopes": ["environment:*"]});
    let key = app.post("/environment/api-keys", body).await.json()["data"]["key"].clone();
    let bearer = format!("Bearer {}", key.as_str().unwrap());
    for (method, path) in [("GET", "/keys"), ("POST", "/keys/rotate")] {
        let request = app.anonymous(method, path).header("authorization", &bearer);
        assert_eq!(
            request.json(&json!({"all": true})).send().await.status(),
            403
        );
    }
}

#[tokio::test]
async fn a_recognisable_key_opens_the_same_doors() {
    let app = TestApp::start().await;
    let body = json!({"name": "app", "scopes": ["environment:*"], "format": "prefixed"});
    let made = app.post("/environment/api-keys", body).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let key = made.json()["data"]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("tenon_sk_dev_"), "{key}");
    let call = |key: &str| {
        app.anonymous("GET", "/connections")
            .header("authorization", &format!("Bearer {key}"))
    };
    assert_eq!(call(&key).send().await.status(), 200);
    // A typing error is told apart from a key that nobody has.
    let (start, end) = key.split_at(key.len() - 1);
    let wrong = format!("{start}{}", if end == "0" { "1" } else { "0" });
    assert!(
        call(&wrong)
            .send()
            .await
            .refusal()
            .contains("invalid_secret_key_format")
    );
    let other = tenon_core::api_key::make("dev", &app.engine.random).into_exposed();
    assert!(
        call(&other)
            .send()
            .await
            .refusal()
            .contains("unknown_account")
    );
    let body = json!({"name": "app", "scopes": [], "format": "x"});
    assert_eq!(app.post("/environment/api-keys", body).await.status(), 400);
}
