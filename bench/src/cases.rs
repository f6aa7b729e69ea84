//! The cases: each starts what it needs, measures, prints its rows.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    http::request,
    import, isolates,
    load::{self, Figures},
    many, mapping, outbox, records, runs,
    server::{Tenon, own},
    storm,
};

/// What all cases share.
pub(crate) struct Settings {
    pub(crate) binary: PathBuf,
    pub(crate) seconds: u64,
    pub(crate) clients: usize,
    pub(crate) rounds: usize,
    /// A Postgres server for the cases that use one; else one of our own.
    pub(crate) database_url: Option<String>,
    pub(crate) with_postgres: bool,
    /// Connections of the cases with many of them, if not as many as they are about.
    pub(crate) connections: Option<usize>,
}

const CASES: &[&str] = &[
    "start",
    "connection",
    "import",
    "proxy",
    "stream",
    "action",
    "isolates",
    "runs",
    "mapping",
    "sync",
    "records",
    "outbox",
    "refresh-storm",
    "many-connections",
];

/// Runs the named cases, or all.
pub(crate) async fn run(settings: &Settings, chosen: &[String]) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !CASES.contains(&name.as_str())) {
        bail!("`{unknown}` is not a case; there are {}", CASES.join(", "));
    }
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!(
        "{cores} cores, {} clients, {} s a round, median of {} rounds",
        settings.clients, settings.seconds, settings.rounds
    );
    for case in CASES
        .iter()
        .filter(|case| chosen.is_empty() || chosen.iter().any(|name| name == *case))
    {
        println!("\n{case}");
        match *case {
            "start" => start(settings).await?,
            "connection" => connection(settings).await?,
            "proxy" => proxy(settings).await?,
            "stream" => stream(settings).await?,
            "action" => action(settings).await?,
            "isolates" => isolates::run(settings).await?,
            "import" => import::measure(settings).await?,
            "runs" => runs::measure(settings).await?,
            "mapping" => mapping::measure(settings).await?,
            "records" => on_threads(|| records::measure(settings))?,
            "refresh-storm" => on_threads(|| storm::measure(settings))?,
            "many-connections" => many::measure(settings).await?,
            "outbox" => on_threads(|| outbox::measure(settings))?,
            _ => sync(settings).await?,
        }
    }
    Ok(())
}

/// The product has a runtime of several threads: so has what runs it in this process.
fn on_threads<F: Future<Output = Result<()>>>(work: impl FnOnce() -> F + Send) -> Result<()> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn providers(upstream: &str) -> String {
    format!(
        "bench:\n    display_name: Bench\n    categories: [other]\n    auth_mode: API_KEY\n    \
         proxy: {{ base_url: \"http://{upstream}\", headers: {{ x-key: \"${{apiKey}}\" }} }}\n    \
         credentials: {{ apiKey: {{ type: string, title: Key, description: Any }} }}\n    docs: https://example.test/\n"
    )
}

/// A Tenon with one integration and one connection.
pub(crate) async fn connected(settings: &Settings, upstream: &str) -> Result<Tenon> {
    let tenon = Tenon::start(&settings.binary, &providers(upstream)).await?;
    tenon
        .call(
            "POST",
            "/integrations",
            &[],
            &json!({"provider": "bench", "unique_key": "bench"}),
        )
        .await?;
    Ok(tenon)
}

pub(crate) async fn connect(tenon: &Tenon) -> Result<()> {
    let body = json!({
        "provider_config_key": "bench", "connection_id": "c", "credentials": {"type": "API_KEY", "apiKey": "k"},
    });
    tenon
        .call("POST", "/connections", &[], &body)
        .await
        .map(|_| ())
}

pub(crate) fn row(name: &str, figures: &Figures) {
    println!(
        "  {name:<34} {:>10.0} /s   p50 {:>9.2?}   p99 {:>9.2?}",
        figures.per_second, figures.p50, figures.p99
    );
}

pub(crate) async fn measure(
    settings: &Settings,
    address: &str,
    request: &[u8],
    status: u16,
    clients: usize,
) -> Result<Figures> {
    load::run(address, request, status, clients, 1).await?;
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        rounds.push(load::run(address, request, status, clients, settings.seconds).await?);
    }
    Ok(load::median(rounds))
}

async fn start(settings: &Settings) -> Result<()> {
    let mut ready = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..settings.rounds.max(5) {
        let tenon = Tenon::start(&settings.binary, "").await?;
        ready.push(tenon.ready);
        tokio::time::sleep(Duration::from_secs(2)).await;
        memory.push(tenon.memory()?);
    }
    ready.sort_unstable();
    memory.sort_unstable();
    println!(
        "  first answer after {:.1?} (first start, new data directory)",
        ready[ready.len() / 2]
    );
    println!(
        "  idle memory with workers {:.1} MB (PSS)",
        memory[memory.len() / 2] as f64 / 1e6
    );
    Ok(())
}

