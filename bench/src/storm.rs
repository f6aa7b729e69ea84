//! A fleet whose tokens end in the same minute: refreshed once each, while reads go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;
use tenon_core::{
    Clock as _, limits,
    names::{ConnectionId, IntegrationKey},
};
use tenon_engine::{
    auth::{
        Refresher,
        refresh::{Refresh, fresh},
    },
    integrations::{self, IntegrationCredentials, NewIntegration},
    time::SystemClock,
};

use crate::{
    cases::{Settings, row},
    database::Databases,
    http::request,
    load::{self, Figures},
    node::Node,
    seed::{self, Fleet, INTEGRATION, Owner, PROVIDER},
    server::{Place, Tenon, own},
    tokens,
};

/// Connections, unless others are asked for.
const CONNECTIONS: usize = 10_000;

/// Connections whose tokens stay good, to see what the others do to them.
const OTHERS: usize = 1_000;

/// Longest storm.
const PATIENCE: Duration = Duration::from_secs(300);

/// Reads at a time beside what is refreshed in the background.
const READERS: usize = 8;

const MINUTE: Duration = Duration::from_secs(60);

/// `refresh-storm`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    let count = settings.connections.unwrap_or(CONNECTIONS);
    println!(
        "  {count} connections whose tokens end within one minute, each counted at its provider"
    );
    one_database("SQLite", settings, count, None).await?;
    let Some(databases) = Databases::open(settings).await? else {
        return Ok(());
    };
    one_database("Postgres", settings, count, Some(&databases)).await
}

async fn one_database(
    database: &str,
    settings: &Settings,
    count: usize,
    databases: Option<&Databases>,
) -> Result<()> {
    for when in [When::Soon, When::Over] {
        let mut rounds = Vec::new();
        for _ in 0..settings.rounds {
            let made = made(databases).await?;
            rounds.push(on_demand(settings, count, made.as_deref(), when).await?);
            dropped(databases, made).await?;
        }
        print(database, when.words(), rounds);
    }
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let made = made(databases).await?;
        rounds.push(in_background(settings, count, made.as_deref()).await?);
        dropped(databases, made).await?;
    }
    print(database, "in the background, nobody reads them", rounds);
    Ok(())
}

async fn made(databases: Option<&Databases>) -> Result<Option<String>> {
    match databases {
        Some(databases) => databases.make().await.map(Some),
        None => Ok(None),
    }
}

async fn dropped(databases: Option<&Databases>, made: Option<String>) -> Result<()> {
    match (databases, made) {
        (Some(databases), Some(made)) => databases.drop(&made).await,
        _ => Ok(()),
    }
}

/// When the tokens of the fleet end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// In a minute or two: they are due, and still good.
    Soon,
    /// In the last minute: who reads has to wait.
    Over,
}

impl When {
    const fn words(self) -> &'static str {
        match self {
            Self::Soon => "on demand, tokens still good",
            Self::Over => "on demand, tokens over",
        }
    }

    /// The instant for one connection: all within a minute.
    fn of(self, number: usize, count: usize) -> tenon_core::Timestamp {
        let now = SystemClock::new().now();
        let place = MINUTE.mul_f64(number as f64 / count as f64);
        match self {
            Self::Soon => now.plus(MINUTE * 2 + place),
            Self::Over => now.minus(MINUTE).plus(place.mul_f64(0.9)),
        }
    }
}

/// What a round has shown.
struct Storm {
    /// Refreshes per second.
    rate: f64,
    /// Token requests per second without us.
    bound: f64,
    /// Most refreshes that one connection got.
    most: u64,
    before: Figures,
    /// Reads of the connections that are refreshed; none where nobody reads those.
    meanwhile: Option<Figures>,
    /// Reads of other connections of the same integration.
    others: Figures,
}

fn print(database: &str, what: &str, mut rounds: Vec<Storm>) {
    rounds.sort_by(|a, b| (a.rate / a.bound).total_cmp(&(b.rate / b.bound)));
    let storm = rounds.swap_remove(rounds.len() / 2);
    println!(
        "  {database}, {what}: {:.0} refreshes/s, {} for each; token endpoint alone {:.0} /s; ratio {:.3}",
        storm.rate,
        storm.most,
        storm.bound,
        storm.rate / storm.bound
    );
    let Some(meanwhile) = &storm.meanwhile else {
        // Nobody is there to send requests: the engine is asked in its own process.
        row("the engine's own reads before", &storm.before);
        row("its own reads of others meanwhile", &storm.others);
        return;
    };
    row("reads before", &storm.before);
    row("reads of these meanwhile", meanwhile);
    row("reads of others meanwhile", &storm.others);
}

