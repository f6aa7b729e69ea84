//! The webhook outbox: from rows that wait to rows that say "delivered", beside bare requests of the same size.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tenon_core::{function::Cancel, names::ConnectionPk};
use tenon_engine::{
    delivery::{self, DeliveryKind, Dispatcher, Outgoing},
    environments::{self, WebhookSettingsPatch},
};
use tenon_store::StoreError;

use crate::{
    cases::Settings, database::Databases, http::request, load, node::Node, server::own, sink,
};

/// Deliveries of one measurement.
const DELIVERIES: u64 = 20_000;

/// Connections they belong to: the deliveries of one go one after the other.
const CONNECTIONS: u64 = 500;

/// Enqueued in one transaction.
const AT_ONCE: u64 = 500;

/// Requests at a time of the bare sender: as many as the product has for one endpoint.
const BARE_CLIENTS: usize = tenon_core::limits::DELIVERY_LANES;

/// `outbox`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    println!(
        "  {DELIVERIES} deliveries of {CONNECTIONS} connections to one endpoint, each counted"
    );
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let bare = bare(settings).await?;
        rounds.push((drain(None).await?, bare));
    }
    print("SQLite", rounds);
    let Some(databases) = Databases::open(settings).await? else {
        return Ok(());
    };
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let bare = bare(settings).await?;
        let database = databases.make().await?;
        rounds.push((drain(Some(&database)).await?, bare));
        databases.drop(&database).await?;
    }
    print("Postgres", rounds);
    Ok(())
}

fn print(database: &str, mut rounds: Vec<(f64, f64)>) {
    rounds.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (ours, bare) = rounds[rounds.len() / 2];
    println!(
        "  {:<34} {ours:>10.0} /s   bare requests {bare:.0} /s   ratio {:.2}",
        format!("deliveries, {database}"),
        ours / bare
    );
}

/// Requests of the same size, sent and forgotten.
async fn bare(settings: &Settings) -> Result<f64> {
    let (_sink, address) = own(&["--sink"])?;
    let body = content(0).to_string();
    let headers = [("content-type", "application/json")];
    let post = request("POST", "/hook", &headers, body.as_bytes());
    let figures = load::run(&address, &post, 200, BARE_CLIENTS, settings.seconds).await?;
    Ok(figures.per_second)
}

fn content(number: u64) -> serde_json::Value {
    json!({"type": "sync", "from": "nango", "number": number, "pad": "x".repeat(300)})
}

/// Deliveries per second, until each is written down as delivered.
async fn drain(postgres: Option<&str>) -> Result<f64> {
    let (_sink, address) = own(&["--sink"])?;
    let node = Node::start(postgres).await?;
    let patch = WebhookSettingsPatch {
        primary_url: Some(Some(format!("http://{address}/hook"))),
        ..WebhookSettingsPatch::default()
    };
    environments::patch_webhooks(&node.engine, node.environment, patch).await?;
    for first in (0..DELIVERIES).step_by(AT_ONCE as usize) {
        enqueue(&node, first..first + AT_ONCE).await?;
    }
    let shutdown = Cancel::default();
    let started = Instant::now();
    let running = tokio::spawn(Dispatcher::new(node.engine.clone()).run(shutdown.clone()));
    while waiting(&node).await? {
        ensure!(
            started.elapsed() < Duration::from_secs(300),
            "deliveries do not come to an end: {:?} arrived",
            sink::seen(&address).await?
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    shutdown.raise();
    running.await?;
    let arrived = sink::seen(&address).await?;
    ensure!(
        arrived == (DELIVERIES, DELIVERIES),
        "{arrived:?} requests and ids arrived of {DELIVERIES}"
    );
    node.stop().await?;
    Ok(DELIVERIES as f64 / took.as_secs_f64())
}

/// Whether an endpoint has anything left that was not written down as delivered.
async fn waiting(node: &Node) -> Result<bool> {
    Ok(!node.engine.reader().endpoints_waiting().await?.is_empty())
}

async fn enqueue(node: &Node, numbers: std::ops::Range<u64>) -> Result<()> {
    let (engine, environment) = (node.engine.clone(), node.environment);
    let enqueued: Result<(), StoreError> = node
        .engine
        .store
        .write(move |tx| async move {
            for number in numbers {
                let connection = ConnectionPk((number % CONNECTIONS).cast_signed());
                let outgoing = Outgoing::new(
                    environment,
                    Some(connection),
                    DeliveryKind::Sync,
                    content(number),
                );
                delivery::enqueue(&tx, &engine, outgoing).await?;
            }
            Ok(())
        })
        .await;
    Ok(enqueued?)
}
