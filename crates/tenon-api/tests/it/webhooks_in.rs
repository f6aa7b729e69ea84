//! Webhooks that providers send: checked, stored, then taken to functions and to the app.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tenon_core::{
    Clock,
    function::{Entry, HostCall, RecordInput},
};

use crate::{
    TestApp,
    app::{Answer, Request, Wishes, flows::sync, succeeded},
};

const NOW_IS: &str = "x-timestamp";

type Seen = Arc<Mutex<Vec<Value>>>;

/// A sync `hooked` of the integration `crm` that wants these events, notes what it gets, and saves one record.
async fn with_hooks(provider: &str, subscriptions: Value) -> (TestApp, Seen) {
    let app = TestApp::start().await;
    app.integration("crm", provider).await;
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    app.functions.on("hooked", move |request, host| {
        let noted = Arc::clone(&noted);
        async move {
            let Entry::Webhook { payload } = request.entry else {
                return succeeded(&json!(null));
            };
            let who = request.context.connection_id.clone();
            noted
                .lock()
                .unwrap()
                .push(json!({"for": who, "payload": payload}));
            let record = RecordInput {
                id: payload["n"].to_string(),
                json: payload.to_string().into(),
            };
            let save = HostCall::BatchSave {
                model: "Item".to_owned(),
                records: vec![record],
            };
            host.call(save).await.unwrap();
            succeeded(&json!(null))
        }
    });
    let flow = sync("hooked").with("webhookSubscriptions", subscriptions);
    app.deploy_flows(&[flow]).await;
    (app, seen)
}

fn hook(app: &TestApp, method: &str, key: &str) -> Request {
    let path = format!("/webhook/{}/{key}", app.environment.uuid);
    app.anonymous(method, &path)
}

async fn sent(app: &TestApp, body: Value) -> Answer {
    hook(app, "POST", "crm").json(&body).send().await
}

fn hex_hmac(key: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hex::encode(hmac::sign(&key, text.as_bytes()))
}

#[tokio::test]
async fn a_webhook_reaches_its_function_and_the_app() {
    let (app, seen) = with_hooks("open-hooks", json!(["thing"])).await;
    app.connection("crm", "alice").await;
    app.connection("crm", "bob").await;
    app.run_until_idle().await;
    let before = app.webhooks("sync").await.len();
    let body = json!({"type": "thing", "connectionId": "alice", "n": 5});
    let answer = hook(&app, "POST", "crm")
        .header("x-kept", "yes")
        .header("cookie", "no")
        .json(&body)
        .send()
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json(), json!({"status": "success"}));
    assert_eq!(answer.header("x-ratelimit-limit"), "4000");
    assert_eq!(answer.header("x-ratelimit-remaining"), "3999");
    assert_eq!(
        app.webhooks("forward").await.len(),
        0,
        "not before the answer"
    );
    app.run_until_idle().await;
    assert_eq!(
        *seen.lock().unwrap(),
        [json!({"for": "alice", "payload": body})]
    );
    assert_eq!(
        app.webhooks("forward").await,
        [json!({
            "from": "open-hooks",
            "type": "forward",
            "providerConfigKey": "crm",
            "connectionId": "alice",
            "payload": body,
        })]
    );
    let told = app.webhooks("sync").await;
    assert_eq!(told.len(), before + 1);
    let told = told.last().unwrap();
    assert_eq!(told["syncType"], "WEBHOOK");
    assert_eq!(told["connectionId"], "alice");
    assert_eq!(
        told["responseResults"],
        json!({"added": 1, "updated": 0, "deleted": 0})
    );
}

#[tokio::test]
async fn functions_get_what_they_subscribed_to() {
    for (subscriptions, expected) in [
        (json!(["other", "thing"]), 1),
        (json!(["*", "thing"]), 1),
        (json!(["other"]), 0),
        (json!([]), 0),
    ] {
        let (app, seen) = with_hooks("open-hooks", subscriptions.clone()).await;
        app.connection("crm", "alice").await;
        sent(&app, json!({"type": "thing", "connectionId": "alice"})).await;
        app.run_until_idle().await;
        assert_eq!(seen.lock().unwrap().len(), expected, "{subscriptions}");
        assert_eq!(app.webhooks("forward").await.len(), 1, "{subscriptions}");
    }
}

