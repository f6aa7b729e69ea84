//! Many clients for some seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::http::Client;

/// What a measurement found.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) count: usize,
}

/// Sends `request` from `clients` connections for `seconds`; any other status than `expected` is an error.
pub(crate) async fn run(
    address: &str,
    request: &[u8],
    expected: u16,
    clients: usize,
    seconds: u64,
) -> Result<Figures> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let request = request.to_vec();
    let next = move || (Instant::now() < end).then(|| request.clone());
    each(address, expected, clients, next).await
}

/// Sends what `next` gives from `clients` connections, until it gives nothing more.
pub(crate) async fn each<N>(
    address: &str,
    expected: u16,
    clients: usize,
    next: N,
) -> Result<Figures>
where
    N: Fn() -> Option<Vec<u8>> + Send + Sync + 'static,
{
    let next = Arc::new(next);
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..clients {
        let (address, next) = (address.to_owned(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut client = Client::connect(&address).await?;
            let mut times = Vec::new();
            while let Some(request) = next() {
                let sent = Instant::now();
                let answer = client.send(&request).await?;
                ensure!(
                    answer.status == expected,
                    "{} instead of {expected}: {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)])
                );
                times.push(sent.elapsed());
            }
            Ok(times)
        });
    }
    let mut times: Vec<Duration> = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        times.extend(finished??);
    }
    let elapsed = started.elapsed();
    Ok(summary(times, elapsed))
}

/// Figures of a list of single durations.
pub(crate) fn summary(mut times: Vec<Duration>, elapsed: Duration) -> Figures {
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get(((times.len() as f64 - 1.0) * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    Figures {
        per_second: times.len() as f64 / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        count: times.len(),
    }
}

/// The round with the median throughput.
pub(crate) fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
}