/// Requests to the token endpoint, as many at a time as the product has.
async fn bound(settings: &Settings, upstream: &str) -> Result<f64> {
    let body = "grant_type=refresh_token&refresh_token=bare&client_id=bench&client_secret=bench";
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let post = request("POST", tokens::PATH, &headers, body.as_bytes());
    let clients = limits::TOKEN_REQUESTS;
    let figures = load::run(upstream, &post, 200, clients, settings.seconds).await?;
    Ok(figures.per_second)
}

/// Reads refresh what they find due.
async fn on_demand(
    settings: &Settings,
    count: usize,
    database: Option<&str>,
    when: When,
) -> Result<Storm> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let bound = bound(settings, &upstream).await?;
    let place = Place::new(&seed::providers(&upstream), database)?;
    let tenon = place.start(&settings.binary).await?;
    seed::integrate(&tenon).await?;
    let later = SystemClock::new().now().plus(MINUTE * 120);
    import(settings, &tenon, ("b", "b"), OTHERS, move |_| later).await?;
    import(settings, &tenon, ("c", "before-"), count, move |_| later).await?;
    let half = (settings.clients / 2).max(1);
    let end = Instant::now() + Duration::from_secs(settings.seconds);
    let before = Reads::new(&tenon, "c", count).until(half, move || Instant::now() >= end);
    let beside = Reads::new(&tenon, "b", OTHERS).until(half, move || Instant::now() >= end);
    let (before, _) = tokio::try_join!(before, beside)?;

    import(settings, &tenon, ("c", "c"), count, move |number| {
        when.of(number, count)
    })
    .await?;
    let over = Arc::new(AtomicBool::new(false));
    let is_over = || {
        let over = Arc::clone(&over);
        move || over.load(Ordering::Relaxed)
    };
    let meanwhile = Reads::new(&tenon, "c", count).until(half, is_over());
    let others = Reads::new(&tenon, "b", OTHERS).until(half, is_over());
    let watch = async {
        let took = all_refreshed(&upstream, count).await;
        over.store(true, Ordering::Relaxed);
        took
    };
    let (meanwhile, others, took) = tokio::try_join!(meanwhile, others, watch)?;
    // Once more through all: nothing is refreshed twice.
    let passed = AtomicUsize::new(0);
    let is_through = move || passed.fetch_add(1, Ordering::Relaxed) >= count;
    Reads::new(&tenon, "c", count)
        .until(half, is_through)
        .await?;
    Ok(Storm {
        rate: count as f64 / took.as_secs_f64(),
        bound,
        most: each_once(&upstream, count).await?,
        before,
        meanwhile: Some(meanwhile),
        others,
    })
}

/// Waits until the provider has renewed every grant; how long that took.
async fn all_refreshed(upstream: &str, count: usize) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let seen = tokens::seen(upstream).await?;
        if seen.grants >= count as u64 {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{seen:?} of {count} are refreshed"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An error unless every connection was refreshed exactly once.
async fn each_once(upstream: &str, count: usize) -> Result<u64> {
    let seen = tokens::seen(upstream).await?;
    let wanted = tokens::Seen {
        grants: count as u64,
        most: 1,
        spent: 0,
    };
    ensure!(seen == wanted, "{seen:?} instead of {wanted:?}");
    Ok(seen.most)
}

/// Stores connections `<prefix>0`, ... as an app does that has their tokens already.
async fn import(
    settings: &Settings,
    tenon: &Tenon,
    (prefix, grants): (&str, &str),
    count: usize,
    ends: impl Fn(usize) -> tenon_core::Timestamp + Send + Sync + 'static,
) -> Result<()> {
    let authorization = format!("Bearer {}", tenon.secret);
    let (prefix, grants) = (prefix.to_owned(), grants.to_owned());
    let made = AtomicUsize::new(0);
    let next = move || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let body = (number < count).then(|| {
            json!({
                "provider_config_key": INTEGRATION,
                "connection_id": format!("{prefix}{number}"),
                "credentials": {
                    "type": "OAUTH2",
                    "access_token": format!("{grants}{number}-access"),
                    "refresh_token": format!("{grants}{number}.0"),
                    "expires_at": ends(number).iso_millis(),
                },
            })
        })?;
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.to_string();
        Some(request("POST", "/connections", &headers, body.as_bytes()))
    };
    load::each(&tenon.address, 201, settings.clients, next)
        .await
        .map(drop)
}

