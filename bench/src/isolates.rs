//! What an isolate costs: to get one, to keep one that waits, to bring JSON into it and out of it.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    cases::{Settings, connect, connected, deploy, flow, measure},
    http::{Client, request},
    server::{Tenon, own},
};

/// Runs that wait at the same time; the memory of one is the difference divided by their number.
const WAITING: usize = 200;

/// How long they wait, and when they all have begun to.
const WAIT: Duration = Duration::from_secs(25);
const BEGUN: Duration = Duration::from_secs(15);

/// Items of the large answer, about 2 MB.
const ITEMS: usize = 10_000;

fn waiting(zod: bool) -> String {
    let head = if zod { "require('zod');\n" } else { "" };
    let wait = WAIT.as_millis();
    format!(
        "{head}module.exports.default = {{ type: 'action', exec: () => new Promise((done) => setTimeout(done, {wait})) }};"
    )
}

/// The same, for an answer of the provider.
fn asking() -> String {
    let wait = WAIT.as_millis();
    format!(
        "module.exports.default = {{ type: 'action', exec: async (nango) => (await nango.get({{ endpoint: '/slow?ms={wait}' }})).status }};"
    )
}

/// A bundle of about 1 MB, as large ones with generated clients are.
fn large() -> String {
    let mut text = String::new();
    for number in 0..8_000 {
        let _ = writeln!(
            text,
            "exports.field{number} = (value, options) => {{ if (value === undefined) return options?.fallback ?? null; return {{ name: 'field{number}', value: String(value).trim() }}; }};"
        );
    }
    text + ECHO
}

const READS: &str = "module.exports.default = { type: 'action', exec: async (nango, input) => \
    (await nango.get({ endpoint: '/items', params: { limit: String(input.n) } })).data.items.length };";

const WRITES: &str = "module.exports.default = { type: 'action', exec: async (nango, input) => {\n\
    const list = Array.from({ length: input.n }, (_, n) => ({ id: String(n), title: 'Item ' + n, open: n % 2 === 0, tags: ['a', 'b'], text: 'x'.repeat(100) }));\n\
    await nango.post({ endpoint: '/items', data: list }); return list.length; } };";

const ECHO: &str =
    "module.exports.default = { type: 'action', exec: async (nango, input) => input.n };";

/// The case `isolates`.
pub(crate) async fn run(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let mut cold = Vec::new();
    for _ in 0..settings.rounds.max(5) {
        let tenon = ready(settings, &upstream).await?;
        let started = Instant::now();
        trigger(&tenon, "echo", 1).await?;
        cold.push(started.elapsed());
    }
    cold.sort_unstable();
    println!(
        "  first run of a bundle on a fresh server: {:.2?}",
        cold[cold.len() / 2]
    );
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        let (one, other) = large_bundle(settings, &upstream).await?;
        first.push(one);
        second.push(other);
    }
    first.sort_unstable();
    second.sort_unstable();
    println!(
        "  first run of a bundle of {:.1} MB: {:.2?}; in a fresh worker after it was compiled for all: {:.2?}",
        large().len() as f64 / 1e6,
        first[first.len() / 2],
        second[second.len() / 2]
    );
    let tenon = ready(settings, &upstream).await?;
    let warm = timed(settings, &tenon, "echo", 1).await?;
    println!("  the same from the pool, one client: p50 {warm:.2?}");
    drop(tenon);
    for name in ["wait", "wait-answer", "wait-zod"] {
        let tenon = ready(settings, &upstream).await?;
        idle(&tenon, name).await?;
    }
    let tenon = ready(settings, &upstream).await?;
    for (name, words) in [("reads", "an answer read"), ("writes", "a body written")] {
        let small = timed(settings, &tenon, name, 1).await?;
        let large = timed(settings, &tenon, name, ITEMS).await?;
        let size = body_bytes(name, &upstream).await? as f64 / 1e6;
        println!(
            "  {words}: {:.2?} per MB, its HTTP included ({size:.2} MB at a time)",
            large.saturating_sub(small).div_f64(size)
        );
    }
    Ok(())
}

