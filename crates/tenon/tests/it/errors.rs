//! What a function throws, as its caller sees it (functions.md, 3): the whole server, real functions, a provider on
//! loopback. The recorded reference (tests/compat/golden) holds what it was asked; this table has the rest.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{fake_server::FakeServer, server::Server};

/// Longest wait for the end of a run.
const PATIENCE: Duration = Duration::from_secs(60);

/// One action and one sync that fail in the way they are told.
const FAIL: &str = r#"
export async function fail(nango: any, how: string): Promise<unknown> {
    switch (how) {
        case 'object': throw new nango.ActionError({ message: 'own', type: 't', list: [1] });
        case 'text': throw new nango.ActionError('only text');
        case 'list': throw new nango.ActionError([1, 2]);
        case 'large': throw new nango.ActionError({ kept: true, text: 'é'.repeat(200_000) });
        case 'body': return nango.get({ endpoint: '/body' });
        case 'payload': return nango.get({ endpoint: '/payload' });
        case 'list-body': return nango.get({ endpoint: '/list' });
        case 'limited': return nango.get({ endpoint: '/limited' });
        case 'network': return nango.get({ endpoint: '/x', baseUrlOverride: 'http://127.0.0.1:9' });
        case 'deep': return recurse(30);
        case 'null': throw null;
        case 'string': throw 'a string';
        case 'proxy': throw new Proxy({}, { get() { throw new Error('trap'); } });
        case 'long': throw new Error('m'.repeat(10_000_000));
        case 'coded': throw Object.assign(new RangeError('out'), { code: 'E_OUT' });
        case 'nested': return nango.triggerAction('desk', 'alice', 'fail', { how: 'object' });
        case 'nested-handled': return nango.triggerAction('desk', 'alice', 'fail', { how: 'payload' })
            .catch((error: any) => [error.isAxiosError, error.response.status, error.response.data.error.code, error.response.data.error.payload]);
        case 'unwrapped': return nango.triggerAction('desk', 'alice', 'gone', {});
        default: return 'fine';
    }
}
function recurse(left: number): unknown {
    if (left === 0) throw new TypeError('at the bottom');
    return [recurse(left - 1)];
}
"#;

const ACTION: &str = r#"import { createAction } from 'nango';
import { z } from 'zod';
import { fail } from '../fail.js';
export default createAction({
    description: 'Fails', input: z.object({ how: z.string() }), output: z.any(),
    exec: async (nango, input) => { return await fail(nango, input.how); }
});
"#;

const SYNC: &str = r#"import { createSync } from 'nango';
import { z } from 'zod';
import { fail } from '../fail.js';
export default createSync({
    description: 'Fails', frequency: 'every day', autoStart: false, models: { Thing: z.object({ id: z.string() }) }, metadata: z.object({ how: z.string() }),
    exec: async (nango) => { await fail(nango, (await nango.getMetadata()).how); }
});
"#;

/// A server with the functions deployed, an integration that leads to a provider on loopback, and a connection.
struct Failing {
    server: Server,
    _provider: FakeServer,
}

impl Failing {
    fn start() -> Self {
        let provider = FakeServer::start(&[
            (
                "/body",
                422,
                json!({ "error": "bad", "nested": { "a": [1] } }),
            ),
            (
                "/payload",
                400,
                json!({ "payload": { "own": 1 }, "rest": 2 }),
            ),
            ("/list", 409, json!([1, 2])),
            ("/limited", 429, json!({ "slow": "down" })),
        ]);
        let server = Server::start(|project| {
            project.write("desk/fail.ts", FAIL);
            project.write("desk/actions/fail.ts", ACTION);
            project.write("desk/syncs/failing.ts", SYNC);
        });
        let config = json!({ "keyPlacement": "header", "keyName": "authorization", "valueTemplate": "Bearer ${apiKey}", "baseUrl": provider.url });
        let integration = json!({ "provider": "private-api-generic", "unique_key": "desk", "integration_config": config });
        assert_eq!(server.post("/integrations", &[], &integration).0, 200);
        let connection = json!({ "provider_config_key": "desk", "connection_id": "alice", "credentials": { "type": "API_KEY", "apiKey": "k" } });
        assert_eq!(server.post("/connections", &[], &connection).0, 201);
        server.deploy("import './desk/actions/fail.js';\nimport './desk/syncs/failing.js';\n");
        Self {
            server,
            _provider: provider,
        }
    }