async fn connection(settings: &Settings) -> Result<()> {
    let (_upstream, address) = own(&["--upstream"])?;
    let tenon = connected(settings, &address).await?;
    connect(&tenon).await?;
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [("authorization", authorization.as_str())];
    let get = request(
        "GET",
        "/connections/c?provider_config_key=bench",
        &headers,
        b"",
    );
    row(
        "GET /connections/:id",
        &measure(settings, &tenon.address, &get, 200, settings.clients).await?,
    );
    let health = request("GET", "/health", &[], b"");
    row(
        "GET /health (bound)",
        &measure(settings, &tenon.address, &health, 200, settings.clients).await?,
    );
    Ok(())
}

async fn proxy(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let (_neighbour, neighbour) = own(&["--neighbour", &upstream])?;
    let tenon = connected(settings, &upstream).await?;
    connect(&tenon).await?;
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
    ];
    for (size, name) in [(1024, "1 KB"), (100 * 1024, "100 KB")] {
        let ours = request("GET", &format!("/proxy/bytes?size={size}"), &headers, b"");
        let bare = request("GET", &format!("/bytes?size={size}"), &[], b"");
        let mut pairs = Vec::new();
        for _ in 0..settings.rounds {
            let b = load::run(&neighbour, &bare, 200, settings.clients, settings.seconds).await?;
            let a = load::run(
                &tenon.address,
                &ours,
                200,
                settings.clients,
                settings.seconds,
            )
            .await?;
            pairs.push((a, b));
        }
        pairs.sort_by(|x, y| {
            (x.0.per_second / x.1.per_second).total_cmp(&(y.0.per_second / y.1.per_second))
        });
        let (a, b) = &pairs[pairs.len() / 2];
        row(&format!("proxy {name}"), a);
        row(&format!("bare reverse proxy {name}"), b);
        println!("  ratio {:.2}", a.per_second / b.per_second);
        let a = measure(settings, &tenon.address, &ours, 200, 1).await?;
        let b = measure(settings, &neighbour, &bare, 200, 1).await?;
        println!(
            "  one client, {name}: added p50 {:.2?}, p99 {:.2?}",
            a.p50.saturating_sub(b.p50),
            a.p99.saturating_sub(b.p99)
        );
    }
    Ok(())
}

async fn stream(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let tenon = connected(settings, &upstream).await?;
    connect(&tenon).await?;
    let idle = tenon.memory()?;
    let (address, secret) = (tenon.address.clone(), tenon.secret.clone());
    let download = tokio::spawn(async move { drain(&address, &secret).await });
    let mut highest = idle;
    while !download.is_finished() {
        highest = highest.max(tenon.memory()?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (bytes, took) = download.await??;
    println!(
        "  {:.2} GB in {took:.1?}; memory {:.1} MB above idle at most",
        bytes as f64 / 1e9,
        highest.saturating_sub(idle) as f64 / 1e6
    );
    Ok(())
}

/// Downloads one large answer without keeping it.
async fn drain(address: &str, secret: &str) -> Result<(u64, Duration)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let authorization = format!("Bearer {secret}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
        ("connection", "close"),
    ];
    let started = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream
        .write_all(&request(
            "GET",
            "/proxy/stream?size=1073741824",
            &headers,
            b"",
        ))
        .await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        total += count as u64;
    }
    ensure!(total >= 1 << 30, "only {total} bytes arrived");
    Ok((total, started.elapsed()))
}

pub(crate) const ECHO: &str = "module.exports.default = { type: 'action', exec: async (nango, input) => ({ got: input.n }) };";

const ECHO_ZOD: &str = "const z = require('zod');\nconst Input = z.object({ n: z.number() });\n\
    module.exports.default = { type: 'action', exec: async (nango, input) => ({ got: Input.parse(input).n }) };";

const ITEMS: &str = "module.exports.default = { type: 'sync', exec: async (nango) => {\n\
    const pages = nango.paginate({ endpoint: '/items', paginate: { type: 'offset', offset_name_in_request: 'offset',\n\
    limit_name_in_request: 'limit', limit: 100, response_path: 'items' } });\n\
    for await (const page of pages) await nango.batchSave(page.map((item) => ({ ...item, title: item.title.toUpperCase() })), 'Item');\n\
    } };";