/// First runs of a large bundle in two environments of one server: the second one's worker gets it compiled.
async fn large_bundle(settings: &Settings, upstream: &str) -> Result<(Duration, Duration)> {
    let mut tenon = connected(settings, upstream).await?;
    let mut took = Vec::new();
    for secret in [tenon.secret.clone(), tenon.other_secret.clone()] {
        if secret != tenon.secret {
            tenon.secret = secret;
            let integration = json!({"provider": "bench", "unique_key": "bench"});
            tenon
                .call("POST", "/integrations", &[], &integration)
                .await?;
        }
        deploy(&tenon, &[flow("large", "action", &large())]).await?;
        connect(&tenon).await?;
        // A spare worker is ready, and what is compiled in the background is done.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        trigger(&tenon, "large", 1).await?;
        took.push(started.elapsed());
    }
    Ok((took[0], took[1]))
}

/// A server with the functions of this case and a connection.
async fn ready(settings: &Settings, upstream: &str) -> Result<Tenon> {
    let tenon = connected(settings, upstream).await?;
    let flows = [
        flow("echo", "action", ECHO),
        flow("reads", "action", READS),
        flow("writes", "action", WRITES),
        flow("wait", "action", &waiting(false)),
        flow("wait-zod", "action", &waiting(true)),
        flow("wait-answer", "action", &asking()),
    ];
    deploy(&tenon, &flows).await?;
    connect(&tenon).await?;
    Ok(tenon)
}

fn post(tenon: &Tenon, action: &str, number: usize) -> Vec<u8> {
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
        ("content-type", "application/json"),
    ];
    let body = json!({"action_name": action, "input": {"n": number}}).to_string();
    request("POST", "/action/trigger", &headers, body.as_bytes())
}

async fn trigger(tenon: &Tenon, action: &str, number: usize) -> Result<()> {
    let mut client = Client::connect(&tenon.address).await?;
    let answer = client.send(&post(tenon, action, number)).await?;
    ensure!(answer.status == 200, "`{action}` answers {}", answer.status);
    Ok(())
}

async fn timed(
    settings: &Settings,
    tenon: &Tenon,
    action: &str,
    number: usize,
) -> Result<Duration> {
    let post = post(tenon, action, number);
    Ok(measure(settings, &tenon.address, &post, 200, 1).await?.p50)
}

/// Memory of runs that wait.
async fn idle(tenon: &Tenon, name: &str) -> Result<()> {
    trigger(tenon, "echo", 1).await?;
    let before = tenon.memory()?;
    let post = post(tenon, name, 1);
    let waits = (0..WAITING).map(|_| {
        let (address, post) = (tenon.address.clone(), post.clone());
        tokio::spawn(async move {
            let mut client = Client::connect(&address).await?;
            client.send(&post).await
        })
    });
    let waits: Vec<_> = waits.collect();
    tokio::time::sleep(BEGUN).await;
    let each = tenon.memory()?.saturating_sub(before) as f64 / WAITING as f64;
    for wait in waits {
        let answer = wait.await??;
        ensure!(answer.status == 200, "`{name}` answers {}", answer.status);
    }
    println!(
        "  {name}: {:.2} MB each while they wait, {:.0} per GiB",
        each / 1e6,
        (1_u64 << 30) as f64 / each
    );
    Ok(())
}

/// Bytes of the large body of an action.
async fn body_bytes(name: &str, upstream: &str) -> Result<usize> {
    if name == "writes" {
        let one = json!({"id": "5000", "title": "Item 5000", "open": true, "tags": ["a", "b"], "text": "x".repeat(100)});
        return Ok((one.to_string().len() + 1) * ITEMS);
    }
    let mut client = Client::connect(upstream).await?;
    let get = request("GET", &format!("/items?limit={ITEMS}"), &[], b"");
    Ok(client.send(&get).await?.body.len())
}
