//! What a function does all day: turns 10,000 objects of an API into records and saves them, beside the same code in Node.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    cases::{Receiver, Settings, connect, connected, deploy, flow},
    http::{Client, request},
    server::{Tenon, own},
};

/// Records of one measurement.
const RECORDS: usize = 10_000;

/// What both engines run: made-up issues, and the mapping of one to a record of about 1 KB.
const SHARED: &str = "\
function raw(n) { return { id: 4000000 + n, number: n, title: '  Issue number ' + n + ' does not work ', state: n % 3 ? 'open' : 'closed',\n\
  user: { login: 'user' + n % 97, id: n % 97, site_admin: false }, assignees: [{ login: 'a' + n % 7 }, { login: 'b' + n % 11 }],\n\
  labels: [{ name: 'bug', color: 'f00' }, { name: 'p' + n % 4, color: '0f0' }], milestone: n % 5 ? null : { title: 'v' + n % 9, due_on: '2026-01-01T00:00:00Z' },\n\
  comments: n % 13, created_at: '2025-03-0' + (1 + n % 9) + 'T10:20:30Z', updated_at: '2025-04-0' + (1 + n % 9) + 'T11:21:31Z',\n\
  body: 'Some *text* with a [link](https://a.example/' + n + ')\\r\\n'.repeat(10), reactions: { total_count: n % 3, '+1': n % 2 } }; }\n\
function mapped(issue) { return { id: String(issue.id), title: issue.title.trim(), open: issue.state === 'open', author: issue.user.login,\n\
  assignees: issue.assignees.map((one) => one.login), labels: issue.labels.filter((one) => one.name !== 'wontfix').map((one) => one.name.toUpperCase()),\n\
  milestone: issue.milestone?.title ?? null, comments: issue.comments, age: Date.parse(issue.updated_at) - Date.parse(issue.created_at),\n\
  created: new Date(issue.created_at).toISOString(), text: issue.body.replace(/\\r\\n/g, '\\n').replace(/\\[([^\\]]*)\\]\\([^)]*\\)/g, '$1').slice(0, 500),\n\
  search: (issue.title + ' ' + issue.user.login).toLowerCase().split(/\\s+/).filter(Boolean).join(' '), ...(issue.reactions.total_count ? { liked: true } : {}) }; }\n\
function all(n) { const list = []; for (let i = 0; i < n; i++) list.push(raw(i)); return list; }\n\
async function save(nango, list) { for (let at = 0; at < list.length; at += 1000) await nango.batchSave(list.slice(at, at + 1000).map(mapped), 'Item'); }\n";

/// What Node does with it: `batchSave` only writes JSON.
const NODE: &str = "\
const list = all(RECORDS); let bytes = 0;\n\
const nango = { batchSave: async (batch) => { for (const one of batch) bytes += JSON.stringify(one).length; return true; } };\n\
const begun = performance.now(); const out = list.map(mapped); const mappedAt = performance.now();\n\
save(nango, list).then(() => console.log(JSON.stringify({ map: mappedAt - begun, save: performance.now() - mappedAt, count: out.length, bytes })));";

fn action() -> String {
    format!(
        "{SHARED}module.exports.default = {{ type: 'action', exec: async (nango, input) => {{\n\
         const list = all(input.n); const begun = Date.now(); const out = list.map(mapped); return {{ map: Date.now() - begun, count: out.length }}; }} }};"
    )
}

fn sync() -> String {
    format!(
        "{SHARED}module.exports.default = {{ type: 'sync', exec: async (nango) => save(nango, all({RECORDS})) }};"
    )
}

