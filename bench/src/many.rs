//! A million connections: what a read, a list and a search cost beside the same with a thousand.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    cases::{Settings, row},
    database::Databases,
    http::{Client, request},
    load::{self, Figures},
    seed,
    server::{Place, Tenon},
};

/// Connections stored, unless others are asked for.
const MANY: usize = 1_000_000;

/// What they are compared with.
const FEW: usize = 1_000;

/// Reads before anything is measured.
const WARM: usize = 10_000;

/// `many-connections`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    let many = settings.connections.unwrap_or(MANY);
    let few = FEW.min(many);
    compare("SQLite", settings, (few, None), (many, None)).await?;
    let Some(databases) = Databases::open(settings).await? else {
        return Ok(());
    };
    let (one, other) = (databases.make().await?, databases.make().await?);
    compare(
        "Postgres",
        settings,
        (few, Some(&one)),
        (many, Some(&other)),
    )
    .await?;
    databases.drop(&one).await?;
    databases.drop(&other).await
}

async fn compare(
    database: &str,
    settings: &Settings,
    few: (usize, Option<&str>),
    many: (usize, Option<&str>),
) -> Result<()> {
    let (few, small) = (few.0, served(settings, few).await?);
    let (many, large) = (many.0, served(settings, many).await?);
    let memory = large.memory()?;
    let mut pairs = Vec::new();
    warm(&small, few).await?;
    warm(&large, many).await?;
    let mut alone = Vec::new();
    let mut working_set = Vec::new();
    for _ in 0..settings.rounds {
        let a = reads(settings, &large, many, settings.clients).await?;
        let b = reads(settings, &small, few, settings.clients).await?;
        pairs.push((a, b));
        let a = reads(settings, &large, many, 1).await?;
        let b = reads(settings, &small, few, 1).await?;
        alone.push((a, b));
        working_set.push(reads(settings, &large, few, settings.clients).await?);
    }
    pairs.sort_by(|x, y| {
        (x.0.per_second / x.1.per_second).total_cmp(&(y.0.per_second / y.1.per_second))
    });
    let (a, b) = &pairs[pairs.len() / 2];
    row(&format!("GET /connections/:id of {many}"), a);
    row(&format!("the same of {few}"), b);
    working_set.sort_by(|x, y| x.per_second.total_cmp(&y.per_second));
    row(
        &format!("always the same {few} of {many}"),
        &working_set[working_set.len() / 2],
    );
    alone.sort_by_key(|(a, _)| a.p50);
    let (a1, b1) = &alone[alone.len() / 2];
    println!(
        "  one client: p50 {:.2?} of {many}, {:.2?} of {few}; p99 {:.2?} and {:.2?}",
        a1.p50, b1.p50, a1.p99, b1.p99
    );
    println!(
        "  {database}: ratio {:.2}; memory {:.1} MB at rest, {:.1} MB after the reads",
        a.per_second / b.per_second,
        memory as f64 / 1e6,
        large.memory()? as f64 / 1e6
    );
    for (name, of) in LISTS {
        let at = |count: usize| {
            let of = of.replace("{n}", &(count / 2).to_string());
            of.replace("{p}", &(count / 200).to_string())
        };
        println!(
            "  {name:<34} p50 {:>9.2?} of {many}, {:>9.2?} of {few}",
            listed(settings, &large, &at(many)).await?,
            listed(settings, &small, &at(few)).await?
        );
    }
    Ok(())
}

/// Lists; `{n}` is a connection in the middle, `{p}` the page that it is on.
const LISTS: &[(&str, &str)] = &[
    ("list, 100 newest", "limit=100"),
    ("list, 100 in the middle", "limit=100&page={p}"),
    ("list by connection id", "connectionId=c{n}"),
    ("list by end user", "endUserId=c{n}"),
    ("list by tag", "limit=100&tags%5Bend_user_id%5D=c{n}"),
    ("search that many fit, 100", "limit=100&search=example"),
    ("search that one fits", "limit=100&search=c{n}@example"),
    ("search that none fits", "limit=100&search=nobody-{n}"),
];

/// A server with that many connections.
async fn served(settings: &Settings, (count, database): (usize, Option<&str>)) -> Result<Tenon> {
    let tenon = Place::new(&seed::providers("127.0.0.1:9"), database)?
        .start(&settings.binary)
        .await?;
    seed::integrate(&tenon).await?;
    let place = tenon.stop();
    let started = Instant::now();
    seed::into_place(&place, count).await?;
    println!("  {count} connections stored in {:.1?}", started.elapsed());
    place.start(&settings.binary).await
}

/// Requests for connections in an order that looks like none: each of `count` comes once in as many.
pub(crate) fn anywhere(secret: &str, count: usize) -> impl Fn() -> Vec<u8> + Send + Sync + 'static {
    // A prime: no count that anybody asks for is a multiple of it.
    const STRIDE: usize = 7_368_787;
    // Goes on where the last measurement stopped: what that has read is not read again soon.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let authorization = format!("Bearer {secret}");
    move || {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE) % count;
        let headers = [("authorization", authorization.as_str())];
        let path = format!("/connections/c{number}?provider_config_key=bench");
        request("GET", &path, &headers, b"")
    }
}

async fn reads(
    settings: &Settings,
    tenon: &Tenon,
    count: usize,
    clients: usize,
) -> Result<Figures> {
    let end = Instant::now() + Duration::from_secs(settings.seconds);
    let make = anywhere(&tenon.secret, count);
    let next = move || (Instant::now() < end).then(&make);
    load::each(&tenon.address, 200, clients, next).await
}

async fn warm(tenon: &Tenon, count: usize) -> Result<()> {
    let make = anywhere(&tenon.secret, count);
    let made = AtomicUsize::new(0);
    let next = move || (made.fetch_add(1, Ordering::Relaxed) < WARM).then(&make);
    load::each(&tenon.address, 200, 8, next).await.map(drop)
}

/// Median time of a list with one client.
async fn listed(settings: &Settings, tenon: &Tenon, query: &str) -> Result<Duration> {
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [("authorization", authorization.as_str())];
    let get = request("GET", &format!("/connections?{query}"), &headers, b"");
    let mut client = Client::connect(&tenon.address).await?;
    let mut times = Vec::new();
    for _ in 0..settings.rounds.max(3) {
        let started = Instant::now();
        let answer = client.send(&get).await?;
        times.push(started.elapsed());
        ensure!(answer.status == 200, "`{query}` answers {}", answer.status);
        let body: Value = serde_json::from_slice(&answer.body)?;
        let found = body["connections"].as_array().map_or(0, Vec::len);
        ensure!(
            (found == 0) == query.contains("nobody"),
            "`{query}` finds {found}"
        );
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
