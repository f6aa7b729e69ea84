//! Records on their way to the store (functions.md, 2.11).

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tenon_core::function::{FunctionRunner, HostCall, HostReply, MergingStrategy, RecordInput};

use crate::common::{TestHost, failed, pool, succeeded, sync, sync_request};

async fn run(body: &str, host: Arc<TestHost>) {
    succeeded(pool().run(sync_request(&sync(body)), host).await);
}

/// The records that this body saves, as text.
async fn saved(records: &str) -> Vec<(String, String)> {
    let host = TestHost::silent();
    run(
        &format!(
            "if (await nango.batchSave({records}, 'Ticket') !== true) throw new Error('true')"
        ),
        host.clone(),
    )
    .await;
    inputs(&host.calls())
}

fn inputs(calls: &[HostCall]) -> Vec<(String, String)> {
    let batches = calls.iter().filter_map(|call| match call {
        HostCall::BatchSave { records, .. } => Some(records),
        _ => None,
    });
    batches
        .flatten()
        .map(|RecordInput { id, json }| (id.clone(), String::from_utf8(json.to_vec()).unwrap()))
        .collect()
}

fn one(id: &str, json: &str) -> Vec<(String, String)> {
    vec![(id.to_owned(), json.to_owned())]
}

#[tokio::test]
async fn records_are_written_as_json_stringify_writes_them() {
    let cases = [
        (
            "{ id: 1, b: 1, a: [null, undefined, () => 1], u: undefined, f() {} }",
            "1",
            r#"{"b":1,"a":[null,null,null]}"#,
        ),
        (
            "{ z: 1, 10: 'x', 2: 'y', id: 'i', '-1': 0 }",
            "i",
            r#"{"2":"y","10":"x","z":1,"-1":0}"#,
        ),
        (
            "{ id: 'n', a: -0, b: 1e21, c: 1e-7, d: NaN, e: Infinity, f: 0.1 + 0.2, g: 123456789012345680000 }",
            "n",
            r#"{"a":0,"b":1e+21,"c":1e-7,"d":null,"e":null,"f":0.30000000000000004,"g":123456789012345680000}"#,
        ),
        (
            "{ id: 'd', at: new Date(0), bad: new Date(NaN), n: { toJSON() { return 'own' } } }",
            "d",
            r#"{"at":"1970-01-01T00:00:00.000Z","bad":null,"n":"own"}"#,
        ),
        (
            r#"{ id: 's', a: '\ud800', b: '\ud83d\ude00', c: '"\\\n\u0001\u2028' }"#,
            "s",
            "{\"a\":\"\\ud800\",\"b\":\"😀\",\"c\":\"\\\"\\\\\\n\\u0001\u{2028}\"}",
        ),
        (
            "{ id: 'm', _nango_metadata: { x: 1 }, nested: { id: 2, _nango_metadata: 3 } }",
            "m",
            r#"{"nested":{"id":2,"_nango_metadata":3}}"#,
        ),
        (
            "{ toJSON(key) { return { id: 'j', key, toJSON: 1 } } }",
            "j",
            r#"{"key":"0","toJSON":1}"#,
        ),
        (
            "JSON.parse('{\"id\":\"p\",\"__proto__\":{\"a\":1},\"constructor\":2}')",
            "p",
            r#"{"__proto__":{"a":1},"constructor":2}"#,
        ),
        (
            "new (class { constructor() { this.id = 'c'; this.own = 1 } get inherited() { return 2 } })()",
            "c",
            r#"{"own":1}"#,
        ),
        (
            "Object.assign(Object.create({ toString: 1 }), { id: 'o', s: new String('s'), n: new Number(3), b: new Boolean(false) })",
            "o",
            r#"{"s":"s","n":3,"b":false}"#,
        ),
        (
            "{ id: 3.5, m: new Map([[1, 2]]), s: new Set([1]), r: /x/ }",
            "3.5",
            r#"{"m":{},"s":{},"r":{}}"#,
        ),
        (r"{ id: 'a\0b' }", "ab", "{}"),
    ];
    for (record, id, json) in cases {
        assert_eq!(
            saved(&format!("[{record}]")).await,
            one(id, json),
            "{record}"
        );
    }
}

