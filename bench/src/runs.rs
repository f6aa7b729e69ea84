//! Trivial runs that outlive a crash: asynchronous actions, from the request to the stored result.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    cases::{self, ECHO, Settings},
    http::{Client, request},
    server::{Tenon, own},
};

/// Runs of one measurement: fewer than may wait.
const RUNS: usize = 8_000;

/// `runs`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let tenon = cases::connected(settings, &upstream).await?;
        cases::deploy(&tenon, &[cases::flow("echo", "action", ECHO)]).await?;
        cases::connect(&tenon).await?;
        rounds.push(round(settings, &tenon).await?);
    }
    rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (accepted, finished) = rounds[rounds.len() / 2];
    println!(
        "  {:<34} {accepted:>10.0} /s accepted, {finished:.0} /s finished and stored ({RUNS} runs)",
        format!("async actions, {} clients", settings.clients)
    );
    Ok(())
}

/// Runs per second: accepted, and ended with a result that can be fetched.
async fn round(settings: &Settings, tenon: &Tenon) -> Result<(f64, f64)> {
    let started = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..settings.clients {
        let (address, secret) = (tenon.address.clone(), tenon.secret.clone());
        callers.spawn(call(address, secret, RUNS / settings.clients));
    }
    let mut ids = Vec::new();
    while let Some(called) = callers.join_next().await {
        ids.extend(called??);
    }
    let accepted = ids.len() as f64 / started.elapsed().as_secs_f64();
    wait(tenon, ids.last().context("there were runs")?).await?;
    // Whoever is done before the last one costs no wait here.
    let mut ended = started.elapsed();
    for id in &ids {
        if wait(tenon, id).await? {
            ended = started.elapsed();
        }
    }
    Ok((accepted, ids.len() as f64 / ended.as_secs_f64()))
}

/// Triggers `count` actions one after the other; their ids.
async fn call(address: String, secret: String, count: usize) -> Result<Vec<String>> {
    let authorization = format!("Bearer {secret}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("connection-id", "c"),
        ("provider-config-key", "bench"),
        ("content-type", "application/json"),
        ("x-async", "true"),
    ];
    let body = json!({"action_name": "echo", "input": {"n": 1}}).to_string();
    let post = request("POST", "/action/trigger", &headers, body.as_bytes());
    let mut client = Client::connect(&address).await?;
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        let answer = client.send(&post).await?;
        ensure!(
            answer.status == 202,
            "{} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let told: Value = serde_json::from_slice(&answer.body)?;
        ids.push(told["id"].as_str().context("an id")?.to_owned());
    }
    Ok(ids)
}

/// Waits for a result; whether it was not there at once.
async fn wait(tenon: &Tenon, id: &str) -> Result<bool> {
    let authorization = format!("Bearer {}", tenon.secret);
    let headers = [("authorization", authorization.as_str())];
    let get = request("GET", &format!("/action/{id}"), &headers, b"");
    let mut client = Client::connect(&tenon.address).await?;
    for looked in 0..60_000 {
        let answer = client.send(&get).await?;
        if answer.status == 200 {
            ensure!(answer.body == br#"{"got":1}"#, "another result: {id}");
            return Ok(looked > 0);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("`{id}` has no result after a minute")
}