pub(crate) fn flow(name: &str, kind: &str, code: &str) -> Value {
    let sync = kind == "sync";
    json!({
        "syncName": name, "providerConfigKey": "bench", "type": kind, "version": "",
        "models": if sync { json!(["Item"]) } else { json!([]) },
        "runs": if sync { json!("every day") } else { Value::Null },
        "track_deletes": false, "auto_start": sync, "attributes": {},
        "metadata": {"description": "bench", "scopes": []}, "sync_type": if sync { json!("full") } else { Value::Null },
        "endpoints": [], "fileBody": {"js": code, "ts": code},
        "models_json_schema": {"definitions": {"Item": {"type": "object", "properties": {"id": {"type": "string"}}}}},
        "features": [], "webhookSubscriptions": [],
    })
}

pub(crate) async fn deploy(tenon: &Tenon, flows: &[Value]) -> Result<()> {
    let flows: Vec<Value> = flows
        .iter()
        .map(|flow| {
            let mut flow = flow.clone();
            if flow["type"] == "action" {
                for key in [
                    "attributes",
                    "sync_type",
                    "auto_start",
                    "webhookSubscriptions",
                ] {
                    flow.as_object_mut().expect("an object").remove(key);
                }
            }
            flow
        })
        .collect();
    let body = json!({
        "flowConfigs": flows, "onEventScriptsByProvider": [], "deployMode": "all", "reconcile": true, "debug": false,
        "nangoYamlBody": "", "source": "repo", "sdkVersion": "0.71.10-zero",
    });
    tenon
        .call("POST", "/sync/deploy", &[], &body)
        .await
        .map(|_| ())
}

async fn action(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let tenon = connected(settings, &upstream).await?;
    deploy(
        &tenon,
        &[
            flow("echo", "action", ECHO),
            flow("echo-zod", "action", ECHO_ZOD),
        ],
    )
    .await?;
    connect(&tenon).await?;
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
        ("content-type", "application/json"),
    ];
    for name in ["echo", "echo-zod"] {
        let body = json!({"action_name": name, "input": {"n": 1}}).to_string();
        let post = request("POST", "/action/trigger", &headers, body.as_bytes());
        row(
            &format!("{name}, one client"),
            &measure(settings, &tenon.address, &post, 200, 1).await?,
        );
        let many = measure(settings, &tenon.address, &post, 200, settings.clients).await?;
        row(&format!("{name}, {} clients", settings.clients), &many);
        let before = tenon.processor_time()?;
        let all = load::run(
            &tenon.address,
            &post,
            200,
            settings.clients,
            settings.seconds,
        )
        .await?;
        let used = tenon.processor_time()?.saturating_sub(before);
        println!(
            "  {name}: {} µs of processor time each, server and workers",
            used.div_f64(all.count as f64).as_micros()
        );
    }
    Ok(())
}

async fn sync(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let mut took = Vec::new();
    for _ in 0..settings.rounds {
        let receiver = Receiver::start().await?;
        let tenon = connected(settings, &upstream).await?;
        let hooks =
            json!({"webhook_settings": {"primary_url": receiver.url, "on_auth_creation": false}});
        tenon.call("PATCH", "/environment", &[], &hooks).await?;
        deploy(&tenon, &[flow("items", "sync", ITEMS)]).await?;
        let started = Instant::now();
        connect(&tenon).await?;
        let body = receiver.first().await?;
        took.push(started.elapsed());
        ensure!(body["responseResults"]["added"] == 10_000, "{body}");
    }
    took.sort_unstable();
    println!(
        "  10,000 records, 100 a page, connection to webhook: {:.2?}",
        took[took.len() / 2]
    );

    let tenon = connected(settings, &upstream).await?;
    deploy(&tenon, &[flow("items", "sync", ITEMS)]).await?;
    connect(&tenon).await?;
    let headers = [("connection-id", "c"), ("provider-config-key", "bench")];
    let path = "/sync/status?syncs=items&provider_config_key=bench&connection_id=c";
    while tenon.call("GET", path, &headers, &Value::Null).await?["syncs"][0]["status"] != "SUCCESS"
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
    ];
    let get = request("GET", "/records?model=Item&limit=1000", &headers, b"");
    let figures = measure(settings, &tenon.address, &get, 200, 4).await?;
    println!(
        "  GET /records, pages of 1,000: {:.0} records/s ({} pages)",
        figures.per_second * 1000.0,
        figures.count
    );
    Ok(())
}

/// Waits for one webhook.
pub(crate) struct Receiver {
    listener: tokio::net::TcpListener,
    pub(crate) url: String,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    pub(crate) async fn first(&self) -> Result<Value> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let accepting = tokio::time::timeout(Duration::from_secs(60), self.listener.accept());
        let (mut stream, _) = accepting.await??;
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 8192];
            let count = stream.read(&mut buffer).await?;
            ensure!(count > 0, "the webhook ended early");
            text.extend_from_slice(&buffer[..count]);
            let Some(at) = text.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            if let Ok(body) = serde_json::from_slice(&text[at + 4..]) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await?;
                return Ok(body);
            }
        }
    }
}
