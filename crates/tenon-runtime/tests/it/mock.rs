//! The `nango` object of a replay (functions.md, 5.5).

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_core::function::{FunctionRunner, HostCall, HostErrorKind, HostReply, ProxyBody};

use crate::common::{
    TestHost, action, action_request, pool, refused, succeeded, sync, sync_request,
};

async fn replayed(body: &str, input: Value, host: Arc<TestHost>) -> Value {
    let mut request = action_request(&action(body), input);
    request.context.replay = true;
    succeeded(pool().run(request, host).await)
}

#[tokio::test]
async fn answers_are_taken_as_they_were_recorded() {
    let host = TestHost::new(|call| match call {
        HostCall::Proxy(_) => Ok(HostReply::JsonText(
            r#"{"data":{"m":1},"status":404}"#.into(),
        )),
        HostCall::GetMetadata => refused(HostErrorKind::Plain, "missing"),
        _ => Ok(HostReply::Json(json!({"connection_id": "c"}))),
    });
    let seen = replayed(
        "const r = await nango.get({ endpoint: '/x' }); let missing; try { await nango.getMetadata() } catch (error) { missing = error.message } \
         return [r.data, r.status, 'headers' in r, (await nango.getConnection()).connection_id, missing, input === undefined]",
        Value::Null,
        host,
    )
    .await;
    assert_eq!(
        seen,
        json!([{"m": 1}, 404, false, "c", "refused: missing", true])
    );
}

#[tokio::test]
async fn only_the_mocks_members_exist() {
    let seen = replayed(
        "return ['setMetadata', 'getToken', 'uncontrolledFetch', 'triggerAction', 'batchUpdate', 'getIntegration', 'saveCheckpoint', 'batchSave', 'getConnection', 'zodValidateInput'].map((name) => typeof nango[name] === 'function')",
        Value::Null,
        TestHost::silent(),
    )
    .await;
    assert_eq!(
        seen,
        json!([
            false, false, true, false, false, false, false, false, true, true
        ])
    );
}

#[tokio::test]
async fn bodies_keep_the_form_that_identity_is_made_of() {
    let host = TestHost::new(|_| Ok(HostReply::JsonText(r#"{"data":1}"#.into())));
    replayed(
        "for (const data of [undefined, 'a=b', { b: 1, a: 2 }, Buffer.from('x'), new URLSearchParams('a=1')]) await nango.post({ endpoint: '/x', data, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })",
        Value::Null,
        host.clone(),
    )
    .await;
    let bodies: Vec<ProxyBody> = host
        .calls()
        .into_iter()
        .map(|call| match call {
            HostCall::Proxy(call) => {
                assert_eq!(call.headers.len(), 1, "no header is added");
                call.body
            }
            other => panic!("only requests: {other:?}"),
        })
        .collect();
    assert!(
        matches!(
            &bodies[..],
            [ProxyBody::Empty, ProxyBody::Text(text), ProxyBody::Json(json), ProxyBody::Bytes(_), ProxyBody::Json(params)]
                if text == "a=b" && json == r#"{"b":1,"a":2}"# && params == "{}"
        ),
        "{bodies:?}"
    );
}

#[tokio::test]
async fn records_are_handed_over_whole_and_unchecked() {
    let host = TestHost::silent();
    let mut request = sync_request(&sync(
        "await nango.batchSave([{ id: 1, a: undefined }, { no: 'id' }], 'Undeclared'); await nango.batchDelete([{ id: 'x' }], 'Ticket'); \
         await nango.saveCheckpoint({ n: 1 }); if ((await nango.getCheckpoint()).n !== 1 || nango.lastSyncDate !== null) throw new Error('checkpoint')",
    ));
    request.context.replay = true;
    succeeded(pool().run(request, host.clone()).await);
    let calls = host.calls();
    let HostCall::BatchSave { records, .. } = &calls[0] else {
        panic!("a batch: {calls:?}");
    };
    assert_eq!(
        records
            .iter()
            .map(|record| &record.json[..])
            .collect::<Vec<_>>(),
        [&b"{\"id\":1}"[..], b"{\"no\":\"id\"}"]
    );
    assert!(matches!(&calls[1..], [HostCall::BatchDelete { .. }]));
}

#[tokio::test]
async fn a_stopped_clock_shows_one_instant() {
    let mut request = action_request(
        &action(
            "const a = Date.now(); await new Promise((r) => setTimeout(r, 5)); return [a, new Date().toISOString(), new Date(5).getTime(), Date.UTC(1970, 0), new Date() instanceof Date]",
        ),
        Value::Null,
    );
    request.context.replay = true;
    request.context.frozen_time_ms = Some(1_000);
    let seen = succeeded(pool().run(request, TestHost::silent()).await);
    assert_eq!(seen, json!([1_000, "1970-01-01T00:00:01.000Z", 5, 0, true]));
}