#[tokio::test]
async fn a_disabled_or_paused_connection_is_not_a_reason_to_lose_a_webhook() {
    let (app, seen) = with_hooks("open-hooks", json!(["*"])).await;
    app.connection("crm", "alice").await;
    app.command("pause", json!(["hooked"])).await;
    sent(&app, json!({"connectionId": "alice"})).await;
    app.run_until_idle().await;
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn faults_61_who_asks_learns_nothing_about_connections() {
    let (app, seen) = with_hooks("open-hooks", json!(["*"])).await;
    app.connection("crm", "alice").await;
    app.connection("crm", "gone").await;
    app.delete("/connections/gone?provider_config_key=crm")
        .await;
    let known = sent(&app, json!({"connectionId": "alice"})).await;
    for body in [
        json!({"connectionId": "nobody"}),
        json!({"connectionId": "gone"}),
        json!({"connectionId": "al\u{0}ice"}),
        json!({"connectionId": {"$ne": 1}}),
        json!({}),
        json!([1]),
    ] {
        let answer = sent(&app, body.clone()).await;
        assert_eq!(answer.status(), known.status(), "{body}");
        assert_eq!(answer.text(), known.text(), "{body}");
    }
    app.run_until_idle().await;
    assert_eq!(seen.lock().unwrap().len(), 1, "only alice's");
    let told = app.webhooks("forward").await;
    assert_eq!(told.len(), 7);
    assert_eq!(told[1], json!({"connectionId": "nobody"}), "no envelope");

    let elsewhere = "/webhook/00000000-0000-4000-8000-000000000000/crm";
    let answer = app
        .anonymous("POST", elsewhere)
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(answer.refusal(), "404 unknown_environment");
    assert_eq!(answer.header("x-ratelimit-limit"), "4000");
    let answer = app.anonymous("POST", "/webhook/nope/crm").json(&json!({}));
    let answer = answer.send().await;
    assert_eq!(
        answer.refusal(),
        "400 invalid_uri_params | invalid_format environmentUuid"
    );
    assert_eq!(answer.header("x-ratelimit-limit"), "");
    let answer = hook(&app, "POST", "nope").json(&json!({})).send().await;
    assert_eq!(answer.refusal(), "404 unknown_provider_config");
    assert_eq!(hook(&app, "GET", "crm").send().await.status(), 404);
}

#[tokio::test]
async fn providers_without_routing_are_thanked_and_nothing_follows() {
    let app = TestApp::start().await;
    app.integration("plain", "unverified").await;
    let answer = hook(&app, "POST", "plain")
        .json(&json!({"a": 1}))
        .send()
        .await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.text(), "");
    app.run_until_idle().await;
    assert_eq!(app.webhooks("forward").await.len(), 0);
}

#[tokio::test]
async fn forwarding_can_be_off() {
    let (app, seen) = with_hooks("open-hooks", json!(["*"])).await;
    app.patch("/integrations/crm", json!({"forward_webhooks": false}))
        .await;
    app.connection("crm", "alice").await;
    sent(&app, json!({"connectionId": "alice"})).await;
    sent(&app, json!({"connectionId": "nobody"})).await;
    app.run_until_idle().await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(app.webhooks("forward").await.len(), 0);
}

#[tokio::test]
async fn forms_and_texts_are_webhooks_too() {
    let (app, seen) = with_hooks("open-hooks", json!(["*"])).await;
    app.connection("crm", "alice").await;
    let form = "type=thing&connectionId=alice";
    let form = hook(&app, "POST", "crm").body("application/x-www-form-urlencoded", form);
    assert_eq!(form.send().await.status(), 200);
    let xml = hook(&app, "POST", "crm").body("text/xml", "<a/>");
    assert_eq!(xml.send().await.status(), 200);
    app.run_until_idle().await;
    assert_eq!(
        seen.lock().unwrap()[0]["payload"],
        json!({"type": "thing", "connectionId": "alice"})
    );
    let told = app.webhooks("forward").await;
    assert_eq!(told[1], json!("<a/>"));
}