/// The schema of the records, as a deployment of a real sync has it.
fn schema() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    json!({"definitions": {"Item": {
        "type": "object", "additionalProperties": false,
        "properties": {
            "id": {"type": "string"}, "title": text, "open": {"type": "boolean"}, "author": text, "assignees": texts,
            "labels": texts, "milestone": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "comments": {"type": "integer", "minimum": 0}, "age": {"type": "number"},
            "created": {"type": "string", "format": "date-time"}, "text": {"type": "string", "maxLength": 500},
            "search": text, "liked": {"type": "boolean"},
        },
        "required": ["id", "title", "open", "author", "assignees", "labels", "milestone", "comments", "age", "created", "text", "search"],
    }}})
}

/// `mapping`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let mut map = Vec::new();
    for _ in 0..settings.rounds {
        let tenon = connected(settings, &upstream).await?;
        deploy(&tenon, &[flow("map", "action", &action())]).await?;
        connect(&tenon).await?;
        map.push(computed(&tenon).await?);
    }
    println!(
        "  {RECORDS} objects mapped to records in a function: {} ms",
        median(map).as_millis()
    );
    match in_node(settings.rounds)? {
        Some((map, save)) => println!(
            "  the same code in node: {} ms; mapped again and written as JSON: {} ms",
            map.as_millis(),
            save.as_millis()
        ),
        None => println!("  the same code in node: there is no `node` here, not measured"),
    }
    for mode in ["warn", "off"] {
        let mut took = Vec::new();
        for _ in 0..settings.rounds {
            took.push(saved(settings, &upstream, mode).await?);
        }
        let took = median(took);
        println!(
            "  mapped, saved and told, record validation `{mode}`: {} ms, {:.0} records/s",
            took.as_millis(),
            RECORDS as f64 / took.as_secs_f64()
        );
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long the mapping takes, as the function itself measures it.
async fn computed(tenon: &Tenon) -> Result<Duration> {
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
        ("content-type", "application/json"),
    ];
    let body = json!({"action_name": "map", "input": {"n": RECORDS}}).to_string();
    let post = request("POST", "/action/trigger", &headers, body.as_bytes());
    let answer = Client::connect(&tenon.address).await?.send(&post).await?;
    let told: Value = serde_json::from_slice(&answer.body)?;
    ensure!(told["count"] == RECORDS, "{told}");
    millis(&told["map"])
}

fn millis(value: &Value) -> Result<Duration> {
    let millis = value.as_f64().context("a number of milliseconds")?;
    Ok(Duration::from_secs_f64(millis / 1e3))
}

/// The mapping alone, and the mapping with a `batchSave` that writes JSON; nothing where there is no Node.
fn in_node(rounds: usize) -> Result<Option<(Duration, Duration)>> {
    let script = format!("const RECORDS = {RECORDS};\n{SHARED}{NODE}");
    let (mut map, mut save) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ran = match Command::new("node").args(["-e", &script]).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            ran => ran?,
        };
        if !ran.status.success() {
            bail!("node: {}", String::from_utf8_lossy(&ran.stderr));
        }
        let told: Value = serde_json::from_slice(&ran.stdout)?;
        map.push(millis(&told["map"])?);
        save.push(millis(&told["save"])?);
    }
    Ok(Some((median(map), median(save))))
}

/// From the connection, which starts the sync, to the webhook that says how many records were added.
async fn saved(settings: &Settings, upstream: &str, validation: &str) -> Result<Duration> {
    let receiver = Receiver::start().await?;
    let tenon = connected(settings, upstream).await?;
    let wanted = json!({
        "webhook_settings": {"primary_url": receiver.url, "on_auth_creation": false},
        "function_settings": {"record_validation": validation},
    });
    tenon.call("PATCH", "/environment", &[], &wanted).await?;
    let mut sync = flow("items", "sync", &sync());
    sync["models_json_schema"] = schema();
    deploy(&tenon, &[sync]).await?;
    let started = Instant::now();
    connect(&tenon).await?;
    let body = receiver.first().await?;
    let took = started.elapsed();
    ensure!(body["responseResults"]["added"] == RECORDS, "{body}");
    Ok(took)
}