#[tokio::test]
async fn what_a_function_does_to_builtins_does_not_show_in_records() {
    let host = TestHost::silent();
    run(
        "Object.prototype.extra = 1; Array.prototype.map = null; Object.keys = () => []; JSON.stringify = () => '{\"forged\":1}'; \
         await nango.batchSave([{ id: 1, a: [1] }], 'Ticket')",
        host.clone(),
    )
    .await;
    assert_eq!(inputs(&host.calls()), one("1", r#"{"a":[1]}"#));
}

#[tokio::test]
async fn a_batch_of_nothing_is_true_without_a_call() {
    for records in ["[]", "null", "undefined"] {
        assert_eq!(saved(records).await, []);
    }
}

#[tokio::test]
async fn large_batches_are_split() {
    let host = TestHost::silent();
    run("await nango.batchSave(Array.from({ length: 2500 }, (_, i) => ({ id: i + 1, i })), 'Ticket')", host.clone()).await;
    let sizes: Vec<usize> = host
        .calls()
        .iter()
        .map(|call| match call {
            HostCall::BatchSave { records, model } if model == "Ticket" => records.len(),
            other => panic!("only batches: {other:?}"),
        })
        .collect();
    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(
        inputs(&host.calls())[2499],
        ("2500".to_owned(), "{\"i\":2499}".to_owned())
    );
}

#[tokio::test]
async fn records_that_cannot_be_stored_fail_the_call() {
    let cases = [
        ("[{ n: 1 }]", "has no id"),
        ("[{ id: '' }]", "has no id"),
        ("[{ id: 0 }]", "has no id"),
        ("[{ id: null }]", "has no id"),
        ("[{ id: {} }]", "has no id"),
        ("[{ id: 'x'.repeat(256) }]", "longer than 255"),
        ("[{ id: 1, big: 1n }]", "BigInt"),
        (
            "[(() => { const a = { id: 1 }; a.a = a; return a })()]",
            "circular",
        ),
        ("[null]", "not an object"),
        ("['text']", "not an object"),
        ("{ id: 1 }", "must be an array"),
    ];
    let pool = pool();
    for (records, part) in cases {
        let host = TestHost::silent();
        let body = sync(&format!("await nango.batchSave({records}, 'Ticket')"));
        let failure = failed(pool.run(sync_request(&body), host.clone()).await);
        assert_eq!(failure.kind, "script_internal_error");
        assert!(
            failure.message.contains(part),
            "{records}: {}",
            failure.message
        );
        assert!(host.calls().is_empty());
    }
}

#[tokio::test]
async fn a_model_that_was_not_declared_is_refused() {
    let pool = pool();
    for call in [
        "batchSave([{ id: 1 }], 'X')",
        "batchDelete([{ id: 1 }], 'X')",
        "getRecordsByIds([1], 'X')",
        "trackDeletesStart('X')",
    ] {
        let failure = failed(
            pool.run(
                sync_request(&sync(&format!("await nango.{call}"))),
                TestHost::silent(),
            )
            .await,
        );
        assert_eq!(
            failure.message,
            "The model 'X' is not included in the declared sync models"
        );
    }
}

#[tokio::test]
async fn updates_and_deletes_go_their_own_way() {
    let host = TestHost::silent();
    run(
        "await nango.batchUpdate([{ id: 1, a: 2 }], 'Ticket'); await nango.batchDelete([{ id: 'b' }], 'Other'); await nango.batchSend([{ id: 'c' }], 'Ticket')",
        host.clone(),
    )
    .await;
    assert!(matches!(
        &host.calls()[..],
        [HostCall::BatchUpdate { .. }, HostCall::BatchDelete { model, .. }, HostCall::BatchSave { .. }] if model == "Other"
    ));
}

#[tokio::test]
async fn records_are_found_by_the_ids_as_they_were_given() {
    let host = TestHost::new(|call| match call {
        HostCall::GetRecordsByIds { ids, .. } => Ok(HostReply::Records {
            records: ids
                .iter()
                .filter(|id| *id != "none")
                .map(|id| Bytes::from(json!({"id": id, "n": 1}).to_string()))
                .collect(),
            next_cursor: None,
        }),
        HostCall::BatchSave { .. } => Ok(HostReply::Done),
        other => panic!("not expected: {other:?}"),
    });
    run(
        "const found = await nango.getRecordsByIds(['a', 3, 'none', ...Array.from({ length: 150 }, (_, i) => 'x' + i)], 'Ticket'); \
         await nango.batchSave([{ id: 'r', size: found.size, keys: [...found.keys()].slice(0, 2), three: found.get(3) }], 'Ticket')",
        host.clone(),
    )
    .await;
    let calls = host.calls();
    let asked: Vec<usize> = calls
        .iter()
        .filter_map(|call| match call {
            HostCall::GetRecordsByIds { ids, .. } => Some(ids.len()),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [100, 53]);
    assert_eq!(
        inputs(&calls)[0].1,
        r#"{"size":152,"keys":["a",3],"three":{"id":"3","n":1}}"#
    );
}

#[tokio::test]
async fn all_records_are_listed_page_by_page() {
    let host = TestHost::new(|call| match call {
        HostCall::ListRecords { cursor, .. } => {
            let page = cursor
                .as_deref()
                .map_or(1, |cursor| cursor.parse::<i64>().unwrap());
            Ok(HostReply::Records {
                records: vec![Bytes::from(json!({"id": page.to_string()}).to_string())],
                next_cursor: (page < 3).then(|| (page + 1).to_string()),
            })
        }
        _ => Ok(HostReply::Done),
    });
    run(
        "const ids = []; for await (const record of nango.listRecords('Ticket')) ids.push(record.id); await nango.batchSave([{ id: 'r', ids }], 'Ticket')",
        host.clone(),
    )
    .await;
    assert_eq!(inputs(&host.calls())[0].1, r#"{"ids":["1","2","3"]}"#);
}

#[tokio::test]
async fn a_second_merging_strategy_is_only_warned_about() {
    let host = TestHost::silent();
    run(
        "await nango.setMergingStrategy({ strategy: 'ignore_if_modified_after' }, 'Ticket'); await nango.setMergingStrategy({ strategy: 'override' }, 'Ticket')",
        host.clone(),
    )
    .await;
    let calls = host.calls();
    assert!(matches!(
        &calls[0],
        HostCall::SetMergingStrategy {
            strategy: MergingStrategy::IgnoreIfModifiedAfter,
            ..
        }
    ));
    assert!(matches!(&calls[1..], [HostCall::Log { .. }]), "{calls:?}");
}

#[tokio::test]
async fn deletions_are_tracked() {
    let host = TestHost::new(|call| match call {
        HostCall::TrackDeletesEnd { .. } | HostCall::DeleteRecordsFromPreviousExecutions { .. } => {
            Ok(HostReply::Json(json!({"deletedKeys": ["1"]})))
        }
        _ => Ok(HostReply::Done),
    });
    run(
        "const start = await nango.trackDeletesStart('Ticket'); const end = await nango.trackDeletesEnd('Ticket'); \
         await nango.batchSave([{ id: 'r', start: String(start), end, old: await nango.deleteRecordsFromPreviousExecutions('Ticket') }], 'Ticket')",
        host.clone(),
    )
    .await;
    assert_eq!(
        inputs(&host.calls())[0].1,
        r#"{"start":"undefined","end":{"deletedKeys":["1"]},"old":{"deletedKeys":["1"]}}"#
    );
}

#[tokio::test]
async fn actions_have_no_records() {
    let seen = crate::common::value("return ['batchSave', 'batchDelete', 'listRecords', 'trackDeletesStart', 'lastSyncDate'].map((name) => typeof nango[name])").await;
    assert_eq!(seen, Value::from(vec!["undefined"; 5]));
}

#[tokio::test]
async fn faults_73_records_that_are_no_json_are_put_aside_where_the_run_keeps_such() {
    let host = TestHost::silent();
    let body = "const circular = { id: 'c' }; circular.a = circular; \
                await nango.batchSave([{ id: 1, ok: true }, circular, { id: 2, big: 1n }, { n: 1 }, null, \
                { id: 't', toJSON() { throw new Error('no') } }, { get id() { throw new Error('no id') } }, { id: 3 }], 'Ticket'); \
                return 1";
    let mut request = sync_request(&sync(body));
    request.context.keeps_misfits = true;
    succeeded(pool().run(request, host.clone()).await);
    let calls = host.calls();
    assert_eq!(
        inputs(&calls),
        [
            ("1".to_owned(), r#"{"ok":true}"#.to_owned()),
            ("3".to_owned(), "{}".to_owned())
        ]
    );
    let rejected: Vec<(Option<&str>, &str)> = calls
        .iter()
        .filter_map(|call| match call {
            HostCall::RejectRecords { model, records } if model == "Ticket" => Some(records),
            _ => None,
        })
        .flatten()
        .map(|record| (record.id.as_deref(), record.reason.as_str()))
        .collect();
    let expected = [
        (Some("c"), "circular"),
        (Some("2"), "BigInt"),
        (None, "has no id"),
        (None, "is not an object"),
        (Some("t"), "no"),
        (None, "no id"),
    ];
    assert_eq!(rejected.len(), expected.len(), "{rejected:?}");
    for ((id, reason), (wanted, part)) in rejected.iter().zip(expected) {
        assert_eq!(*id, wanted, "{reason}");
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test]
async fn a_run_that_must_stop_stops_although_it_puts_records_aside() {
    for (body, kind) in [
        (
            "await nango.batchSave([{ id: 1, toJSON() { while (true) {} } }], 'Ticket')",
            "execution_timeout",
        ),
        (
            "await nango.batchSave([{ id: 1, toJSON() { const all = []; for (;;) all.push(new Array(10_000).fill(1)) } }], 'Ticket')",
            "script_out_of_memory",
        ),
    ] {
        let mut request = sync_request(&sync(body));
        request.context.keeps_misfits = true;
        request.limits.busy = std::time::Duration::from_millis(500);
        request.limits.heap_bytes = 48 * 1024 * 1024;
        if kind == "script_out_of_memory" {
            request.limits.busy = std::time::Duration::from_secs(20);
        }
        let failure = failed(pool().run(request, TestHost::silent()).await);
        assert_eq!(failure.kind, kind, "{}", failure.message);
    }
}

/// Makes 400 records out of a seed: nested values of every kind that JSON knows, and of every kind that it does not.
const RANDOM_RECORDS: &str = r#"
    let state = SEED;
    const random = () => { state = (state + 0x6d2b79f5) | 0; let t = Math.imul(state ^ (state >>> 15), 1 | state); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296; };
    const pick = (list) => list[Math.floor(random() * list.length)];
    const text = () => Array.from({ length: Math.floor(random() * 6) }, () => pick(['a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\t', '\b', '\f', '\r', '\u0000', '\u0001', '\u001f', '\u007f', '\u0080', 'é', '\u2028', '\u2029', '\ufeff', '\uffff', '😀', '\ud800', '\udfff', '\ud83d', '\ude00', '<', '&'])).join('');
    const key = () => pick([() => String(Math.floor(random() * 20)), () => '4294967294', () => '4294967295', () => '-1', () => '1.5', () => '01', () => '__proto__', () => 'constructor', () => 'toString', () => 'length', () => 'id', () => '_nango_metadata', () => '', text, text, text])();
    const scalar = () => pick([null, true, false, undefined, 0, -0, 1, -1, 0.1, 1e21, 1e-7, 1.7976931348623157e308, 5e-324, 123456789012345680000, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 31), 0.1 + 0.2, () => 1, Symbol('s')]);
    const value = (depth) => depth > 4 ? scalar() : pick([scalar, scalar, text, text,
        () => Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1)),
        () => { const list = [value(depth + 1)]; list[3] = 1; list.extra = 2; return list; },
        () => object(depth + 1), () => object(depth + 1),
        () => new Date(Math.floor((random() - 0.5) * 1e13)), () => new Date(NaN),
        () => ({ toJSON(name) { return [name, typeof this]; } }), () => ({ toJSON: 'no function', a: 1 }), () => Object.assign(() => 1, { toJSON: () => 'of a function' }),
        () => new String(text()), () => new Number(random()), () => new Boolean(random() < 0.5),
        () => new Map([[1, 2]]), () => new Set([1]), () => /x/g, () => new Error('e'), () => new Uint8Array([1, 2]), () => Buffer.from('b'), () => new URL('https://a.test/x'),
        () => Object.create({ inherited: 1 }, { own: { value: 1, enumerable: true }, hidden: { value: 2 } }),
        () => { const inner = value(depth + 1); return { get got() { return inner; } }; },
        () => new Proxy({ p: value(depth + 1), q: 1 }, {}), () => Object.assign(Object.create(null), { bare: 1 }),
        () => new (class Own { constructor() { this.field = 1 } get accessor() { return 2 } })(),
    ])();
    const object = (depth) => { const made = {}; for (let n = Math.floor(random() * 6); n > 0; n--) Object.defineProperty(made, key(), { value: value(depth), enumerable: random() < 0.95, writable: true, configurable: true }); return made; };
    const records = Array.from({ length: 400 }, (_, index) => { const made = object(0); delete made.toJSON; Object.defineProperty(made, 'id', { value: 'r' + index, enumerable: true, writable: true, configurable: true }); return made; });
    const expected = records.map((record) => { const rest = {}; for (const name of Object.keys(record)) if (name !== 'id' && name !== '_nango_metadata') Object.defineProperty(rest, name, { value: record[name], enumerable: true }); return JSON.stringify(rest); });
    await nango.batchSave(records, 'Ticket');
    await nango.batchSave(expected.map((text, index) => ({ id: 'r' + index, text })), 'Other');
"#;

#[tokio::test]
async fn whatever_a_record_holds_is_written_as_json_stringify_writes_it() {
    let pool = pool();
    for seed in 1..=12 {
        let host = TestHost::silent();
        let body = RANDOM_RECORDS.replace("SEED", &seed.to_string());
        succeeded(pool.run(sync_request(&sync(&body)), host.clone()).await);
        let calls = host.calls();
        let of = |wanted: &str| -> Vec<(String, Bytes)> {
            calls
                .iter()
                .filter_map(|call| match call {
                    HostCall::BatchSave { model, records } if model == wanted => Some(records),
                    _ => None,
                })
                .flatten()
                .map(|record| (record.id.clone(), record.json.clone()))
                .collect()
        };
        let (saved, told) = (of("Ticket"), of("Other"));
        assert_eq!((saved.len(), told.len()), (400, 400));
        for ((id, json), (other, text)) in saved.iter().zip(&told) {
            let text: Value = serde_json::from_slice(text).unwrap();
            assert_eq!(id, other);
            assert_eq!(
                String::from_utf8_lossy(json),
                text["text"].as_str().unwrap(),
                "seed {seed}, record {id}"
            );
        }
    }
}