async fn signed_app() -> (TestApp, Seen) {
    let (app, seen) = with_hooks("signed-hooks", json!(["a", "b"])).await;
    let secret = json!({"custom": {"webhookSecret": "s3cret"}});
    let answer = app.patch("/integrations/crm", secret).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    for (id, accounts) in [
        ("alice", json!(["acc-1", "acc-2"])),
        ("bob", json!("acc-3")),
    ] {
        app.connection("crm", id).await;
        let body = json!({"connection_id": id, "provider_config_key": "crm", "metadata": {"accounts": accounts}});
        let answer = app.post("/connections/metadata", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
    }
    app.run_until_idle().await;
    (app, seen)
}

fn signed_at(app: &TestApp, body: &str, seconds_ago: i64) -> Request {
    let at = (app.clock.now().secs() - seconds_ago).to_string();
    let signature = hex_hmac("s3cret", &format!("{at}.{body}"));
    hook(app, "POST", "crm")
        .body("application/json", body.to_owned())
        .header(NOW_IS, &at)
        .header("x-signature", &format!("v0=00,v1={signature}"))
}

#[tokio::test]
async fn faults_57_only_what_the_provider_signed_is_taken() {
    let (app, seen) = signed_app().await;
    let body = "{\"events\": [{\"kind\": \"a\", \"account\": \"acc-2\", \"n\": 1}]}";
    let good = signed_at(&app, body, 0).send().await;
    assert_eq!(good.status(), 200, "{}", good.text());
    assert_eq!(signed_at(&app, body, 299).send().await.status(), 200);

    let again = serde_json::from_str::<Value>(body).unwrap().to_string();
    let at = app.clock.now().secs().to_string();
    let right = hex_hmac("s3cret", &format!("{at}.{body}"));
    let of_other = hex_hmac("other", &format!("{at}.{body}"));
    let of_again = hex_hmac("s3cret", &format!("{at}.{again}"));
    let twice = hex::encode(&right);
    let plain = |signature: &str, stamp: &str| {
        let request = hook(&app, "POST", "crm").body("application/json", body.to_owned());
        request
            .header("x-signature", signature)
            .header(NOW_IS, stamp)
    };
    let wrong = [
        ("of another key", plain(&format!("v1={of_other}"), &at)),
        ("over other bytes", plain(&format!("v1={of_again}"), &at)),
        ("encoded twice", plain(&format!("v1={twice}"), &at)),
        ("cut", plain(&format!("v1={}", &right[..32]), &at)),
        ("of another scheme", plain(&format!("v0={right}"), &at)),
        ("no hex", plain("v1=zzzz", &at)),
        ("of no time", plain(&format!("v1={right}"), "now")),
        ("of five minutes ago", signed_at(&app, body, 301)),
        ("of the future", signed_at(&app, body, -301)),
    ];
    for (what, request) in wrong {
        let answer = request.send().await;
        assert_eq!(answer.status(), 401, "{what}");
        let expected = json!({"error": "Invalid webhook signature"});
        assert_eq!(answer.json(), expected, "{what}");
    }
    let unsigned = hook(&app, "POST", "crm").body("application/json", body.to_owned());
    let unsigned = unsigned.send().await;
    assert_eq!(unsigned.status(), 401);
    assert_eq!(
        unsigned.json(),
        json!({"error": "Missing webhook signature"})
    );
    app.run_until_idle().await;
    assert_eq!(seen.lock().unwrap().len(), 2, "the two good ones");
}

#[tokio::test]
async fn each_event_of_a_batch_goes_to_its_own_connections() {
    let (app, seen) = signed_app().await;
    let body = json!({"events": [
        {"kind": "a", "account": "acc-1", "n": 1},
        {"kind": "b", "account": "acc-3", "n": 2},
        {"kind": "c", "account": "acc-3", "n": 3},
        {"kind": "a", "n": 4},
        {"kind": "a", "account": "acc-9", "n": 5},
    ]});
    let answer = signed_at(&app, &body.to_string(), 0).send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    app.run_until_idle().await;
    let mut runs: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|run| format!("{} {}", run["for"].as_str().unwrap(), run["payload"]["n"]))
        .collect();
    runs.sort();
    assert_eq!(runs, ["alice 1", "alice 4", "bob 2", "bob 4"]);
    let told: Vec<Value> = app.webhooks("forward").await;
    let ids: Vec<&str> = told
        .iter()
        .map(|one| one["connectionId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["alice", "bob"], "once each");
    assert_eq!(told[0]["payload"], body, "the whole batch");
}

#[tokio::test]
async fn handshakes_are_answered_before_anything_is_checked() {
    let (app, _) = signed_app().await;
    let path = format!("/webhook/{}/crm?challenge=%3Cb%3E1", app.environment.uuid);
    let answer = app.anonymous("POST", &path).send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text(), "<b>1");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    app.run_until_idle().await;
    assert_eq!(app.webhooks("forward").await.len(), 0);
}

#[tokio::test]
async fn faults_60_bodies_that_make_no_sense_are_refused() {
    let (app, _) = with_hooks("open-hooks", json!(["*"])).await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let bodies: [(&str, Vec<u8>); 5] = [
        ("cut off", b"{\"a\":".to_vec()),
        ("not UTF-8", b"{\"a\":\"\xff\"}".to_vec()),
        ("deep", deep.into_bytes()),
        ("no number", b"{\"a\":NaN}".to_vec()),
        ("a lone surrogate", b"{\"a\":\"\\ud800\"}".to_vec()),
    ];
    for (what, body) in bodies {
        let request = hook(&app, "POST", "crm").body("application/json", body);
        assert_eq!(request.send().await.refusal(), "400 invalid_json", "{what}");
    }
    let many: String = (0..100_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let many = format!("{{{many}\"type\":1,\"type\":\"thing\"}}");
    let large = hook(&app, "POST", "crm").body("application/json", many);
    assert_eq!(large.send().await.status(), 200);
    let huge = vec![b'7'; 10 * 1024 * 1024 + 1];
    let huge = hook(&app, "POST", "crm").body("text/plain", huge);
    assert_eq!(huge.send().await.refusal(), "413 request_too_large");
    app.run_until_idle().await;
    assert_eq!(app.webhooks("forward").await.len(), 1);
}

#[tokio::test]
async fn faults_59_what_is_taken_before_a_crash_is_routed_after_it() {
    let (app, seen) = with_hooks("open-hooks", json!(["*"])).await;
    app.connection("crm", "alice").await;
    for n in 0..150 {
        let body = json!({"connectionId": "alice", "n": n});
        assert_eq!(sent(&app, body).await.status(), 200);
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
    // Another node finds them: nothing of them was in the memory of the one that took them.
    app.run_until_idle().await;
    let mut order: Vec<u64> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|run| run["payload"]["n"].as_u64().unwrap())
        .collect();
    order.sort_unstable();
    assert_eq!(order, (0..150).collect::<Vec<_>>());
    let told: Vec<u64> = app
        .webhooks("forward")
        .await
        .iter()
        .map(|one| one["payload"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(told, (0..150).collect::<Vec<_>>(), "in order");
}

#[tokio::test]
async fn a_webhook_for_all_connections_reaches_each_once() {
    let (app, seen) = signed_app().await;
    for n in 0..520 {
        app.connection("crm", &format!("c-{n}")).await;
    }
    let body = json!({"events": [{"kind": "a", "n": 1}, {"kind": "b", "n": 2}]}).to_string();
    let answer = signed_at(&app, &body, 0).send().await;
    assert_eq!(answer.status(), 200);
    app.run_until_idle().await;
    let mut runs: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|run| format!("{} {}", run["for"], run["payload"]["n"]))
        .collect();
    runs.sort();
    let all = runs.len();
    runs.dedup();
    assert_eq!((all, runs.len()), (1_044, 1_044));
    assert_eq!(forwards(&app).await, 522);
}

async fn forwards(app: &TestApp) -> i64 {
    static COUNT: tenon_store::Statement = tenon_store::Statement::new(
        "test::FORWARDS",
        "SELECT COUNT(*) FROM event WHERE kind = 'forward'",
    );
    let row = app.engine.reader().get(&COUNT, &[]).await.unwrap();
    row.get(0).unwrap()
}

#[tokio::test]
async fn an_operator_may_limit_webhooks() {
    let app = TestApp::with(Wishes {
        webhook_rate_limit_per_minute: Some(2),
        ..Wishes::default()
    })
    .await;
    app.integration("crm", "open-hooks").await;
    app.integration("other", "open-hooks").await;
    for remaining in ["1", "0"] {
        let answer = sent(&app, json!({})).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    let refused = sent(&app, json!({})).await;
    assert_eq!(refused.refusal(), "429 too_many_request");
    assert_ne!(refused.header("retry-after"), "");
    let other = hook(&app, "POST", "other").json(&json!({})).send().await;
    assert_eq!(other.status(), 200, "integrations have limits of their own");
    app.run_until_idle().await;
    assert_eq!(
        app.webhooks("forward").await.len(),
        3,
        "none lost after 200"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_takes() {
    let (app, _) = with_hooks("open-hooks", json!(["*"])).await;
    let full = [app.environment.pk].into_iter().collect();
    app.engine.work.set_inbound_full(full);
    let refused = sent(&app, json!({})).await;
    assert_eq!(refused.refusal(), "429 too_many_request");
    assert_eq!(refused.header("retry-after"), "5");
    app.run_until_idle().await;
    assert_eq!(app.webhooks("forward").await.len(), 0);
    app.pass(std::time::Duration::from_secs(2)).await;
    app.engine.work.set_inbound_full(Default::default());
    assert_eq!(sent(&app, json!({})).await.status(), 200);
}