/// Reads of connections over HTTP, one after the other and again from the first.
struct Reads {
    address: String,
    authorization: String,
    prefix: &'static str,
    count: usize,
}

impl Reads {
    fn new(tenon: &Tenon, prefix: &'static str, count: usize) -> Self {
        Self {
            address: tenon.address.clone(),
            authorization: format!("Bearer {}", tenon.secret),
            prefix,
            count,
        }
    }

    async fn until(
        self,
        clients: usize,
        is_over: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Figures> {
        let address = self.address.clone();
        let read = AtomicUsize::new(0);
        let next = move || {
            let number = read.fetch_add(1, Ordering::Relaxed) % self.count;
            let (prefix, authorization) = (self.prefix, self.authorization.as_str());
            let path = format!("/connections/{prefix}{number}?provider_config_key={INTEGRATION}");
            (!is_over()).then(|| request("GET", &path, &[("authorization", authorization)], b""))
        };
        load::each(&address, 200, clients, next).await
    }
}

/// What nobody reads is found by the loop that keeps connections alive.
async fn in_background(settings: &Settings, count: usize, database: Option<&str>) -> Result<Storm> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let bound = bound(settings, &upstream).await?;
    let node = Arc::new(Node::with_providers(database, &seed::providers(&upstream)).await?);
    let new = NewIntegration {
        provider: PROVIDER.to_owned(),
        unique_key: INTEGRATION.to_owned(),
        display_name: None,
        forward_webhooks: false,
        credentials: Some(IntegrationCredentials::Client {
            mode: tenon_core::auth::AuthMode::OAuth2,
            client_id: "bench".to_owned(),
            client_secret: tenon_core::Secret::new("bench".to_owned()),
            scopes: None,
            webhook_secret: None,
        }),
        config: None,
        custom: None,
    };
    let integration = integrations::create(&node.engine, node.environment, new).await?;
    let owner = Owner {
        environment: node.environment,
        integration: integration.pk,
        provider: integration.provider,
    };
    let (now, day) = (node.engine.clock.now(), MINUTE * 60 * 24);
    let fleet = |prefix, count, expires_at, at| Fleet {
        prefix,
        count,
        expires_at,
        at,
    };
    let fleets = [
        fleet("c", count, now.plus(MINUTE * 2), now.minus(day * 2)),
        fleet("b", OTHERS, now.plus(day), now),
    ];
    for fleet in &fleets {
        seed::store_fleet(&node.engine.store, &node.engine.ids, &owner, fleet).await?;
    }
    let end = Instant::now() + Duration::from_secs(settings.seconds);
    let before = read_others(&node, move || Instant::now() >= end).await?;
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let others = read_others(&node, move || is_over.load(Ordering::Relaxed));
    let sweep = async {
        let engine = node.engine.clone();
        let started = Instant::now();
        let touched = tokio::spawn(async move { Refresher { engine }.touch_idle().await }).await;
        over.store(true, Ordering::Relaxed);
        ensure!(touched?? == count, "not all were idle");
        Ok(started.elapsed())
    };
    let (others, took) = tokio::try_join!(others, sweep)?;
    let most = each_once(&upstream, count).await?;
    if let Ok(node) = Arc::try_unwrap(node) {
        node.stop().await?;
    }
    Ok(Storm {
        rate: count as f64 / took.as_secs_f64(),
        bound,
        most,
        before,
        meanwhile: None,
        others,
    })
}

/// Reads the connections whose tokens stay good, as every door does, without HTTP.
async fn read_others(
    node: &Arc<Node>,
    is_over: impl Fn() -> bool + Clone + Send + Sync + 'static,
) -> Result<Figures> {
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for reader in 0..READERS {
        let (node, is_over) = (Arc::clone(node), is_over.clone());
        tasks.spawn(async move {
            let integration = IntegrationKey::parse(INTEGRATION)?;
            let mut times = Vec::new();
            for number in (reader..).step_by(READERS) {
                if is_over() {
                    break;
                }
                let id = ConnectionId::parse(&format!("b{}", number % OTHERS))?;
                let asked = Instant::now();
                let (engine, environment) = (&node.engine, node.environment);
                fresh(engine, environment, &integration, &id, Refresh::IfNeeded).await?;
                times.push(asked.elapsed());
                tokio::task::yield_now().await;
            }
            Ok::<_, anyhow::Error>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(read) = tasks.join_next().await {
        times.extend(read??);
    }
    Ok(load::summary(times, started.elapsed()))
}