    fn trigger_of(
        &self,
        integration: &str,
        connection: &str,
        action: &str,
        how: &str,
    ) -> (u16, Value) {
        let headers = [
            ("provider-config-key", integration),
            ("connection-id", connection),
        ];
        let body = json!({ "action_name": action, "input": { "how": how } });
        self.server.post("/action/trigger", &headers, &body)
    }

    fn trigger(&self, how: &str) -> (u16, Value) {
        self.trigger_of("desk", "alice", "fail", how)
    }
}

/// The stack of an error, taken out of its answer.
fn stack_of(answer: &mut Value) -> Vec<String> {
    let stack = answer["error"]["payload"]["stacktrace"].take();
    let lines = stack.as_array().expect("a list of lines").iter();
    lines
        .map(|line| line.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_caller_of_an_action_sees_what_it_threw() {
    let server = Failing::start();

    for (how, payload) in [
        (
            "object",
            json!({ "message": "own", "type": "t", "list": [1] }),
        ),
        ("text", json!({ "message": "only text" })),
        ("list", json!({ "message": [1, 2] })),
    ] {
        let (status, answer) = server.trigger(how);
        assert_eq!(
            (status, &answer["error"]["code"]),
            (500, &json!("action_script_runtime_error")),
            "{how}: {answer}"
        );
        assert_eq!(answer["error"]["payload"], payload, "{how}");
        assert!(answer["error"]["message"].is_string(), "{how}");
        assert_eq!(answer["error"].get("upstream"), None, "{how}");
    }
    let (status, answer) = server.trigger("large");
    let payload = &answer["error"]["payload"];
    let size = payload.to_string().len();
    assert_eq!((status, &payload["kept"]), (500, &json!(true)));
    assert!((70_000..=99_000).contains(&size), "{size}");

    let upstream = |status: u16, body: Value| json!({ "status": status, "headers": { "content-type": "application/json", "x-ratelimit-limit": "10" }, "body": body });
    for (how, payload, upstream) in [
        (
            "body",
            json!({ "error": "bad", "nested": { "a": [1] } }),
            upstream(422, json!({ "error": "bad", "nested": { "a": [1] } })),
        ),
        (
            "payload",
            json!({ "own": 1 }),
            upstream(400, json!({ "payload": { "own": 1 }, "rest": 2 })),
        ),
        (
            "limited",
            json!({ "slow": "down" }),
            upstream(429, json!({ "slow": "down" })),
        ),
    ] {
        let (status, answer) = server.trigger(how);
        assert_eq!(
            (status, answer),
            (
                424,
                json!({ "error": { "payload": payload, "code": "script_http_error", "upstream": upstream } })
            ),
            "{how}"
        );
    }
    let (status, answer) = server.trigger("list-body");
    assert_eq!(
        (status, &answer["error"]["upstream"]["status"]),
        (424, &json!(409)),
        "{answer}"
    );

    let (status, mut answer) = server.trigger("network");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (500, &json!("script_network_error")),
        "{answer}"
    );
    assert!(stack_of(&mut answer).len() <= 10);
    assert_eq!(answer["error"]["payload"]["name"], "AxiosError");
    assert_eq!(answer["error"]["payload"]["code"], "ECONNREFUSED");

    let (status, mut answer) = server.trigger("deep");
    let stack = stack_of(&mut answer);
    assert_eq!(
        (status, &answer["error"]["payload"]),
        (
            500,
            &json!({ "name": "TypeError", "message": "at the bottom", "stacktrace": null })
        )
    );
    assert_eq!(stack.len(), 10, "{stack:?}");
    let line = FAIL.lines().position(|line| line.contains("at the bottom"));
    let place = format!("(desk/fail.ts:{}:", line.unwrap() + 1);
    assert!(stack[0].contains(&place), "{stack:?}");
    assert!(
        stack.iter().all(|line| line.contains("(desk/fail.ts:")),
        "{stack:?}"
    );

    for (how, name, message) in [
        ("null", "Error", Some("null")),
        ("string", "Error", Some("\"a string\"")),
        ("proxy", "Error", None),
        ("long", "Error", None),
        ("coded", "RangeError", Some("out")),
    ] {
        let (status, answer) = server.trigger(how);
        let error = &answer["error"];
        assert_eq!(
            (status, &error["code"]),
            (500, &json!("script_internal_error")),
            "{how}: {error}"
        );
        assert_eq!(error["payload"]["name"], name, "{how}");
        if let Some(message) = message {
            assert_eq!(error["payload"]["message"], message, "{how}");
        }
        assert!(answer.to_string().len() < 100_000, "{how}");
    }
    assert_eq!(
        server.trigger("coded").1["error"]["payload"]["code"],
        "E_OUT"
    );

    let (status, answer) = server.trigger("nested");
    let inner = &answer["error"]["upstream"]["body"]["error"];
    assert_eq!(
        (
            status,
            &answer["error"]["code"],
            &answer["error"]["upstream"]["status"]
        ),
        (424, &json!("script_http_error"), &json!(500))
    );
    assert_eq!(
        inner["payload"],
        json!({ "message": "own", "type": "t", "list": [1] })
    );
    assert_eq!(
        answer["error"]["payload"],
        answer["error"]["upstream"]["body"]
    );
    assert_eq!(
        server.trigger("nested-handled"),
        (200, json!([true, 424, "script_http_error", { "own": 1 }]))
    );
    let (status, answer) = server.trigger("unwrapped");
    assert_eq!(
        (status, &answer["error"]["upstream"]["status"]),
        (424, &json!(404)),
        "{answer}"
    );

    for (integration, connection, action, status, code) in [
        ("desk", "nobody", "fail", 400, "unknown_connection"),
        ("nothing", "alice", "fail", 400, "unknown_connection"),
        ("desk", "alice", "gone", 404, "not_found"),
        ("desk", "alice", "failing", 404, "not_found"),
    ] {
        let (seen, answer) = server.trigger_of(integration, connection, action, "");
        assert_eq!(
            (seen, &answer["error"]["code"]),
            (status, &json!(code)),
            "{answer}"
        );
    }
    a_sync_that_fails_is_told_in_its_operation(&server.server);
}

/// The same errors, where nobody waits for the answer.
fn a_sync_that_fails_is_told_in_its_operation(server: &Server) {
    for (how, part) in [
        ("object", "own"),
        ("body", "status code 422"),
        ("network", "ECONNREFUSED"),
        ("deep", "at the bottom"),
        ("null", "null"),
    ] {
        let metadata = json!({ "provider_config_key": "desk", "connection_id": "alice", "metadata": { "how": how } });
        assert_eq!(server.post("/connections/metadata", &[], &metadata).0, 201);
        let run = json!({ "provider_config_key": "desk", "connection_id": "alice", "syncs": ["failing"] });
        assert_eq!(server.post("/sync/trigger", &[], &run).0, 200);
        let began = Instant::now();
        loop {
            let (_, answer) = server.ask("GET", "/operations?limit=10", &[], "");
            let told = answer["operations"].as_array().unwrap().iter().any(|one| {
                let error = one["error"].as_str().unwrap_or_default();
                one["type"] == "sync" && one["state"] == "failed" && error.contains(part)
            });
            if told {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{how}: {answer}");
            std::thread::yield_now();
        }
    }
}
